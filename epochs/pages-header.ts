/**
 * The head of a payload of changed guest memory: one window of at most 1 MiB.
 *
 *    0  u8   version, 1             8  u64  number of the window's first page
 *    1  u8   codec                 16  u32  raw length: of what the blocks decode to
 *    2  u16  pages in the window   20  u32  encoded length: of the blocks
 *    4  u16  changed pages         24  u64  check: 0 with codec 0
 *    6  u16  data pages            32  changed bitmap, zero bitmap
 *                                      with codec 1: delta bitmap, lengths (u16 each)
 *                                      blocks
 *
 * Little-endian. The bitmaps have one bit a page, least significant first, in whole bytes. `zero`
 * selects those changed pages that are all zero and carry no data. The others, the data pages,
 * follow one behind the other in LZ4 blocks of 64 KiB (form in assembly/blocks.ts):
 *
 * codec 0  each whole, whatever the receiver has.
 * codec 1  those that `delta` selects as XBZRLE against the page that the receiver has, each as
 *          long as its entry in `lengths` says; the others whole. `check` is a hash over what the
 *          first come to: see assembly/delta.ts.
 * @module
 */
import assert from "node:assert/strict";
import { SystemError } from "../protocol/error.ts";
import {
  countBits,
  DELTA_BYTES_MAX,
  ENCODED_BYTES_MAX,
  PAGE_BYTES,
  WINDOW_PAGES,
} from "./kernel.ts";

export const VERSION = 1;
export const HEADER_BYTES = 32;
/** The longest payload of pages there can be. */
export const PAYLOAD_BYTES_MAX =
  HEADER_BYTES + 3 * (WINDOW_PAGES / 8) + 2 * WINDOW_PAGES + ENCODED_BYTES_MAX;

/** Which of a window's pages travel as differences. */
export interface PagesDeltas {
  /** A bit for each page of the window, in whole bytes. */
  readonly deltas: Uint8Array;
  /** How long each of them is, as u16 one behind the other. */
  readonly lengths: Uint8Array;
  readonly check: bigint;
}

/** A payload's header, proven against its bitmaps and lengths. All counts are pages. */
export interface PagesHeader {
  readonly firstPage: number;
  readonly pages: number;
  readonly changedPages: number;
  readonly dataPages: number;
  readonly rawBytes: number;
  readonly changed: Uint8Array;
  readonly zero: Uint8Array;
  /** Undefined with codec 0. */
  readonly differences: PagesDeltas | undefined;
  readonly blocks: Uint8Array;
}

/** Puts a payload together. */
export function writePages(header: Omit<PagesHeader, "changedPages" | "dataPages">): Buffer {
  const { pages, changed, zero, differences, blocks } = header;
  const bitmapBytes = Math.ceil(pages / 8);
  const { deltas, lengths, check } = differences ?? NO_DIFFERENCES;
  assert(changed.length === bitmapBytes, "changed bitmap of another window");
  assert(zero.length === bitmapBytes, "zero bitmap of another window");
  assert(differences === undefined || deltas.length === bitmapBytes, "bitmap of another window");
  const head = Buffer.alloc(HEADER_BYTES);
  const changedPages = countBits(changed);
  head.writeUInt8(VERSION, 0);
  head.writeUInt8(differences === undefined ? 0 : 1, 1);
  head.writeUInt16LE(pages, 2);
  head.writeUInt16LE(changedPages, 4);
  head.writeUInt16LE(changedPages - countBits(zero), 6);
  head.writeBigUInt64LE(BigInt(header.firstPage), 8);
  head.writeUInt32LE(header.rawBytes, 16);
  head.writeUInt32LE(blocks.length, 20);
  head.writeBigUInt64LE(check, 24);
  return Buffer.concat([head, changed, zero, deltas, lengths, blocks]);
}

const NO_DIFFERENCES: PagesDeltas = {
  deltas: new Uint8Array(),
  lengths: new Uint8Array(),
  check: 0n,
};

/**
 * Parses a payload for a guest of `ramBytes`, without decoding or allocating. Throws FRAME_CORRUPT
 * if anything in it contradicts anything else, or if it reaches past the guest's RAM.
 */
