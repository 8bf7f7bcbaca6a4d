// What every LZ4 compressor here does once it has found a match: see doc/lz4_Block_format.md.
//
// The compressors treat the short lengths themselves, without a branch that could be guessed wrong:
// they compare 8 bytes backwards and 16 forwards, and copy 16 literals, whatever comes of it. Here
// are the long ones. Being loops with several callers they are not inlined, and so leave the
// registers of the search to the search.

/** The shortest match. */
export const MATCH_MIN: u32 = 4;
/** The format ends a block with at least five literals... */
export const LITERALS_LAST: u32 = 5;
/** ...and starts no match in the last twelve bytes. */
export const MATCH_LIMIT: u32 = 12;

/** How many bytes, at most `room`, are equal before `a` and `b`. */
export function countBack(a: usize, b: usize, room: usize): usize {
  let count: usize = 0;
  while (room - count >= 16 && isEqual16(a - count - 16, b - count - 16)) count += 16;
  while (count < room && load<u8>(a - count - 1) === load<u8>(b - count - 1)) count++;
  return count;
}

/** How many bytes are equal from `a` and `b` on, `a` (the later one) not passing `limit`. */
export function countEqual(a: usize, b: usize, limit: usize): u32 {
  const start = a;
  while (limit - a >= 32 && isEqual16(a, b) && isEqual16(a + 16, b + 16)) {
    a += 32;
    b += 32;
  }
  while (limit - a >= 8) {
    const difference = load<u64>(a) ^ load<u64>(b);
    if (difference !== 0) return <u32>(a - start) + (<u32>ctz(difference) >> 3);
    a += 8;
    b += 8;
  }
  while (a < limit && load<u8>(a) === load<u8>(b)) {
    a++;
    b++;
  }
  return <u32>(a - start);
}

function isEqual16(a: usize, b: usize): bool {
  return i8x16.all_true(i8x16.eq(v128.load(a), v128.load(b)));
}

/** Writes 15 literals and more behind their token; returns what comes behind. */
export function writeLiterals(out: usize, from: usize, literals: u32): usize {
  out = writeLength(out, literals);
  const end = out + literals;
  for (; out < end; out += 16, from += 16) v128.store(out, v128.load(from));
  return end;
}

/** Writes what a token's four bits cannot hold of a length: bytes of 255, then the rest. */
export function writeLength(out: usize, length: u32): usize {
  length -= 15;
  for (; length >= 1020; length -= 1020, out += 4) store<u32>(out, 0xffffffff);
  for (; length >= 255; length -= 255) store<u8>(out++, 255);
  store<u8>(out, <u8>length);
  return out + 1;
}

/** Writes the literals that end a block; returns what comes behind. */
export function writeLast(out: usize, from: usize, literals: u32): usize {
  store<u8>(out, <u8>(min(literals, 15) << 4));
  if (literals >= 15) return writeLiterals(out + 1, from, literals);
  v128.store(out, v128.load(from), 1);
  return out + 1 + literals;
}
