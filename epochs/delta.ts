/**
 * Payloads of changed guest memory: whole pages or differences, in the form of pages-header.ts, and
 * compressed in LZ4 blocks of 64 KiB.
 *
 * Disk extents and device state travel in the same blocks behind a shorter header:
 * u8 version, u8 codec, u16 reserved, u32 raw length.
 * @module
 */
import assert from "node:assert/strict";
import { SystemError } from "../protocol/error.ts";
import { type ReadInto, readFully } from "./guest-ram.ts";
import { BLOCK_BYTES, type DeltaStream, type Kernel, PAGE_BYTES, WINDOW_BYTES } from "./kernel.ts";
import {
  check,
  type PagesDeltas,
  type PagesHeader,
  parsePagesHeader,
  VERSION,
  writePages,
} from "./pages-header.ts";

/** The only codec of bytes that are no pages. */
const CODEC_LZ4 = 0;
const BYTES_HEADER_BYTES = 8;
/** The top bit of a block's length: stored as it is. */
const STORED = 0x8000_0000;
/** The most that `compressBytes` takes. */
export const RAW_BYTES_MAX = 1024 * 1024 * 1024;

/**
 * What changed in one window. The bitmaps have a bit for each of its pages, in whole bytes;
 * `content` is its data pages, one behind the other.
 */
export interface WindowChange {
  readonly firstPage: number;
  readonly pages: number;
  readonly changed: Uint8Array;
  readonly zero: Uint8Array;
  readonly content: Uint8Array;
}

/**
 * Neighbouring pages to be written at `position` (bytes of guest RAM). `bytes` is a view into the
 * kernel, valid until its next call.
 */
export interface PagesRun {
  readonly position: number;
  readonly length: number;
  readonly bytes: Uint8Array | "zero";
}

/** A payload of whole pages (codec 0), for a receiver of which nothing is known. */
export function encodePages(kernel: Kernel, change: WindowChange): Buffer {
  kernel.stage(change.content);
  return encodeStagedPages(kernel, change);
}

/** The same, of a change whose content is what `kernel.gather` has just staged. */
export function encodeStagedPages(kernel: Kernel, change: WindowChange): Buffer {
  const { content } = change;
  const blocks = kernel.encodeStaged(content.length);
  return writePages({ ...change, rawBytes: content.length, differences: undefined, blocks });
}

/** A payload of differences (codec 1), which `kernel.encodeDelta` has just staged. */
export function encodeStagedDelta(
  kernel: Kernel,
  change: Omit<WindowChange, "content">,
  stream: DeltaStream,
): Buffer {
  const blocks = kernel.encodeStaged(stream.bytes);
  return writePages({ ...change, rawBytes: stream.bytes, differences: stream, blocks });
}

/**
 * Decodes a payload for a guest of `ramBytes` and hands over what to write, run by run, ascending
 * within the zero runs and within the data runs. `readInto` gives the pages that are there now, of
 * which differences are made pages. Nothing is handed over unless the whole payload is sound and
 * comes to the pages that the source has; otherwise throws FRAME_CORRUPT or BASE_DIFFERS.
 *
 * Differences hold new bytes as they are, not what to add to old ones. So a payload may be applied
 * again, whole or in part: over a page that it was applied to, it gives the same page.
 */
export function decodePages(
  kernel: Kernel,
  payload: Uint8Array,
  ramBytes: number,
  readInto: ReadInto,
  onRun: (run: PagesRun) => void,
): void {
  const header = parsePagesHeader(payload, ramBytes);
  const { firstPage, pages, changed, zero, blocks, rawBytes, differences } = header;
  const zeroRuns = kernel.runs(zero, pages);
  const filled = changed.map((bits, byte) => bits & ~zero[byte]!);
  const dataRuns = kernel.runs(filled, pages);
  const content = kernel.decodeBlocks(blocks, rawBytes);
  if (differences !== undefined) applyDeltas(kernel, header, differences, readInto);
  for (const run of zeroRuns) {
    const position = (firstPage + run.start) * PAGE_BYTES;
    onRun({ position, length: run.length * PAGE_BYTES, bytes: "zero" });
  }
  let packed = 0;
  for (const run of dataRuns) {
    const position = (firstPage + run.start) * PAGE_BYTES;
    const length = run.length * PAGE_BYTES;
    const from = differences === undefined ? packed : run.start * PAGE_BYTES;
    const pagesAt = differences === undefined ? content : kernel.window;
    onRun({ position, length, bytes: pagesAt.subarray(from, from + length) });
    packed += length;
  }
}

