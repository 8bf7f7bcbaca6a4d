// Reading a bitmap, a block of 512 bits at a time.
//
// Bits are numbered from the least significant one of the first byte. A bitmap is read in words of
// 8 bytes, so the last word must be there, whatever its bits past the end hold. `bits` is below
// 2^31, so that no number of a bit wraps.

export const BLOCK_BITS: u32 = 512;
export const BLOCK_BYTES: usize = 64;

/** A block of which only a part belongs to the bitmap, with the rest clear. */
const cut: usize = memory.data(64, 16);

/** Whether the block at `at` is all zero. */
export function allClear(at: usize): bool {
  const a = v128.or(v128.load(at, 0), v128.load(at, 16));
  const b = v128.or(v128.load(at, 32), v128.load(at, 48));
  return !v128.any_true(v128.or(a, b));
}

/** Whether the block at `at` is all ones. */
export function allSet(at: usize): bool {
  const a = v128.and(v128.load(at, 0), v128.load(at, 16));
  const b = v128.and(v128.load(at, 32), v128.load(at, 48));
  return !v128.any_true(v128.not(v128.and(a, b)));
}

/** A copy of the block at bit `base` with only the bits of [from, bits) set. */
export function cutBlock(bitmap: usize, bits: u32, from: u32, base: u32): usize {
  const at = bitmap + (base >> 3);
  for (let word: u32 = 0; word < BLOCK_BITS; word += 64) {
    const first = base + word;
    let value: u64 = first < bits ? load<u64>(at + (word >> 3)) : 0;
    if (first < bits && bits - first < 64) value &= ((<u64>1) << (bits - first)) - 1;
    if (from > first) value &= from - first < 64 ? (<u64>-1) << (from - first) : 0;
    store<u64>(cut + (word >> 3), value);
  }
  return cut;
}

/** Which of the 16 quarter words (32 bits each) of the block at `at` are not zero, one bit each. */
export function quartersOf(at: usize): u32 {
  // Narrowing saturates, so what is not zero stays so.
  const low = i16x8.narrow_i32x4_s(v128.load(at, 0), v128.load(at, 16));
  const high = i16x8.narrow_i32x4_s(v128.load(at, 32), v128.load(at, 48));
  const clear = i8x16.eq(i8x16.narrow_i16x8_s(low, high), i8x16.splat(0));
  return <u32>i8x16.bitmask(clear) ^ 0xffff;
}
