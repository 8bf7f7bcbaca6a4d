// What every LZ4 compressor here does once it has found a match: see doc/lz4_Block_format.md.
//
// What costs is branches that are guessed wrong, so the common lengths have none: 8 bytes are
// compared backwards, 16 forwards, and 16 literals copied, whatever comes of it.

/** The shortest match. */
export const MATCH_MIN: u32 = 4;
/** The format ends a block with at least five literals... */
export const LITERALS_LAST: u32 = 5;
/** ...and starts no match in the last twelve bytes. */
export const MATCH_LIMIT: u32 = 12;

/** How many bytes, at most `room`, are equal before `a` and `b`. */
export function countBack(a: usize, b: usize, room: usize): usize {
  let count: usize = <usize>clz(load<u64>(a - 8) ^ load<u64>(b - 8)) >> 3;
  if (count < 8 || room <= 8) return min(count, room);
  while (count < room && load<u8>(a - count - 1) === load<u8>(b - count - 1)) count++;
  return count;
}

/** How many bytes are equal from `a` and `b` on, `a` (the later one) not passing `limit`. */
export function countEqual(a: usize, b: usize, limit: usize): u32 {
  const start = a;
  while (limit - a >= 16) {
    const same = i8x16.bitmask(i8x16.eq(v128.load(a), v128.load(b)));
    if (same !== 0xffff) return <u32>(a - start) + ctz(~same);
    a += 16;
    b += 16;
  }
  while (a < limit && load<u8>(a) === load<u8>(b)) {
    a++;
    b++;
  }
  return <u32>(a - start);
}

/** Writes literals and a match (`more` is its length over four); returns what comes behind. */
export function writeSequence(
  out: usize,
  from: usize,
  literals: u32,
  distance: u32,
  more: u32,
): usize {
  store<u8>(out, <u8>((min(literals, 15) << 4) | min(more, 15)));
  out = writeLiterals(out + 1, from, literals);
  store<u16>(out, <u16>distance);
  out += 2;
  return more < 15 ? out : writeLength(out, more - 15);
}

/** Writes the literals that end a block; returns what comes behind. */
export function writeLast(out: usize, from: usize, literals: u32): usize {
  store<u8>(out, <u8>(min(literals, 15) << 4));
  return writeLiterals(out + 1, from, literals);
}

function writeLiterals(out: usize, from: usize, literals: u32): usize {
  if (literals >= 15) out = writeLength(out, literals - 15);
  v128.store(out, v128.load(from));
  const end = out + literals;
  for (let rest = out + 16; rest < end; rest += 16) {
    from += 16;
    v128.store(rest, v128.load(from));
  }
  return end;
}

/** Writes what a token's four bits cannot hold: bytes of 255, then the rest. */
function writeLength(out: usize, length: u32): usize {
  for (; length >= 1020; length -= 1020, out += 4) store<u32>(out, 0xffffffff);
  for (; length >= 255; length -= 255) store<u8>(out++, 255);
  store<u8>(out, <u8>length);
  return out + 1;
}
