// From a bitmap to runs of neighbours, so that one system call moves many pages.

/**
 * Writes the runs of set bits in `bitmap` (`bits` bits, read in words of 8 bytes), from bit `from`
 * on, as pairs of u32 (start, length) at `out`: at most `max` pairs. Returns how many. Runs with at
 * most `gap` clear bits between them become one. If the answer is `max`, there may be more: call
 * again with `from` at the end of the last run.
 */
export function runs(bitmap: usize, bits: u32, from: u32, gap: u32, out: usize, max: u32): u32 {
  let count: u32 = 0;
  let start = nextSet(bitmap, bits, from);
  while (start < bits && count < max) {
    let end = nextClear(bitmap, bits, start);
    let next = nextSet(bitmap, bits, end);
    while (next < bits && next - end <= gap) {
      end = nextClear(bitmap, bits, next);
      next = nextSet(bitmap, bits, end);
    }
    store<u32>(out, start, 0);
    store<u32>(out, end - start, 4);
    out += 8;
    count++;
    start = next;
  }
  return count;
}

/** The first set bit at or after `from`, or `bits`. */
function nextSet(bitmap: usize, bits: u32, from: u32): u32 {
  if (from >= bits) return bits;
  let word = load<u64>(bitmap + ((from >> 6) << 3)) & (~(<u64>0) << from);
  let base = from & ~63;
  while (word === 0) {
    base += 64;
    base = skipClear(bitmap, bits, base);
    if (base >= bits) return bits;
    word = load<u64>(bitmap + ((base >> 6) << 3));
  }
  return min(bits, base + <u32>ctz(word));
}

/** Past the stretches of 512 clear bits: most of a bitmap is empty. `base` is a multiple of 64. */
function skipClear(bitmap: usize, bits: u32, base: u32): u32 {
  while (base < bits && bits - base >= 512) {
    const at = bitmap + (base >> 3);
    const a = v128.or(v128.load(at, 0), v128.load(at, 16));
    const b = v128.or(v128.load(at, 32), v128.load(at, 48));
    if (v128.any_true(v128.or(a, b))) return base;
    base += 512;
  }
  return base;
}

/** The first clear bit at or after `from`, or `bits`. */
function nextClear(bitmap: usize, bits: u32, from: u32): u32 {
  if (from >= bits) return bits;
  let word = ~load<u64>(bitmap + ((from >> 6) << 3)) & (~(<u64>0) << from);
  let base = from & ~63;
  while (word === 0) {
    base += 64;
    if (base >= bits) return bits;
    word = ~load<u64>(bitmap + ((base >> 6) << 3));
  }
  return min(bits, base + <u32>ctz(word));
}
