// LZ4 block compression of pages: faster than LZ4_compress_default, for blocks a little longer.
//
// It hashes five bytes instead of four. So it finds fewer matches of four bytes, which save one
// byte each and cost as much time as long ones. The table has half as many entries, since a page
// has no more positions than that.
//
// Otherwise it is the loop of compress.ts, written out: shared, it would be a call for each match.

import {
  countBack,
  countEqual,
  LITERALS_LAST,
  MATCH_LIMIT,
  MATCH_MIN,
  writeLast,
  writeLength,
  writeLiterals,
} from "./sequence";

/** After 56 fruitless steps each step is two bytes long, after 120 three, and so on. */
const SKIP_SHIFT: u32 = 6;
const TRIES_START: u32 = 72;
const HASH_BITS: u32 = 12;

/** Last position of each hash, as u16. */
const TABLE_BYTES: usize = 8192;
const table: usize = memory.data(8192, 16);

/**
 * Compresses `length` bytes (at most 64 KiB) at `source` to `target` as `compress` does: the same
 * format, the same room and the same bytes touched.
 */
export function compressPage(source: usize, length: u32, target: usize): u32 {
  const end = source + length;
  if (length <= MATCH_LIMIT) return <u32>(writeLast(target, source, length) - target);
  memory.fill(table, 0, TABLE_BYTES);
  const limit = end - MATCH_LIMIT + 1;
  const matchEnd = end - LITERALS_LAST;
  let anchor = source;
  let out = target;
  let at = source + 1;
  let match: usize = 0;
  store<u16>(slotOf(source), 0);
  while (true) {
    let next = at;
    let step: usize = 1;
    let tries: u32 = TRIES_START;
    do {
      at = next;
      next += step;
      if (next > limit) return <u32>(writeLast(out, anchor, <u32>(end - anchor)) - target);
      step = tries++ >> SKIP_SHIFT;
      const slot = slotOf(at);
      match = source + <usize>load<u16>(slot);
      store<u16>(slot, <u16>(at - source));
    } while (<u64>load<u32>(match) !== <u64>load<u32>(at));
    const room = min(at - anchor, match - source);
    let back = min(<usize>clz(load<u64>(at - 8) ^ load<u64>(match - 8)) >> 3, room);
    if (back === 8) back += countBack(at - 8, match - 8, room - 8);
    const distance = <u32>(at - match);
    const literals = <u32>(at - back - anchor);
    at += MATCH_MIN;
    const same = i8x16.bitmask(i8x16.eq(v128.load(at), v128.load(match, MATCH_MIN)));
    let more: u32 = min(<u32>ctz(~same), <u32>(matchEnd - at));
    if (more === 16) more += countEqual(at + 16, match + MATCH_MIN + 16, matchEnd);
    at += more;
    more += <u32>back;
    store<u8>(out, <u8>((min(literals, 15) << 4) | min(more, 15)));
    if (literals < 15) {
      v128.store(out, v128.load(anchor), 1);
      out += literals + 1;
    } else {
      out = writeLiterals(out + 1, anchor, literals);
    }
    store<u16>(out, <u16>distance);
    out = more < 15 ? out + 2 : writeLength(out + 2, more);
    anchor = at;
    store<u16>(slotOf(at - 2), <u16>(at - 2 - source));
  }
}

/** Where the table keeps the hash of the five bytes at `at`. */
function slotOf(at: usize): usize {
  return table + ((<usize>(((load<u64>(at) << 24) * 889523592379) >> (64 - HASH_BITS))) << 1);
}
