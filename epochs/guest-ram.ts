/**
 * Reading guest RAM, of which this folder knows no file.
 * @module
 */
import { SystemError } from "../protocol/error.ts";

/**
 * Reads guest RAM at `position` (bytes) into `view` and returns how many bytes it read, as
 * fs.readSync does. `view` is WASM memory: what is read is not copied again.
 */
export type ReadInto = (view: Uint8Array, position: number) => number;

/** Fills the whole of `view`. Throws FILE_FAILED if the RAM ends early. */
export function readFully(readInto: ReadInto, view: Uint8Array, position: number): void {
  for (let done = 0; done < view.length; ) {
    const count = readInto(view.subarray(done), position + done);
    if (count <= 0) {
      throw new SystemError("FILE_FAILED", `Cannot read guest RAM: it ends at ${position + done}`);
    }
    done += count;
  }
}
