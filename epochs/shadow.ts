/**
 * The shadow of a guest's RAM: what the receiver has, so that the next epoch is only what differs.
 *
 * Rule 1: the shadow changes only to what a payload says, in the same call that makes the payload.
 *         So a payload that was made must be sent, in that order, or the stream begun anew.
 * Rule 2: what is set aside has no payload yet, and the shadow is what it differs from. A window is
 *         therefore not looked at again before what was set aside of it is encoded.
 * Rule 3: memory is that of the RAM plus a fixed few MiB a segment, and the room for what is set
 *         aside; scanning adds one window. A page that was never anything but zero takes none.
 *
 * RAM is split into segments of 512 MiB, each in a WASM memory of its own, reserved at once.
 * @module
 */
import assert from "node:assert/strict";
import { encodeStagedDelta, encodeStagedPages, type WindowChange } from "./delta.ts";
import { type ReadInto, readFully } from "./guest-ram.ts";
import {
  countBits,
  Kernel,
  PAGE_BYTES,
  SHADOW_BYTES_MAX,
  WINDOW_BYTES,
  WINDOW_PAGES,
} from "./kernel.ts";
import { Staging } from "./staging.ts";

/** The fixed scratch of each segment's memory, rounded up: assembly/layout.ts. */
const SCRATCH_BYTES = 4 * 1024 * 1024;
/** What a thread takes beside the shadow of its part; a segment may be cut in two by its border. */
const THREAD_BYTES = 32 * 1024 * 1024 + SCRATCH_BYTES;
/** Changed pages of a cut are held until the guest runs again: no more than this. */
export const STAGING_BYTES_MAX = 128 * 1024 * 1024;

/**
 * `full` sends every page as it is (epoch 0); `delta` those that differ from the shadow, and of
 * them what differs.
 */
export type ScanMode = "full" | "delta";

/** The memory that shadows of so much RAM take, for admission; several threads are extra. */
export function reserveBytes(ramBytes: number, threads = 1): number {
  const scratchBytes = Math.ceil(ramBytes / SHADOW_BYTES_MAX) * SCRATCH_BYTES;
  const threadBytes = threads > 1 ? threads * THREAD_BYTES : 0;
  return ramBytes + scratchBytes + threadBytes + Math.min(ramBytes, STAGING_BYTES_MAX);
}

/** Pages of one window, or of what of it lies in one segment. */
interface Range {
  readonly firstPage: number;
  readonly pages: number;
}

/** What a scan has found there. */
export interface Found extends Range {
  readonly changedPages: number;
  readonly mode: ScanMode;
}

/** A payload, and how many bytes of pages that are not all zero it stands for. */
export interface Encoded {
  readonly payload: Buffer;
  readonly dataBytes: number;
}

/** Pages of the window that begins at `firstPage`, a whole MiB: a bit a page, in whole bytes. */
export interface HeldWindow {
  readonly firstPage: number;
  readonly wanted: Uint8Array;
}

/** What was set aside: the changed pages, zero or not, one behind the other in the staging. */
interface Aside extends Range {
  readonly changed: Uint8Array;
  readonly start: number;
  readonly sizeBytes: number;
}

export interface ShadowOptions {
  /** Where its part of the RAM begins, in whole windows; 0 unless told. */
  readonly from?: number;
  /** Room for what is set aside; none unless told. */
  readonly stagingBytes?: number;
}

/**
 * See the head of this file. It is of `ramBytes` (a multiple of 4096) of RAM, all of it or a part;
 * positions and page numbers are those of the whole. Throws NO_SPACE.
 */
export class Shadow {
  readonly from: number;
  readonly ramBytes: number;
  private readonly staging: Staging;
  private segments: readonly Kernel[];
  /** In the order in which it is to be encoded, and how many of them are. */
  private aside: Aside[] = [];
  private encoded = 0;
  /** Windows, by number, and how many parts of each are aside. */
  private readonly asideWindows = new Map<number, number>();
  /** What the last scan found and nobody took yet: it is in the kernels' windows. */
  private found: readonly Found[] = [];

