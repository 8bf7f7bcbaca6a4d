// Which pages of the window differ from the shadow.

import { PAGE_BYTES } from "./layout";

/**
 * Compares `count` pages at `current` with those at `shadow`, fills the bitmap at `out`
 * (whole bytes; bits past `count` are clear) and returns how many differ.
 */
export function compare(current: usize, shadow: usize, count: u32, out: usize): u32 {
  memory.fill(out, 0, (count + 7) >> 3);
  let total: u32 = 0;
  for (let page: u32 = 0; page < count; page++) {
    const offset: usize = page * PAGE_BYTES;
    if (same(current + offset, shadow + offset)) continue;
    const byte = out + (page >> 3);
    store<u8>(byte, <u8>(<u32>load<u8>(byte) | ((<u32>1) << (page & 7))));
    total++;
  }
  return total;
}

/** Whether two pages are equal: 128 bytes a step, out at the first step that differs. */
function same(a: usize, b: usize): bool {
  for (const end = a + PAGE_BYTES; a < end; a += 128, b += 128) {
    const x0 = v128.xor(v128.load(a, 0), v128.load(b, 0));
    const x1 = v128.xor(v128.load(a, 16), v128.load(b, 16));
    const x2 = v128.xor(v128.load(a, 32), v128.load(b, 32));
    const x3 = v128.xor(v128.load(a, 48), v128.load(b, 48));
    const x4 = v128.xor(v128.load(a, 64), v128.load(b, 64));
    const x5 = v128.xor(v128.load(a, 80), v128.load(b, 80));
    const x6 = v128.xor(v128.load(a, 96), v128.load(b, 96));
    const x7 = v128.xor(v128.load(a, 112), v128.load(b, 112));
    const low = v128.or(v128.or(x0, x1), v128.or(x2, x3));
    const high = v128.or(v128.or(x4, x5), v128.or(x6, x7));
    if (v128.any_true(v128.or(low, high))) return false;
  }
  return true;
}
