/**
 * A guest's RAM file, read window by window, and written run by run at a target.
 * @module
 */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import type { PagesRun } from "../../epochs/delta.ts";
import { SystemError } from "../../protocol/error.ts";

const ZEROS = Buffer.alloc(1024 * 1024);

/** An open RAM file. Reads and writes are synchronous: a window takes part of a millisecond. */
export class RamFile {
  private readonly fd: number;

  constructor(path: string, mode: "read" | "write") {
    try {
      this.fd = openSync(path, mode === "read" ? "r" : "r+");
    } catch (cause) {
      throw new SystemError("FILE_FAILED", `Cannot open RAM file ${path}`, { cause });
    }
  }

  /** Fills `view` from `position`; the form that `Shadow` asks for. */
  readonly readInto = (view: Uint8Array, position: number): number =>
    readSync(this.fd, view, 0, view.length, position);

  /** Writes a run of pages. */
  write({ position, length, bytes }: PagesRun): void {
    const source = bytes === "zero" ? ZEROS : bytes;
    for (let done = 0; done < length; ) {
      const at = bytes === "zero" ? 0 : done;
      const size = Math.min(length - done, source.length - at);
      done += writeSync(this.fd, source, at, size, position + done);
    }
  }

  close(): void {
    closeSync(this.fd);
  }
}
