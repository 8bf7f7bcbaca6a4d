/**
 * The shadow of a guest's RAM: what the receiver has, so that the next epoch is only what differs.
 *
 * Rule 1: the shadow changes only to what a payload says, in the same call that makes the payload.
 *         So a payload that was made must be sent, in that order, or the stream begun anew.
 * Rule 2: what is set aside has no payload yet, and the shadow is what it differs from. A window is
 *         therefore not looked at again before what was set aside of it is encoded.
 * Rule 3: memory is that of the RAM plus a fixed few MiB a segment; scanning adds one window.
 *
 * RAM is split into segments of 512 MiB, each in a WASM memory of its own, reserved at once.
 * @module
 */
import assert from "node:assert/strict";
import { encodeStagedDelta, encodeStagedPages, type WindowChange } from "./delta.ts";
import { type ReadInto, readFully } from "./guest-ram.ts";
import { Kernel, PAGE_BYTES, SHADOW_BYTES_MAX, WINDOW_BYTES } from "./kernel.ts";

/** The fixed scratch of each segment's memory, rounded up: assembly/layout.ts. */
const SCRATCH_BYTES = 4 * 1024 * 1024;

/**
 * `full` sends every page as it is (epoch 0); `delta` those that differ from the shadow, and of
 * them what differs.
 */
export type ScanMode = "full" | "delta";

/** The memory that a shadow of so much RAM takes, for admission. */
export function reserveBytes(ramBytes: number): number {
  return ramBytes + Math.ceil(ramBytes / SHADOW_BYTES_MAX) * SCRATCH_BYTES;
}

/** What a scan has found in one window, or in what of it lies in one segment. */
export interface Found {
  readonly firstPage: number;
  readonly pages: number;
  /** The changed pages that are not all zero. */
  readonly dataBytes: number;
  readonly mode: ScanMode;
}

/** See the head of this file. `ramBytes` is a multiple of 4096. Throws NO_SPACE. */
export class Shadow {
  readonly ramBytes: number;
  private segments: readonly Kernel[];
  /** Windows, by number, of which something is set aside. */
  private readonly aside = new Set<number>();
  /** What the last scan found and nobody took yet: it is in the kernels' windows. */
  private found: readonly Found[] = [];

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
   * Looks at `length` bytes (at most 1 MiB) at `position`, both whole pages: nothing, one part that
   * changed, or two where the range crosses a segment. Each is to be given to `encodeFound` or
   * `setAside` before the next scan. Throws FILE_FAILED if the RAM ends early.
   */
  scanWindow(readInto: ReadInto, position: number, length: number, mode: ScanMode): Found[] {
    assert(position >= 0 && position % PAGE_BYTES === 0, `position ${position}`);
    assert(length > 0 && length <= WINDOW_BYTES && length % PAGE_BYTES === 0, `${length} bytes`);
    assert(position + length <= this.ramBytes, `position ${position} past the end of RAM`);
    assert(!windowsOf(position, length).some((window) => this.aside.has(window)), "still aside");
    const found: Found[] = [];
    for (const [at, bytes] of this.split(position, length)) {
      const kernel = this.segmentOf(at);
      readFully(readInto, kernel.window.subarray(0, bytes), at);
      const pages = bytes / PAGE_BYTES;
      if (mode === "full") kernel.selectAll(pages);
      const changed = mode === "full" ? pages : kernel.compare(at % SHADOW_BYTES_MAX, pages);
      if (changed === 0) continue;
      const dataBytes = (changed - kernel.zeroPages(pages)) * PAGE_BYTES;
      found.push({ firstPage: at / PAGE_BYTES, pages, dataBytes, mode });
    }
    this.found = found;
    return found;
  }

  /** The payload of what the last scan found; the shadow follows. */
  encodeFound(part: Found): Buffer {
    const { firstPage, pages, mode } = part;
    const kernel = this.take(part);
    if (mode === "delta") return this.encodeDelta(kernel, firstPage, pages, false);
    const content = kernel.gather(pages);
    kernel.updateShadow((firstPage * PAGE_BYTES) % SHADOW_BYTES_MAX, pages);
    return encodeStagedPages(kernel, { firstPage, pages, ...bitmapsOf(kernel, pages), content });
  }

  /**
   * The same for the pause, in which nothing is encoded: copies what the last scan found, for
   * `encode` once the guest runs again. Bound how many: each holds its pages until then.
   */
  setAside(part: Found): WindowChange {
    const { firstPage, pages, mode } = part;
    assert(mode === "delta", "only differences are set aside");
    const kernel = this.take(part);
    for (const window of windowsOf(firstPage * PAGE_BYTES, pages * PAGE_BYTES)) {
      this.aside.add(window);
    }
    const { changed, zero } = bitmapsOf(kernel, pages);
    const content = kernel.gather(pages).slice();
    return { firstPage, pages, changed: changed.slice(), zero: zero.slice(), content };
  }

  /** The payload of what was set aside; the shadow follows. */
  encode(change: WindowChange): Buffer {
    const { firstPage, pages, changed, zero, content } = change;
    const kernel = this.segmentOf(firstPage * PAGE_BYTES);
    for (const window of windowsOf(firstPage * PAGE_BYTES, pages * PAGE_BYTES)) {
      assert(this.aside.delete(window), "encoded twice");
    }
    // What the last scan left in the kernel's window goes.
    this.found = [];
    kernel.changed.set(changed);
    kernel.zero.set(zero);
    kernel.window.set(content);
    return this.encodeDelta(kernel, firstPage, pages, true);
  }

  /** Gives the memory back. */
  close(): void {
    this.segments = [];
  }

  private encodeDelta(kernel: Kernel, firstPage: number, pages: number, packed: boolean): Buffer {
    const offset = (firstPage * PAGE_BYTES) % SHADOW_BYTES_MAX;
    const stream = kernel.encodeDelta(offset, pages, packed);
    return encodeStagedDelta(kernel, { firstPage, pages, ...bitmapsOf(kernel, pages) }, stream);
  }

  /** The kernel whose window still holds what a scan has found. */
  private take(part: Found): Kernel {
    assert(this.found.includes(part), "not of the last scan, or taken already");
    this.found = this.found.filter((other) => other !== part);
    return this.segmentOf(part.firstPage * PAGE_BYTES);
  }

  private segmentOf(position: number): Kernel {
    const kernel = this.segments[Math.floor(position / SHADOW_BYTES_MAX)];
    assert(kernel !== undefined, "shadow is closed");
    return kernel;
  }

  /** A window lies in one segment, or across the border of two: [position, bytes] of each. */
  private split(position: number, length: number): [number, number][] {
    const border = (Math.floor(position / SHADOW_BYTES_MAX) + 1) * SHADOW_BYTES_MAX;
    const first = Math.min(length, border - position);
    if (first === length) return [[position, length]];
    return [
      [position, first],
      [border, length - first],
    ];
  }
}

/** The kernel's bitmaps; behind these bytes they are of an earlier, longer window. */
function bitmapsOf(kernel: Kernel, pages: number): Pick<WindowChange, "changed" | "zero"> {
  const bytes = Math.ceil(pages / 8);
  return { changed: kernel.changed.subarray(0, bytes), zero: kernel.zero.subarray(0, bytes) };
}

/** The numbers of the one or two windows of RAM that a range touches. */
function windowsOf(position: number, length: number): number[] {
  const first = Math.floor(position / WINDOW_BYTES);
  const last = Math.floor((position + length - 1) / WINDOW_BYTES);
  return first === last ? [first] : [first, last];
}
