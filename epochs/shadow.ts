/**
 * The shadow of a guest's RAM: what the receiver has, so that the next epoch is only what differs.
 *
 * Rule 1: the shadow changes only to what a payload says, in the same call that makes the payload.
 *         So a payload that was made must be sent, or the stream begun anew: if a cut fails after
 *         its scan, its payloads go before those of the next cut.
 * Rule 2: memory is that of the RAM plus a fixed few MiB a segment; scanning adds one window.
 *
 * RAM is split into segments of 512 MiB, each in a WASM memory of its own, reserved at once.
 * @module
 */
import assert from "node:assert/strict";
import { SystemError } from "../protocol/error.ts";
import { encodePages, encodeStagedPages, type WindowChange } from "./delta.ts";
import { Kernel, PAGE_BYTES, SHADOW_BYTES_MAX, WINDOW_BYTES } from "./kernel.ts";

/** The fixed scratch of each segment's memory, rounded up: assembly/layout.ts. */
const SCRATCH_BYTES = 4 * 1024 * 1024;

/**
 * Reads guest RAM at `position` (bytes) into `view` and returns how many bytes it read, as
 * fs.readSync does. `view` is WASM memory: what is read is not copied again.
 */
export type ReadInto = (view: Uint8Array, position: number) => number;

/** `full` sends every page (epoch 0); `delta` those that differ from the shadow. */
export type ScanMode = "full" | "delta";

/** The memory that a shadow of so much RAM takes, for admission. */
export function reserveBytes(ramBytes: number): number {
  return ramBytes + Math.ceil(ramBytes / SHADOW_BYTES_MAX) * SCRATCH_BYTES;
}

/** See the head of this file. `ramBytes` is a multiple of 4096. Throws NO_SPACE. */
export class Shadow {
  readonly ramBytes: number;
  private segments: readonly Kernel[];

  constructor(module: WebAssembly.Module, ramBytes: number) {
    assert(ramBytes > 0 && ramBytes % PAGE_BYTES === 0, `RAM of ${ramBytes} bytes`);
    this.ramBytes = ramBytes;
    const segments: Kernel[] = [];
    for (let start = 0; start < ramBytes; start += SHADOW_BYTES_MAX) {
      segments.push(new Kernel(module, Math.min(SHADOW_BYTES_MAX, ramBytes - start)));
    }
    this.segments = segments;
  }

  /**
   * Scans `length` bytes (at most 1 MiB) at `position`, both whole pages, and returns the payloads
   * of what changed: none, one, or two where the range crosses a segment. Throws FILE_FAILED if
   * the RAM ends early; the shadow of that window is then untouched.
   */
  scanWindow(readInto: ReadInto, position: number, length: number, mode: ScanMode): Buffer[] {
    return this.scan(readInto, position, length, mode, encodeStagedPages);
  }

  /**
   * The same for the pause: sets the changed pages aside, to be encoded by `encode` after the
   * guest runs again. Each change holds a copy of its pages until then: bound how many.
   */
  collectWindow(
    readInto: ReadInto,
    position: number,
    length: number,
    mode: ScanMode,
  ): WindowChange[] {
    return this.scan(readInto, position, length, mode, (_kernel, change) => ({
      ...change,
      changed: change.changed.slice(),
      zero: change.zero.slice(),
      content: change.content.slice(),
    }));
  }

  /** Encodes what `collectWindow` set aside. */
  encode(change: WindowChange): Buffer {
    const segment = this.segments[0];
    assert(segment !== undefined, "shadow is closed");
    return encodePages(segment, change);
  }

  /** Gives the memory back. */
  close(): void {
    this.segments = [];
  }

  private scan<Result>(
    readInto: ReadInto,
    position: number,
    length: number,
    mode: ScanMode,
    take: (kernel: Kernel, change: WindowChange) => Result,
  ): Result[] {
    assert(position >= 0 && position % PAGE_BYTES === 0, `position ${position}`);
    assert(length > 0 && length <= WINDOW_BYTES && length % PAGE_BYTES === 0, `${length} bytes`);
    assert(position + length <= this.ramBytes, `position ${position} past the end of RAM`);
    const parts = this.split(position, length);
    // All is read before any shadow changes, so a read that fails leaves them as they were.
    for (const { kernel, at, bytes } of parts) {
      readFully(readInto, kernel.window.subarray(0, bytes), at);
    }
    const results: Result[] = [];
    for (const part of parts) {
      const change = findChange(part, mode);
      if (change !== undefined) results.push(take(part.kernel, change));
    }
    return results;
  }

  /** A window lies in one segment, or across the border of two. */
  private split(position: number, length: number): Part[] {
    const parts: Part[] = [];
    for (let at = position, end = position + length; at < end; at += parts.at(-1)!.bytes) {
      const kernel = this.segments[Math.floor(at / SHADOW_BYTES_MAX)];
      assert(kernel !== undefined, "shadow is closed");
      const offset = at % SHADOW_BYTES_MAX;
      parts.push({ kernel, at, offset, bytes: Math.min(end - at, kernel.shadowBytes - offset) });
    }
    return parts;
  }
}

/** What of a window lies in one segment, in bytes: at guest position `at`, at `offset` of it. */
interface Part {
  readonly kernel: Kernel;
  readonly at: number;
  readonly offset: number;
  readonly bytes: number;
}

/** Finds what changed in the kernel's window, stages it, and brings the shadow up to it. */
function findChange(part: Part, mode: ScanMode): WindowChange | undefined {
  const { kernel, offset } = part;
  const pages = part.bytes / PAGE_BYTES;
  if (mode === "full") kernel.selectAll(pages);
  else if (kernel.compare(offset, pages) === 0) return undefined;
  kernel.zeroPages(pages);
  const content = kernel.gather(pages);
  kernel.updateShadow(offset, pages);
  // Behind these bytes the kernel's bitmaps are of an earlier, longer window.
  const changed = kernel.changed.subarray(0, Math.ceil(pages / 8));
  const zero = kernel.zero.subarray(0, changed.length);
  return { firstPage: part.at / PAGE_BYTES, pages, changed, zero, content };
}

function readFully(readInto: ReadInto, view: Uint8Array, position: number): void {
  for (let done = 0; done < view.length; ) {
    const count = readInto(view.subarray(done), position + done);
    if (count <= 0) {
      throw new SystemError("FILE_FAILED", `Cannot read guest RAM: it ends at ${position + done}`);
    }
    done += count;
  }
}
