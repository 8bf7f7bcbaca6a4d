// LZ4 block decompression of bytes that nobody vouches for.
//
// Whatever the input, the answer is an error or exactly `targetLength` bytes, and nothing outside
// [target, target + targetLength + 15] is written. All checks compare lengths with what is left,
// never sums of pointers, which could wrap.
//
// The short cases first: with 16 bytes left in the input and enough in the output they need no
// check of their length and no loop, which makes the whole half as fast again.

/** The format ends every block with at least five literals (doc/lz4_Block_format.md). */
const LITERALS_LAST: usize = 5;

/** Returns 0, or -1 if the bytes are no LZ4 block of exactly `targetLength` bytes. */
export function decompress(
  source: usize,
  sourceLength: u32,
  target: usize,
  targetLength: u32,
): i32 {
  const end = source + sourceLength;
  const outEnd = target + targetLength;
  let at = source;
  let out = target;
  while (at < end) {
    const token: u32 = load<u8>(at++);
    let length: usize = token >> 4;
    if (length < 15 && end - at >= 16 && outEnd - out >= 16) {
      // At most 14 literals and a distance: both are within the input.
      v128.store(out, v128.load(at));
      at += length;
      out += length;
    } else {
      if (length === 15) {
        for (let more: usize = 255; more === 255; length += more) {
          if (at >= end) return -1;
          more = load<u8>(at++);
        }
      }
      if (length > end - at || length > outEnd - out) return -1;
      copyForward(at, out, length);
      at += length;
      out += length;
      if (at === end) return out === outEnd ? 0 : -1;
      if (end - at < 2) return -1;
    }
    const distance: usize = load<u16>(at);
    at += 2;
    length = token & 15;
    if (length < 15 && distance >= 16 && distance <= out - target && outEnd - out >= 32) {
      // At most 18 bytes, and more than the last five remain behind them.
      v128.store(out, v128.load(out - distance));
      store<u16>(out, load<u16>(out - distance, 16), 16);
      out += length + 4;
      continue;
    }
    if (length === 15) {
      for (let more: usize = 255; more === 255; length += more) {
        if (at >= end) return -1;
        more = load<u8>(at++);
      }
    }
    length += 4;
    if (distance === 0 || distance > out - target) return -1;
    if (length + LITERALS_LAST > outEnd - out) return -1;
    if (distance >= 16) copyForward(out - distance, out, length);
    else repeat(distance, out, length);
    out += length;
  }
  return -1;
}

/** Copies in steps of 16 bytes: `to` is at least 16 behind `from`, or does not overlap it. */
function copyForward(from: usize, to: usize, length: usize): void {
  const end = to + length;
  for (; to < end; to += 16, from += 16) v128.store(to, v128.load(from));
}

/** Fills with the last `distance` (1 to 15) bytes before `to`, over and over. */
function repeat(distance: usize, to: usize, length: usize): void {
  const pattern = v128.swizzle(v128.load(to - distance), v128.load(PATTERNS + (distance << 4)));
  const step: usize = 16 - (<usize>16 % distance);
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
