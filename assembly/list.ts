// From a bitmap to the numbers of its pages.

import { allClear, BLOCK_BITS, BLOCK_BYTES, cutBlock, quartersOf } from "./bits";
import { POSITIONS_BYTES, positions } from "./positions";

/** The numbers of one block, when `out` may not hold them all. */
const spare: usize = memory.data(512 * 4 + 32, 16);

/**
 * Writes the numbers (u32 each) of the set bits in `bitmap` (`bits` bits, see bits.ts), from bit
 * `from` on, at `out`: at most `max`. Returns how many. If the answer is `max`, there may be more:
 * call again with `from` behind the last one.
 */
export function list(bitmap: usize, bits: u32, from: u32, out: usize, max: u32): u32 {
  if (from >= bits) return 0;
  const start = out;
  const end = out + max * 4;
  let base = from & ~(BLOCK_BITS - 1);
  if (base !== from) {
    out = take(cutBlock(bitmap, bits, from, base), base, out, end);
    base += BLOCK_BITS;
  }
  const whole = bitmap + ((bits & ~(BLOCK_BITS - 1)) >> 3);
  for (let at = bitmap + (base >> 3); at < whole && out < end; at += BLOCK_BYTES) {
    if (allClear(at)) continue;
    const first = (<u32>(at - bitmap)) << 3;
    if (end - out >= POSITIONS_BYTES) out = positions(at, quartersOf(at), first, out);
    else out = take(at, first, out, end);
  }
  base = bits & ~(BLOCK_BITS - 1);
  if (from <= base && base < bits && out < end) {
    out = take(cutBlock(bitmap, bits, from, base), base, out, end);
  }
  return <u32>(out - start) >> 2;
}

/** The numbers of a block, as many as fit before `end`. */
function take(block: usize, base: u32, out: usize, end: usize): usize {
  const bytes = min(end - out, positions(block, quartersOf(block), base, spare) - spare);
  memory.copy(out, spare, bytes);
  return out + bytes;
}
