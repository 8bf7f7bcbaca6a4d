// LZ4 block compression of up to 1 GiB.
//
// The search (hash of the next bytes, one candidate, faster steps where nothing is found) makes the
// choices of LZ4_compress_default 1.9.4 on 64-bit machines, so the output is the same byte for
// byte. Below 64 KiB and 11 bytes that hashes four bytes to 13 bits and keeps u16 positions; above,
// five bytes to 12 bits and u32 positions.
//
// What costs is branches that are guessed wrong, and registers that run out. So the short lengths
// have no branch: 8 bytes are compared backwards, 16 forwards, and 16 literals copied, whatever
// comes of it. The long ones are calls (sequence.ts).

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

/** After 64 fruitless steps each step is one byte longer, after 128 two, and so on. */
const SKIP_SHIFT: u32 = 6;
/** What a distance can say. */
const DISTANCE_MAX: u32 = 65535;
/** From here on positions are u32. */
const WIDE_BYTES: u32 = 65536 + 11;

/** Last position of each hash. */
const TABLE_BYTES: usize = 16384;
const table: usize = memory.data(16384, 16);

/**
 * Compresses `length` bytes at `source` to `target`, which must have room for the worst case, and
 * returns the compressed length. Up to 16 bytes behind either end may be touched, and 8 bytes
 * before `source` read.
 */
export function compress(source: usize, length: u32, target: usize): u32 {
  if (length < WIDE_BYTES) return compressNarrow(source, length, target);
  return compressWide(source, length, target);
}

/** Exported, as the next, to stay a function: both in one need more registers than there are. */
export function compressNarrow(source: usize, length: u32, target: usize): u32 {
  return compressWith<u16>(source, length, target);
}

/** From 64 KiB and 11 bytes on. */
export function compressWide(source: usize, length: u32, target: usize): u32 {
  return compressWith<u32>(source, length, target);
}

function compressWith<T>(source: usize, length: u32, target: usize): u32 {
  const end = source + length;
  if (length <= MATCH_LIMIT) return <u32>(writeLast(target, source, length) - target);
  memory.fill(table, 0, TABLE_BYTES);
  const limit = end - MATCH_LIMIT + 1;
  const matchEnd = end - LITERALS_LAST;
  let anchor = source;
  let out = target;
  let at = source + 1;
  let match: usize = 0;
  let tries: u32 = (1 << SKIP_SHIFT) + 1;
  store<T>(slotOf<T>(source), <T>0);
  while (true) {
    let next = at;
    let step: usize = 1;
    // The first try is at the very end of a match, and does not count.
    let stepAfter: usize = 1;
    do {
      at = next;
      next += step;
      if (next > limit) return <u32>(writeLast(out, anchor, <u32>(end - anchor)) - target);
      step = stepAfter;
      stepAfter = tries++ >> SKIP_SHIFT;
      const slot = slotOf<T>(at);
      match = source + <usize>load<T>(slot);
      store<T>(slot, <T>(at - source));
    } while (!isMatch<T>(at, match));
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
    tries = 1 << SKIP_SHIFT;
    store<T>(slotOf<T>(at - 2), <T>(at - 2 - source));
  }
}

/** Where the table keeps the hash at `at`: multiplicative, as lz4 has it. */
function slotOf<T>(at: usize): usize {
  if (sizeof<T>() === 2) return table + (((load<u32>(at) * 2654435761) >> 19) << 1);
  return table + ((<usize>(((load<u64>(at) << 24) * 889523592379) >> 52)) << 2);
}

/** Whether four bytes are the same, near enough for a distance. */
function isMatch<T>(at: usize, match: usize): bool {
  const same = <u64>load<u32>(match) === <u64>load<u32>(at);
  return sizeof<T>() === 2 ? same : same & (at - match <= DISTANCE_MAX);
}
