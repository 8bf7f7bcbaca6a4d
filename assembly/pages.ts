// Moving the pages that a bitmap selects.

import { PAGE_BYTES } from "./layout";

/**
 * Copies the selected of `count` pages at `from` to the same places at `to`.
 * How the shadow follows what was encoded.
 */
export function copyPages(from: usize, selected: usize, count: u32, to: usize): void {
  for (let page: u32 = 0; page < count; page++) {
    if ((load<u8>(selected + (page >> 3)) & (1 << (page & 7))) === 0) continue;
    const offset: usize = page * PAGE_BYTES;
    memory.copy(to + offset, from + offset, PAGE_BYTES);
  }
}

/**
 * Packs those of `count` pages at `from` that are selected and not excepted one behind the other
 * at `to`, and returns how many bytes that makes.
 */
export function gatherPages(
  from: usize,
  selected: usize,
  excepted: usize,
  count: u32,
  to: usize,
): u32 {
  const start = to;
  for (let page: u32 = 0; page < count; page++) {
    const byte: usize = page >> 3;
    const wanted: u32 = load<u8>(selected + byte) & ~(<u32>load<u8>(excepted + byte));
    if ((wanted & (1 << (page & 7))) === 0) continue;
    memory.copy(to, from + page * PAGE_BYTES, PAGE_BYTES);
    to += PAGE_BYTES;
  }
  return <u32>(to - start);
}
