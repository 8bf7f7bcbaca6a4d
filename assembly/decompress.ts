// LZ4 block decompression of bytes that nobody vouches for.
//
// Whatever the input, the answer is an error or exactly `targetLength` bytes, and nothing outside
// [target, target + targetLength + 15] is written. All checks compare lengths with what is left,
// never sums of pointers, which could wrap.
//
// There are two loops. The first runs far from both ends, where a sequence of up to 14 literals
// and 18 match bytes needs no check of its lengths and no loop: copies of 16 bytes may write too
// much, since something comes behind. The second takes what is left, a sequence at a time.

/** The format ends every block with at least five literals (doc/lz4_Block_format.md). */
const LITERALS_LAST: u32 = 5;
/** With more input left than this, a token, 14 literals and a distance are within it. */
const FAST_IN: u32 = 18;
/** With more output left than this, 14 literals and what is written behind them are within it. */
const FAST_OUT: u32 = 64;
/** What a length says that does not end, or is longer than anything here. */
const LENGTH_INVALID: u32 = 0x7fffffff;

/** Returns 0, or -1 if the bytes are no LZ4 block of exactly `targetLength` bytes. */
export function decompress(
  source: usize,
  sourceLength: u32,
  target: usize,
  targetLength: u32,
): i32 {
  const end = source + sourceLength;
  const outEnd = target + targetLength;
  const fastEnd = sourceLength > FAST_IN ? end - FAST_IN : source;
  const fastOutEnd = targetLength > FAST_OUT ? outEnd - FAST_OUT : target;
  let at = source;
  let out = target;
  while (at < fastEnd && out < fastOutEnd) {
    const token: u32 = load<u8>(at);
    let next = at + 1;
    let to = out;
    let length = token >> 4;
    if (length < 15) {
      v128.store(to, v128.load(next));
    } else {
      length = extended(next, end);
      next += bytesOf(length);
      if (length + FAST_OUT > <u32>(outEnd - to) || length + FAST_IN > <u32>(end - next)) break;
      copyMany(next, to, length);
    }
    next += length;
    to += length;
    const distance: u32 = load<u16>(next);
    next += 2;
    if (distance - 1 >= <u32>(to - target)) return -1;
    const from = to - distance;
    length = token & 15;
    if (length === 15) {
      length = extended(next, end);
      next += bytesOf(length);
      if (length + FAST_OUT > <u32>(outEnd - to)) break;
      if (distance >= 16) copyMany(from, to, length + 4);
      else repeat(distance, to, length + 4);
    } else if (distance >= 8) {
      store<u64>(to, load<u64>(from));
      store<u64>(to, load<u64>(from, 8), 8);
      store<u16>(to, load<u16>(from, 16), 16);
    } else {
      repeat(distance, to, 18);
    }
    out = to + length + 4;
    at = next;
  }
  return finish(at, end, out, target, outEnd);
}

/** The sequences from `at` and `out` on, to the very ends. */
function finish(at: usize, end: usize, out: usize, target: usize, outEnd: usize): i32 {
  while (at < end) {
    const token: u32 = load<u8>(at++);
    let length = token >> 4;
    if (length === 15) {
      length = extended(at, end);
      at += bytesOf(length);
    }
    if (length > <u32>(outEnd - out) || length > <u32>(end - at)) return -1;
    copyForward(at, out, length);
    at += length;
    out += length;
    if (at === end) return out === outEnd ? 0 : -1;
    if (end - at < 2) return -1;
    const distance: u32 = load<u16>(at);
    at += 2;
    length = token & 15;
    if (length === 15) {
      length = extended(at, end);
      at += bytesOf(length);
    }
    length += 4;
    if (distance === 0 || distance > <u32>(out - target)) return -1;
    if (length + LITERALS_LAST > <u32>(outEnd - out)) return -1;
    if (distance >= 16) copyForward(out - distance, out, length);
    else repeat(distance, out, length);
    out += length;
  }
  return -1;
}

/** The length of 15 and more that goes on at `at`. */
function extended(at: usize, end: usize): u32 {
  let length: u32 = 15;
  for (; at < end; at++) {
    const more: u32 = load<u8>(at);
    length += more;
    if (more < 255) return length;
    if (length >= LENGTH_INVALID - 1024) break;
  }
  return LENGTH_INVALID;
}

/** How many bytes said that length. */
function bytesOf(length: u32): u32 {
  return (length - 15) / 255 + 1;
}

/** Copies in steps of 16 bytes: `to` is at least 16 behind `from`, or does not overlap it. */
function copyForward(from: usize, to: usize, length: u32): void {
  const end = to + length;
  for (; to < end; to += 16, from += 16) v128.store(to, v128.load(from));
}

/** The same where 32 bytes more may be written: one branch for most lengths. */
function copyMany(from: usize, to: usize, length: u32): void {
  const end = to + length;
  do {
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, 16), 16);
    to += 32;
    from += 32;
  } while (to < end);
}

/** Fills with the last `distance` (1 to 15) bytes before `to`, over and over. */
function repeat(distance: u32, to: usize, length: u32): void {
  const row = PATTERNS + (distance << 4);
  const pattern = v128.swizzle(v128.load(to - distance), v128.load(row));
  const step: usize = 16 - (16 % distance);
  const end = to + length;
  for (; to < end; to += step) v128.store(to, pattern);
}

/** Row d is i mod d for i of 0 to 15: which of the last d bytes each byte of a step repeats. */
// biome-ignore format: one row a distance
const PATTERNS: usize = memory.data<u8>(
  [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1,
    0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0,
    0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3,
    0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0,
    0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3,
    0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6, 0, 1,
    0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7,
    0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 6,
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5,
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1, 2, 3, 4,
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3,
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 1, 2,
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0, 1,
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0,
  ],
  16,
);
