// A stream of bytes as LZ4 blocks of 64 KiB (the last one shorter).
//
// Each block is a u32, little-endian: its length, with the top bit set if it is stored as it is
// because it would not become smaller; then its bytes.

import { compressPage } from "./compress-page";
import { decompress } from "./decompress";
import { BLOCK_BYTES, encoded, staged } from "./layout";

const STORED: u32 = 0x80000000;

/** Encodes the first `length` bytes of `staged` into `encoded`; returns the encoded length. */
export function encodeBlocks(length: u32): u32 {
  let out = encoded;
  for (let offset: u32 = 0; offset < length; offset += BLOCK_BYTES) {
    const size = min(BLOCK_BYTES, length - offset);
    const packed = compressPage(staged + offset, size, out + 4);
    if (packed < size) {
      store<u32>(out, packed);
      out += 4 + packed;
    } else {
      store<u32>(out, size | STORED);
      memory.copy(out + 4, staged + offset, size);
      out += 4 + size;
    }
  }
  return <u32>(out - encoded);
}

/**
 * Decodes the first `length` bytes of `encoded` into the first `rawLength` bytes of `staged`.
 * Returns 0, or -1 if they are not the blocks of exactly so many bytes.
 */
export function decodeBlocks(length: u32, rawLength: u32): i32 {
  const end = encoded + length;
  let at = encoded;
  for (let offset: u32 = 0; offset < rawLength; offset += BLOCK_BYTES) {
    const size = min(BLOCK_BYTES, rawLength - offset);
    if (end - at < 4) return -1;
    const head = load<u32>(at);
    const packed: usize = head & ~STORED;
    at += 4;
    if (packed > end - at) return -1;
    if (head & STORED) {
      if (packed !== size) return -1;
      memory.copy(staged + offset, at, size);
    } else if (packed >= size || decompress(at, <u32>packed, staged + offset, size) !== 0) {
      return -1;
    }
    at += packed;
  }
  return at === end ? 0 : -1;
}
