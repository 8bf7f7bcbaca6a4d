// Which pages of the window differ from the shadow.
//
// A page is read to its end, even if its first bytes differ: a loop that leaves early is guessed
// wrong at every page that changed, and what was being fetched from memory behind it is lost.

import { PAGE_BYTES } from "./layout";

/**
 * Compares `count` pages at `current` with those at `shadow`, fills the bitmap at `out`
 * (whole bytes; bits past `count` are clear) and returns how many differ.
 */
export function compare(current: usize, shadow: usize, count: u32, out: usize): u32 {
  let total: u32 = 0;
  for (let first: u32 = 0; first < count; first += 8) {
    const pages = min(8, count - first);
    let bits: u32 = 0;
    for (let page: u32 = 0; page < pages; page++) {
      bits |= (<u32>differ(current, shadow)) << page;
      current += PAGE_BYTES;
      shadow += PAGE_BYTES;
    }
    store<u8>(out++, <u8>bits);
    total += popcnt(bits);
  }
  return total;
}

/** Whether two pages differ. 64 bytes a step: more would not fit V8's 15 vector registers. */
function differ(a: usize, b: usize): bool {
  let all = i64x2.splat(0);
  for (const end = a + PAGE_BYTES; a < end; a += 64, b += 64) {
    const x0 = v128.xor(v128.load(a, 0), v128.load(b, 0));
    const x1 = v128.xor(v128.load(a, 16), v128.load(b, 16));
    const x2 = v128.xor(v128.load(a, 32), v128.load(b, 32));
    const x3 = v128.xor(v128.load(a, 48), v128.load(b, 48));
    all = v128.or(all, v128.or(v128.or(x0, x1), v128.or(x2, x3)));
  }
  return v128.any_true(all);
}
