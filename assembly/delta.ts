// A window's changed pages as a stream of differences against the shadow, and the way back.
//
// The stream holds the data pages (changed and not zero) one behind the other: as XBZRLE where that
// gains enough, else whole. `deltas` says which are XBZRLE, `lengths` how long each of them is, and
// `check` is a hash over what they come to, so that a receiver with other pages notices.

import { changed, check, deltas, lengths, PAGE_BYTES, staged, window, zero } from "./layout";
import { xbzrleDecode, xbzrleEncode } from "./xbzrle";
import { xxh3 } from "./xxh3";

/**
 * The longest XBZRLE that is sent. What is longer has mostly new bytes, cut into pieces: LZ4 then
 * makes less of it than of the page as it is.
 */
export const DELTA_BYTES_MAX: u32 = 3072;

/**
 * Writes the stream of `count` pages to `staged`, and brings their shadow at `shadow` up to them.
 * The pages that `changed` selects and `zero` does not are in the window. Returns the stream's
 * length.
 */
export function encodeDelta(count: u32, shadow: usize): u32 {
  let out = staged;
  let length = lengths;
  let hash: u64 = 0;
  memory.fill(deltas, 0, (count + 7) >> 3);
  for (let index: u32 = 0; index < count; index++, shadow += PAGE_BYTES) {
    if (!isSet(changed, index)) continue;
    if (isSet(zero, index)) {
      memory.fill(shadow, 0, PAGE_BYTES);
      continue;
    }
    const page = window + index * PAGE_BYTES;
    const made = xbzrleEncode(shadow, page, PAGE_BYTES, out, DELTA_BYTES_MAX, 1);
    if (made > 0) {
      const byte = deltas + (index >> 3);
      store<u8>(byte, <u8>(<u32>load<u8>(byte) | ((<u32>1) << (index & 7))));
      store<u16>(length, <u16>made);
      length += 2;
      hash = rotl(hash, 1) ^ xxh3(page, PAGE_BYTES);
      out += made;
    } else {
      memory.copy(out, page, PAGE_BYTES);
      out += PAGE_BYTES;
    }
    memory.copy(shadow, page, PAGE_BYTES);
  }
  store<u64>(check, hash);
  return <u32>(out - staged);
}

/**
 * Makes the data pages of a stream of `total` bytes at `staged`, each at its place in the window:
 * those of `deltas` out of the old pages that are there. Returns 0, or -1 if the stream is not one
 * of such pages; `check` is then worth nothing.
 */
export function decodeDelta(count: u32, total: u32): i32 {
  const end = staged + total;
  let at = staged;
  let length = lengths;
  let hash: u64 = 0;
  for (let index: u32 = 0; index < count; index++) {
    if (!isSet(changed, index) || isSet(zero, index)) continue;
    const page = window + index * PAGE_BYTES;
    if (isSet(deltas, index)) {
      const size: u32 = load<u16>(length);
      length += 2;
      if (size > <u32>(end - at)) return -1;
      if (xbzrleDecode(at, size, page, PAGE_BYTES) <= 0) return -1;
      hash = rotl(hash, 1) ^ xxh3(page, PAGE_BYTES);
      at += size;
    } else {
      if (PAGE_BYTES > <u32>(end - at)) return -1;
      memory.copy(page, at, PAGE_BYTES);
      at += PAGE_BYTES;
    }
  }
  store<u64>(check, hash);
  return at === end ? 0 : -1;
}

function isSet(bitmap: usize, index: u32): bool {
  return (<u32>load<u8>(bitmap + (index >> 3)) & (1 << (index & 7))) !== 0;
}