export function parsePagesHeader(payload: Uint8Array, ramBytes: number): PagesHeader {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  check(bytes.length >= HEADER_BYTES, "header cut short");
  check(bytes.readUInt8(0) === VERSION, "unknown version");
  const codec = bytes.readUInt8(1);
  check(codec <= 1, "unknown codec");
  const pages = bytes.readUInt16LE(2);
  check(pages > 0 && pages <= WINDOW_PAGES, "impossible window");
  const firstPage = Number(bytes.readBigUInt64LE(8));
  check(firstPage + pages <= ramBytes / PAGE_BYTES, "window past the end of RAM");
  const bitmapBytes = Math.ceil(pages / 8);
  const zeroAt = HEADER_BYTES + bitmapBytes;
  const bitmapsEnd = zeroAt + bitmapBytes;
  check(bytes.length >= bitmapsEnd, "bitmaps cut short");
  const differences = codec === 0 ? undefined : parseDifferences(bytes, bitmapsEnd, bitmapBytes);
  check(codec === 1 || bytes.readBigUInt64LE(24) === 0n, "a check of whole pages");
  const tableBytes = differences === undefined ? 0 : bitmapBytes + differences.lengths.length;
  const header = {
    firstPage,
    pages,
    changedPages: bytes.readUInt16LE(4),
    dataPages: bytes.readUInt16LE(6),
    rawBytes: bytes.readUInt32LE(16),
    changed: bytes.subarray(HEADER_BYTES, zeroAt),
    zero: bytes.subarray(zeroAt, bitmapsEnd),
    differences,
    blocks: bytes.subarray(bitmapsEnd + tableBytes),
  };
  check(header.blocks.length === bytes.readUInt32LE(20), "wrong encoded length");
  checkCounts(header);
  return header;
}

function parseDifferences(bytes: Buffer, at: number, bitmapBytes: number): PagesDeltas {
  const lengthsAt = at + bitmapBytes;
  check(bytes.length >= lengthsAt, "delta bitmap cut short");
  const deltas = bytes.subarray(at, lengthsAt);
  const lengths = bytes.subarray(lengthsAt, lengthsAt + 2 * countBits(deltas));
  check(lengths.length === 2 * countBits(deltas), "lengths cut short");
  return { deltas, lengths, check: bytes.readBigUInt64LE(24) };
}

function checkCounts(header: PagesHeader): void {
  const { pages, changed, zero, changedPages, dataPages, differences } = header;
  const past = (0xff << (((pages - 1) % 8) + 1)) & 0xff;
  check((changed.at(-1)! & past) === 0, "changed page past the window");
  for (const [byte, bits] of zero.entries()) {
    check((bits & ~changed[byte]!) === 0, "zero page that did not change");
  }
  check(changedPages > 0, "nothing changed");
  check(changedPages === countBits(changed), "wrong count of changed pages");
  check(dataPages === changedPages - countBits(zero), "wrong count of data pages");
  const rawBytes =
    differences === undefined ? dataPages * PAGE_BYTES : rawBytesOf(header, differences);
  check(header.rawBytes === rawBytes, "wrong raw length");
}

/** How long the stream of differences and whole pages must be. */
function rawBytesOf(
  { changed, zero, dataPages }: PagesHeader,
  { deltas, lengths }: PagesDeltas,
): number {
  for (const [byte, bits] of deltas.entries()) {
    check((bits & ~(changed[byte]! & ~zero[byte]!)) === 0, "difference of a page without data");
  }
  const count = lengths.length / 2;
  let total = (dataPages - count) * PAGE_BYTES;
  for (let index = 0; index < count; index++) {
    const length = lengths[2 * index]! | (lengths[2 * index + 1]! << 8);
    check(length > 0 && length <= DELTA_BYTES_MAX, "impossible length of a difference");
    total += length;
  }
  return total;
}

/** Throws FRAME_CORRUPT, with the fault, unless `sound`. */
export function check(sound: boolean, fault: string): asserts sound {
  if (!sound) throw new SystemError("FRAME_CORRUPT", `Cannot decode payload: ${fault}`);
}