  constructor(module: WebAssembly.Module, ramBytes: number, options: ShadowOptions = {}) {
    const { from = 0, stagingBytes = 0 } = options;
    assert(ramBytes > 0 && ramBytes % PAGE_BYTES === 0, `RAM of ${ramBytes} bytes`);
    assert(from >= 0 && from % WINDOW_BYTES === 0, `from ${from}`);
    this.from = from;
    this.ramBytes = ramBytes;
    this.staging = new Staging(stagingBytes);
    const segments: Kernel[] = [];
    for (let start = 0; start < ramBytes; start += SHADOW_BYTES_MAX) {
      segments.push(new Kernel(module, Math.min(SHADOW_BYTES_MAX, ramBytes - start)));
    }
    this.segments = segments;
  }

  /** Whether there is room to set aside whatever a window may hold. */
  get hasRoom(): boolean {
    return this.staging.freeBytes >= WINDOW_BYTES;
  }

  /** Makes some of the staging ready, so that a pause need not; call it while the guest runs. */
  touchStaging(): void {
    this.staging.touch(WINDOW_BYTES);
  }

  /**
   * Looks at `length` bytes (at most 1 MiB) at `position`, both whole pages: nothing, one part that
   * changed, or two where the range crosses a segment. Each is to be given to `encodeFound` or
   * `setAside` before the next scan. Throws FILE_FAILED if the RAM ends early.
   */
  scanWindow(readInto: ReadInto, position: number, length: number, mode: ScanMode): Found[] {
    assert(position >= this.from && position % PAGE_BYTES === 0, `position ${position}`);
    assert(length > 0 && length <= WINDOW_BYTES && length % PAGE_BYTES === 0, `${length} bytes`);
    assert(position + length <= this.from + this.ramBytes, `position ${position} past the end`);
    const windows = windowsOf(position, length);
    assert(!windows.some((window) => this.asideWindows.has(window)), "still aside");
    const found: Found[] = [];
    for (const [at, bytes] of this.split(position, length)) {
      const { kernel, offset } = this.segmentOf(at);
      readFully(readInto, kernel.window.subarray(0, bytes), at);
      const pages = bytes / PAGE_BYTES;
      if (mode === "full") kernel.selectAll(pages);
      const changedPages = mode === "full" ? pages : kernel.compare(offset, pages);
      if (changedPages > 0) found.push({ firstPage: at / PAGE_BYTES, pages, changedPages, mode });
    }
    this.found = found;
    return found;
  }

  /** The payload of what the last scan found; the shadow follows. */
  encodeFound(part: Found): Encoded {
    const { firstPage, pages, mode } = part;
    const { kernel, offset } = this.take(part);
    if (mode === "delta") return encodeDelta(kernel, offset, part);
    const dataBytes = (pages - kernel.zeroPages(pages)) * PAGE_BYTES;
    const content = kernel.gather(pages);
    const change = { firstPage, pages, ...bitmapsOf(kernel, pages), content };
    const payload = encodeStagedPages(kernel, change);
    // Pages that are as they were stay untouched: of a fresh shadow, all that are zero.
    kernel.compare(offset, pages);
    kernel.updateShadow(offset, pages);
    return { payload, dataBytes };
  }

  /**
   * The same for the pause, in which nothing is encoded: copies what the last scan found, for
   * `encodeAside` once the guest runs again. Only while there `hasRoom`.
   */
  setAside(part: Found): void {
    const { firstPage, pages, changedPages, mode } = part;
    assert(mode === "delta", "only differences are set aside");
    const { kernel } = this.take(part);
    kernel.zero.fill(0);
    const sizeBytes = changedPages * PAGE_BYTES;
    const start = this.staging.put(kernel.gather(pages));
    const changed = kernel.changed.slice(0, Math.ceil(pages / 8));
    this.aside.push({ firstPage, pages, changed, start, sizeBytes });
    this.countAside(part, 1);
  }

