// Which pages hold nothing but zeros.

import { PAGE_BYTES } from "./layout";

/**
 * Looks at those of the `count` pages at `pages` whose bit is set at `selected`, fills the bitmap
 * at `out` (whole bytes; bits past `count` are clear) and returns how many of them are zero.
 */
export function zeroPages(pages: usize, selected: usize, count: u32, out: usize): u32 {
  let total: u32 = 0;
  for (let first: u32 = 0; first < count; first += 8) {
    const end = min(8, count - first);
    const wanted: u32 = load<u8>(selected++);
    let bits: u32 = 0;
    for (let page: u32 = 0; page < end; page++, pages += PAGE_BYTES) {
      if ((wanted >> page) & 1) bits |= (<u32>empty(pages)) << page;
    }
    store<u8>(out++, <u8>bits);
    total += popcnt(bits);
  }
  return total;
}

/** Whether a page is all zero: 128 bytes a step, out at the first step that is not. */
function empty(page: usize): bool {
  for (const end = page + PAGE_BYTES; page < end; page += 128) {
    const a = v128.or(v128.load(page, 0), v128.load(page, 16));
    const b = v128.or(v128.load(page, 32), v128.load(page, 48));
    const c = v128.or(v128.load(page, 64), v128.load(page, 80));
    const d = v128.or(v128.load(page, 96), v128.load(page, 112));
    if (v128.any_true(v128.or(v128.or(a, b), v128.or(c, d)))) return false;
  }
  return true;
}
