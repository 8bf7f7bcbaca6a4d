// From the words of /proc/PID/pagemap to a bitmap.
//
// One u64 a page (Linux, Documentation/admin-guide/mm/pagemap.rst): bit 55 is set if the page is
// soft-dirty, 57 if it is write-protected by userfaultfd, 62 if it is swapped out, 63 if present.

import { popcount } from "./popcount";

/** How many words make a step: four bytes of bitmap. */
const STEP: u32 = 32;

/** The mask of a loop. A mask that is computed would be computed again at every step by V8. */
const wanted: usize = memory.data(16, 16);

/**
 * Looks at `count` words at `words`, sets the bit of each that has any bit of `mask`, in the bitmap
 * at `out` (whole bytes; bits past `count` are clear), and returns how many there are.
 */
export function pagemap(words: usize, count: u32, mask: u64, out: usize): u32 {
  const whole = count & ~(STEP - 1);
  // All bits that have a name are in the upper half, so the lower ones need not be looked at.
  if (<u32>mask === 0) upperBits(words, whole, <u32>(mask >> 32), out);
  else anyBits(words, whole, mask, out);
  rest(words + whole * 8, count - whole, mask, out + (whole >> 3));
  return popcount(out, (count + 7) >> 3);
}

function upperBits(words: usize, count: u32, mask: u32, out: usize): void {
  v128.store(wanted, i32x4.splat(mask));
  const bits = v128.load(wanted);
  for (const end = words + count * 8; words < end; words += STEP * 8, out += STEP / 8) {
    store<u16>(out, upperOf(words, bits), 0);
    store<u16>(out, upperOf(words + STEP * 4, bits), 2);
  }
}

function upperOf(words: usize, bits: v128): u16 {
  const a = v128.and(upper(v128.load(words, 0), v128.load(words, 16)), bits);
  const b = v128.and(upper(v128.load(words, 32), v128.load(words, 48)), bits);
  const c = v128.and(upper(v128.load(words, 64), v128.load(words, 80)), bits);
  const d = v128.and(upper(v128.load(words, 96), v128.load(words, 112)), bits);
  const low = i16x8.narrow_i32x4_s(a, b);
  const all = i8x16.narrow_i16x8_s(low, i16x8.narrow_i32x4_s(c, d));
  return ~(<u16>i8x16.bitmask(i8x16.eq(all, i8x16.splat(0))));
}

/** The upper halves of four words. */
function upper(a: v128, b: v128): v128 {
  return v128.shuffle<u32>(a, b, 1, 3, 5, 7);
}

function anyBits(words: usize, count: u32, mask: u64, out: usize): void {
  v128.store(wanted, i64x2.splat(mask));
  const bits = v128.load(wanted);
  for (const end = words + count * 8; words < end; words += STEP * 8, out += STEP / 8) {
    store<u16>(out, anyOf(words, bits), 0);
    store<u16>(out, anyOf(words + STEP * 4, bits), 2);
  }
}

function anyOf(words: usize, bits: v128): u16 {
  const a = four(v128.load(words, 0), v128.load(words, 16), bits);
  const b = four(v128.load(words, 32), v128.load(words, 48), bits);
  const c = four(v128.load(words, 64), v128.load(words, 80), bits);
  const d = four(v128.load(words, 96), v128.load(words, 112), bits);
  const low = i16x8.eq(i8x16.narrow_i16x8_s(a, b), i16x8.splat(0));
  const high = i16x8.eq(i8x16.narrow_i16x8_s(c, d), i16x8.splat(0));
  return ~(<u16>i8x16.bitmask(i8x16.narrow_i16x8_s(low, high)));
}

/** The wanted bits of four words, in 32 bits each: narrowing saturates, so none gets lost. */
function four(a: v128, b: v128, bits: v128): v128 {
  return i16x8.narrow_i32x4_s(v128.and(a, bits), v128.and(b, bits));
}

/** Fewer than a step. */
function rest(words: usize, count: u32, mask: u64, out: usize): void {
  for (let first: u32 = 0; first < count; first += 8) {
    let bits: u32 = 0;
    for (let page = first; page < min(first + 8, count); page++) {
      if (load<u64>(words + page * 8) & mask) bits |= (<u32>1) << (page & 7);
    }
    store<u8>(out++, <u8>bits);
  }
}