/** Makes the data pages in the kernel's window, out of those that are there now. */
function applyDeltas(
  kernel: Kernel,
  header: PagesHeader,
  differences: PagesDeltas,
  readInto: ReadInto,
): void {
  const { firstPage, pages, rawBytes } = header;
  for (const { start, length } of kernel.runs(differences.deltas, pages)) {
    const view = kernel.window.subarray(start * PAGE_BYTES, (start + length) * PAGE_BYTES);
    readFully(readInto, view, (firstPage + start) * PAGE_BYTES);
  }
  if (kernel.decodeDelta({ ...header, ...differences }, rawBytes) === differences.check) return;
  throw new SystemError("BASE_DIFFERS", "Cannot apply differences: they are to other pages", {
    detail: { firstPage, pages },
  });
}

/** Compresses any bytes up to RAW_BYTES_MAX: device state, disk extents. */
export function compressBytes(kernel: Kernel, bytes: Uint8Array): Buffer {
  assert(bytes.length <= RAW_BYTES_MAX, `${bytes.length} bytes`);
  const header = Buffer.alloc(BYTES_HEADER_BYTES);
  header.writeUInt8(VERSION, 0);
  header.writeUInt8(CODEC_LZ4, 1);
  header.writeUInt32LE(bytes.length, 4);
  const parts = [header];
  for (let offset = 0; offset < bytes.length; offset += WINDOW_BYTES) {
    const part = bytes.subarray(offset, offset + WINDOW_BYTES);
    kernel.stage(part);
    parts.push(Buffer.from(kernel.encodeStaged(part.length)));
  }
  return Buffer.concat(parts);
}

/** The reverse. Throws FRAME_CORRUPT before it allocates more than `rawBytesMax`. */
export function decompressBytes(kernel: Kernel, encoded: Uint8Array, rawBytesMax: number): Buffer {
  const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.length);
  check(bytes.length >= BYTES_HEADER_BYTES, "header cut short");
  check(bytes.readUInt8(0) === VERSION, "unknown version");
  check(bytes.readUInt8(1) === CODEC_LZ4, "unknown codec");
  check(bytes.readUInt16LE(2) === 0, "reserved bytes set");
  const rawBytes = bytes.readUInt32LE(4);
  check(rawBytes <= rawBytesMax, "too long");
  const ends = windowEnds(bytes, rawBytes);
  const raw = Buffer.allocUnsafe(rawBytes);
  let start = BYTES_HEADER_BYTES;
  for (const [index, end] of ends.entries()) {
    const offset = index * WINDOW_BYTES;
    const length = Math.min(WINDOW_BYTES, rawBytes - offset);
    raw.set(kernel.decodeBlocks(bytes.subarray(start, end), length), offset);
    start = end;
  }
  return raw;
}

/** Where the blocks of each MiB of raw bytes end, by the lengths before them. */
function windowEnds(bytes: Buffer, rawBytes: number): number[] {
  const ends: number[] = [];
  let at = BYTES_HEADER_BYTES;
  for (let offset = 0; offset < rawBytes; ) {
    check(at + 4 <= bytes.length, "block cut short");
    at += 4 + (bytes.readUInt32LE(at) % STORED);
    check(at <= bytes.length, "block cut short");
    offset = Math.min(offset + BLOCK_BYTES, rawBytes);
    if (offset % WINDOW_BYTES === 0 || offset === rawBytes) ends.push(at);
  }
  check(at === bytes.length, "bytes behind the last block");
  return ends;
}
