/**
 * The form in which changed guest memory travels: one payload a window of at most 1 MiB.
 *
 *    0  u8   version, 1             8  u64  number of the window's first page
 *    1  u8   codec, 0              16  u32  raw length: data pages x 4096
 *    2  u16  pages in the window   20  u32  encoded length: of all behind the bitmaps
 *    4  u16  changed pages         24  u64  reserved, 0
 *    6  u16  data pages            32  changed bitmap, zero bitmap, blocks
 *
 * Little-endian. The bitmaps have one bit a page, least significant first, in whole bytes; `zero`
 * selects those changed pages that are all zero and carry no data. The others, the data pages,
 * follow one behind the other in LZ4 blocks of 64 KiB (form in assembly/blocks.ts). Codec 0 sends
 * whole pages; another number will say that they are differences against the receiver's pages.
 *
 * Disk extents and device state travel in the same blocks behind a shorter header:
 * u8 version, u8 codec, u16 reserved, u32 raw length.
 * @module
 */
import assert from "node:assert/strict";
import { SystemError } from "../protocol/error.ts";
import {
  BLOCK_BYTES,
  ENCODED_BYTES_MAX,
  type Kernel,
  PAGE_BYTES,
  WINDOW_BYTES,
  WINDOW_PAGES,
} from "./kernel.ts";

const VERSION = 1;
const CODEC_PAGES_LZ4 = 0;
const HEADER_BYTES = 32;
const BYTES_HEADER_BYTES = 8;
/** The top bit of a block's length: stored as it is. */
const STORED = 0x8000_0000;
/** The longest payload of pages there can be. */
export const PAYLOAD_BYTES_MAX = HEADER_BYTES + 2 * (WINDOW_PAGES / 8) + ENCODED_BYTES_MAX;
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