  /** The payload of what was set aside first; the shadow follows. Undefined: nothing is aside. */
  encodeAside(): Encoded | undefined {
    const first = this.aside[this.encoded];
    if (first === undefined) return undefined;
    // What the last scan left in the kernel's window goes.
    this.found = [];
    const { firstPage, pages, changed, start, sizeBytes } = first;
    const { kernel, offset } = this.segmentOf(firstPage * PAGE_BYTES);
    kernel.spread(changed, pages, this.staging.at(start, sizeBytes));
    this.countAside(first, -1);
    this.encoded++;
    if (this.encoded === this.aside.length) this.clearAside();
    return encodeDelta(kernel, offset, first);
  }

  /**
   * Whole pages as the shadow has them, for a receiver of which nothing is known. Not while
   * something is aside: the shadow is then not what was cut.
   */
  encodeHeld({ firstPage, wanted }: HeldWindow): Encoded {
    assert(this.aside.length === 0, "what is aside comes first");
    assert(firstPage % WINDOW_PAGES === 0, `window at page ${firstPage}`);
    this.found = [];
    const position = firstPage * PAGE_BYTES;
    const { kernel, offset } = this.segmentOf(position);
    const restBytes = this.from + this.ramBytes - position;
    const pages = Math.min(WINDOW_PAGES, restBytes / PAGE_BYTES);
    kernel.readShadow(offset, pages);
    kernel.changed.fill(0);
    kernel.changed.set(wanted.subarray(0, Math.ceil(pages / 8)));
    const zeroPages = kernel.zeroPages(pages);
    const content = kernel.gather(pages);
    const bitmaps = bitmapsOf(kernel, pages);
    const payload = encodeStagedPages(kernel, { firstPage, pages, ...bitmaps, content });
    return { payload, dataBytes: (countBits(bitmaps.changed) - zeroPages) * PAGE_BYTES };
  }

  /** Gives the memory back. */
  close(): void {
    this.segments = [];
    this.clearAside();
  }

  private clearAside(): void {
    this.aside = [];
    this.encoded = 0;
    this.staging.clear();
  }

  private countAside({ firstPage, pages }: Range, by: 1 | -1): void {
    for (const window of windowsOf(firstPage * PAGE_BYTES, pages * PAGE_BYTES)) {
      const count = (this.asideWindows.get(window) ?? 0) + by;
      if (count === 0) this.asideWindows.delete(window);
      else this.asideWindows.set(window, count);
    }
  }

  /** Where the kernel's window still holds what a scan has found. */
  private take(part: Found): { kernel: Kernel; offset: number } {
    assert(this.found.includes(part), "not of the last scan, or taken already");
    this.found = this.found.filter((other) => other !== part);
    return this.segmentOf(part.firstPage * PAGE_BYTES);
  }

  /** The kernel of a position, and how far into its shadow that is. */
  private segmentOf(position: number): { kernel: Kernel; offset: number } {
    const within = position - this.from;
    const kernel = this.segments[Math.floor(within / SHADOW_BYTES_MAX)];
    assert(kernel !== undefined, "shadow is closed");
    return { kernel, offset: within % SHADOW_BYTES_MAX };
  }

  /** A window lies in one segment, or across the border of two: [position, bytes] of each. */
  private split(position: number, length: number): [number, number][] {
    const within = position - this.from;
    const nextSegment = (Math.floor(within / SHADOW_BYTES_MAX) + 1) * SHADOW_BYTES_MAX;
    const border = this.from + nextSegment;
    const first = Math.min(length, border - position);
    if (first === length) return [[position, length]];
    return [
      [position, first],
      [border, length - first],
    ];
  }
}

/** The changed pages, which are at their places in the kernel's window, as differences. */
function encodeDelta(kernel: Kernel, offset: number, { firstPage, pages }: Range): Encoded {
  const zeroPages = kernel.zeroPages(pages);
  const stream = kernel.encodeDelta(offset, pages);
  const bitmaps = bitmapsOf(kernel, pages);
  const payload = encodeStagedDelta(kernel, { firstPage, pages, ...bitmaps }, stream);
  return { payload, dataBytes: (countBits(bitmaps.changed) - zeroPages) * PAGE_BYTES };
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
