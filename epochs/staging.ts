/**
 * Room for what a pause finds, until the guest runs again and it is encoded.
 *
 * Memory that is touched for the first time costs ten times its copy, page fault by page fault. So
 * the same room serves every pause of a stream, and its beginning is touched beforehand, a little
 * at a time.
 * @module
 */
import assert from "node:assert/strict";

/**
 * What most cuts find. Not more: to start a child process, as each pause does to read the disks'
 * maps, takes the longer the more memory was touched, some 7 ms for 128 MiB.
 */
const TOUCHED_BYTES_MAX = 16 * 1024 * 1024;

/** Filled from its beginning, and emptied as a whole. */
export class Staging {
  private readonly bytes: Uint8Array;
  private touched = 0;
  private used = 0;

  constructor(sizeBytes: number) {
    this.bytes = new Uint8Array(sizeBytes);
  }

  get freeBytes(): number {
    return this.bytes.length - this.used;
  }

  /** Touches up to `sizeBytes` more of what is not in use yet, while there is reason to. */
  touch(sizeBytes: number): void {
    const from = Math.max(this.touched, this.used);
    const end = Math.min(this.bytes.length, TOUCHED_BYTES_MAX, from + sizeBytes);
    if (end <= from) return;
    this.bytes.fill(0, from, end);
    this.touched = end;
  }

  /** Copies `content` and returns where it is. There must be room. */
  put(content: Uint8Array): number {
    assert(content.length <= this.freeBytes, `${content.length} bytes of ${this.freeBytes}`);
    const start = this.used;
    this.bytes.set(content, start);
    this.used += content.length;
    return start;
  }

  /** A view of what `put` has put at `start`; it is valid until `clear`. */
  at(start: number, sizeBytes: number): Uint8Array {
    return this.bytes.subarray(start, start + sizeBytes);
  }

  clear(): void {
    this.used = 0;
  }
}