/** A payload's header, proven against its bitmaps. All counts are pages. */
export interface PagesHeader {
  readonly firstPage: number;
  readonly pages: number;
  readonly changedPages: number;
  readonly dataPages: number;
  readonly rawBytes: number;
  readonly changed: Uint8Array;
  readonly zero: Uint8Array;
  readonly blocks: Uint8Array;
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

/** Encodes a change that was set aside. */
export function encodePages(kernel: Kernel, change: WindowChange): Buffer {
  kernel.stage(change.content);
  return encodeStagedPages(kernel, change);
}

/** Encodes a change whose content is what `kernel.gather` has just staged. */
export function encodeStagedPages(kernel: Kernel, change: WindowChange): Buffer {
  const { firstPage, pages, changed, zero, content } = change;
  const blocks = kernel.encodeStaged(content.length);
  const bitmapBytes = Math.ceil(pages / 8);
  assert(
    changed.length === bitmapBytes && zero.length === bitmapBytes,
    "bitmaps of another window",
  );
  const payload = Buffer.allocUnsafe(HEADER_BYTES + 2 * bitmapBytes + blocks.length);
  payload.writeUInt8(VERSION, 0);
  payload.writeUInt8(CODEC_PAGES_LZ4, 1);
  payload.writeUInt16LE(pages, 2);
  payload.writeUInt16LE(countBits(changed), 4);
  payload.writeUInt16LE(content.length / PAGE_BYTES, 6);
  payload.writeBigUInt64LE(BigInt(firstPage), 8);
  payload.writeUInt32LE(content.length, 16);
  payload.writeUInt32LE(blocks.length, 20);
  payload.writeBigUInt64LE(0n, 24);
  payload.set(changed, HEADER_BYTES);
  payload.set(zero, HEADER_BYTES + bitmapBytes);
  payload.set(blocks, HEADER_BYTES + 2 * bitmapBytes);
  return payload;
}

/**
 * Parses a payload for a guest of `ramBytes`, without decoding or allocating. Throws FRAME_CORRUPT
 * if anything in it contradicts anything else, or if it reaches past the guest's RAM.
 */
export function parsePagesHeader(payload: Uint8Array, ramBytes: number): PagesHeader {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  check(bytes.length >= HEADER_BYTES, "header cut short");
  check(bytes.readUInt8(0) === VERSION, "unknown version");
  check(bytes.readUInt8(1) === CODEC_PAGES_LZ4, "unknown codec");
  check(bytes.readBigUInt64LE(24) === 0n, "reserved bytes set");
  const pages = bytes.readUInt16LE(2);
  check(pages > 0 && pages <= WINDOW_PAGES, "impossible window");
  const firstPage = Number(bytes.readBigUInt64LE(8));
  check(firstPage + pages <= ramBytes / PAGE_BYTES, "window past the end of RAM");
  const bitmapBytes = Math.ceil(pages / 8);
  const blocksAt = HEADER_BYTES + 2 * bitmapBytes;
  check(bytes.length === blocksAt + bytes.readUInt32LE(20), "wrong encoded length");
  const header = {
    firstPage,
    pages,
    changedPages: bytes.readUInt16LE(4),
    dataPages: bytes.readUInt16LE(6),
    rawBytes: bytes.readUInt32LE(16),
    changed: bytes.subarray(HEADER_BYTES, HEADER_BYTES + bitmapBytes),
    zero: bytes.subarray(HEADER_BYTES + bitmapBytes, blocksAt),
    blocks: bytes.subarray(blocksAt),
  };
  checkCounts(header);
  return header;
}

function checkCounts(header: PagesHeader): void {
  const { pages, changed, zero, changedPages, dataPages } = header;
  const past = (0xff << (((pages - 1) % 8) + 1)) & 0xff;
  check((changed.at(-1)! & past) === 0, "changed page past the window");
  for (const [byte, bits] of zero.entries()) {
    check((bits & ~changed[byte]!) === 0, "zero page that did not change");
  }
  check(changedPages > 0, "nothing changed");
  check(changedPages === countBits(changed), "wrong count of changed pages");
  check(dataPages === changedPages - countBits(zero), "wrong count of data pages");
  check(header.rawBytes === dataPages * PAGE_BYTES, "wrong raw length");
}

/**
 * Decodes a payload for a guest of `ramBytes` and hands over what to write, run by run, ascending
 * within the zero runs and within the data runs. Nothing is handed over unless the whole payload
 * is sound; otherwise throws FRAME_CORRUPT.
 */
export function decodePages(
  kernel: Kernel,
  payload: Uint8Array,
  ramBytes: number,
  onRun: (run: PagesRun) => void,
): void {
  const { firstPage, pages, changed, zero, blocks, rawBytes } = parsePagesHeader(payload, ramBytes);
  const zeroRuns = kernel.runs(zero, pages);
  const filled = changed.map((bits, byte) => bits & ~zero[byte]!);
  const dataRuns = kernel.runs(filled, pages);
  const content = kernel.decodeBlocks(blocks, rawBytes);
  for (const run of zeroRuns) {
    const position = (firstPage + run.start) * PAGE_BYTES;
    onRun({ position, length: run.length * PAGE_BYTES, bytes: "zero" });
  }
  let offset = 0;
  for (const run of dataRuns) {
    const position = (firstPage + run.start) * PAGE_BYTES;
    const length = run.length * PAGE_BYTES;
    onRun({ position, length, bytes: content.subarray(offset, offset + length) });
    offset += length;
  }
}

/** Compresses any bytes up to RAW_BYTES_MAX: device state, disk extents. */
export function compressBytes(kernel: Kernel, bytes: Uint8Array): Buffer {
  assert(bytes.length <= RAW_BYTES_MAX, `${bytes.length} bytes`);
  const header = Buffer.alloc(BYTES_HEADER_BYTES);
  header.writeUInt8(VERSION, 0);
  header.writeUInt8(CODEC_PAGES_LZ4, 1);
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
  check(bytes.readUInt8(1) === CODEC_PAGES_LZ4, "unknown codec");
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

function countBits(bitmap: Uint8Array): number {
  let total = 0;
  for (const byte of bitmap) for (let bits = byte; bits !== 0; bits &= bits - 1) total++;
  return total;
}

function check(sound: boolean, fault: string): asserts sound {
  if (!sound) throw new SystemError("FRAME_CORRUPT", `Cannot decode payload: ${fault}`);
}
