// From a bitmap to runs of neighbours, so that one system call moves many pages.
//
// A run begins and ends where a bit differs from the one before it. So the numbers of those places,
// which `positions` finds fast at any density, are in turn a start, an end, a start, an end...

import { allClear, allSet, BLOCK_BITS, BLOCK_BYTES, cutBlock } from "./bits";
import { positions } from "./positions";

/** Where the bits of a block change. */
const edges: usize = memory.data(64, 16);
/** The numbers of those places, behind the end of a run that the block before has left over. */
const marks: usize = memory.data(4 + 512 * 4 + 32, 16);

/**
 * Writes the runs of set bits in `bitmap` (`bits` bits, see bits.ts), from bit `from` on, as pairs
 * of u32 (start, length) at `out`: at most `max` pairs. Returns how many. Runs with at most `gap`
 * clear bits between them become one. If the answer is `max`, there may be more: call again with
 * `from` at the end of the last run.
 */
export function runs(bitmap: usize, bits: u32, from: u32, gap: u32, out: usize, max: u32): u32 {
  if (from >= bits || max === 0) return 0;
  const limit = out + max * 8;
  const begin = out;
  const whole = bitmap + ((bits & ~(BLOCK_BITS - 1)) >> 3);
  let start: u32 = 0;
  let inside: u64 = 0;
  /** Bytes of marks left over; before the first run there is no end either. */
  let left: usize = 0;
  let found = false;
  for (let base = from & ~(BLOCK_BITS - 1); base < bits; base += BLOCK_BITS) {
    let at = bitmap + (base >> 3);
    if (base >= from && at < whole) {
      // Loops of their own, so that all they need stays in registers.
      if (inside) while (at < whole && allSet(at)) at += BLOCK_BYTES;
      else while (at < whole && allClear(at)) at += BLOCK_BYTES;
      base = (<u32>(at - bitmap)) << 3;
      if (base >= bits) break;
    }
    if (base < from || at >= whole) at = cutBlock(bitmap, bits, from, base);
    const end = findMarks(at, base, inside, marks + left);
    inside = load<u64>(at, 56) >> 63;
    let mark = marks;
    if (!found && end > mark) {
      start = load<u32>(mark);
      mark += 4;
      found = true;
    }
    for (; end - mark >= 8; mark += 8) {
      const stop = load<u32>(mark, 0);
      const next = load<u32>(mark, 4);
      store<u32>(out, start, 0);
      store<u32>(out, stop - start, 4);
      const apart = next - stop > gap;
      out += apart ? 8 : 0;
      start = apart ? next : start;
      if (out === limit) return max;
    }
    left = end - mark;
    store<u32>(marks, load<u32>(mark));
  }
  if (!found) return 0;
  store<u32>(out, start, 0);
  store<u32>(out, (left ? load<u32>(marks) : bits) - start, 4);
  return (<u32>(out - begin) >> 3) + 1;
}

/** Writes the numbers of the places where the bits of a block change, and returns their end. */
function findMarks(block: usize, base: u32, inside: u64, out: usize): usize {
  const before = i64x2.replace_lane(i64x2.splat(load<u64>(block)), 0, inside << 63);
  const a = changes(v128.load(block, 0), before);
  const b = changes(v128.load(block, 16), v128.load(block, 8));
  const c = changes(v128.load(block, 32), v128.load(block, 24));
  const d = changes(v128.load(block, 48), v128.load(block, 40));
  v128.store(edges, a, 0);
  v128.store(edges, b, 16);
  v128.store(edges, c, 32);
  v128.store(edges, d, 48);
  const quarters = filled(a, b, c, d);
  const low = <u32>ctz(quarters) & 15;
  const high = 31 - <u32>clz(quarters | 1);
  const left = load<u32>(edges + (low << 2));
  const right = load<u32>(edges + (high << 2));
  // Two changes, in one quarter or in two: a run of its own, the most common thing of all.
  if (popcnt(quarters) * (popcnt(left) + popcnt(right)) === 4) {
    store<u32>(out, base + (low << 5) + <u32>ctz(left), 0);
    store<u32>(out, base + (high << 5) + 31 - <u32>clz(right), 4);
    return out + 8;
  }
  return positions(edges, quarters, base, out);
}

/** Where bits differ from the one before; `before` is the memory one word earlier. */
function changes(words: v128, before: v128): v128 {
  return v128.xor(words, v128.or(i64x2.shl(words, 1), i64x2.shr_u(before, 63)));
}

/** What `quartersOf` says of a block, before the block is in memory. */
function filled(a: v128, b: v128, c: v128, d: v128): u32 {
  const low = i16x8.narrow_i32x4_s(a, b);
  const all = i8x16.narrow_i16x8_s(low, i16x8.narrow_i32x4_s(c, d));
  return <u32>i8x16.bitmask(i8x16.eq(all, i8x16.splat(0))) ^ 0xffff;
}
