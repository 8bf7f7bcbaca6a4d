// The numbers of the set bits of a block of 512: what `list` and `runs` are made of.
//
// How many bits a block has decides how they are found, once a block: a branch that depends on one
// word goes wrong too often. If they are in few places, they are found one after the other. Else a
// block with few bits gives every word three numbers, whether it has them or not, and counts only
// those that are real; a block with more looks each byte up in a table; a full block counts.

import { BLOCK_BITS, BLOCK_BYTES } from "./bits";

/** What `positions` may write: a number for every bit, and eight that are looked up too many. */
export const POSITIONS_BYTES: usize = 512 * 4 + 32;

/** So few quarters of a block are looked at one after the other. */
const LONELY: u32 = 4;
/** From so many bits on, the table is faster. */
const DENSE: u32 = 36;
const WORD_BITS: u32 = 64;

/** For each byte the numbers of its set bits, as u16, the rest 0. */
const table: usize = memory.data(256 * 16, 16);

for (let byte: u32 = 0; byte < 256; byte++) {
  let at = table + (byte << 4);
  for (let rest = byte; rest !== 0; rest &= rest - 1, at += 2) store<u16>(at, <u16>ctz(rest));
}

/**
 * Writes the numbers (u32 each) of the set bits of the block at `block`, the first of which has
 * number `base`, and returns where they end. `quarters` is what
 * `quartersOf` says of the block.
 */
export function positions(block: usize, quarters: u32, base: u32, out: usize): usize {
  if (popcnt(quarters) > LONELY) return many(block, base, out);
  while (quarters !== 0) {
    const quarter = <u32>ctz(quarters);
    quarters &= quarters - 1;
    let rest = load<u32>(block + (quarter << 2));
    do {
      store<u32>(out, base + (quarter << 5) + <u32>ctz(rest));
      out += 4;
      rest &= rest - 1;
    } while (rest !== 0);
  }
  return out;
}

function many(block: usize, base: u32, out: usize): usize {
  const total = bitsOf(block);
  if (total < DENSE) return sparse(block, base, out);
  return total === BLOCK_BITS ? every(base, out) : dense(block, base, out);
}

function bitsOf(block: usize): u32 {
  const a = popcnt(load<u64>(block, 0)) + popcnt(load<u64>(block, 8));
  const b = popcnt(load<u64>(block, 16)) + popcnt(load<u64>(block, 24));
  const c = popcnt(load<u64>(block, 32)) + popcnt(load<u64>(block, 40));
  const d = popcnt(load<u64>(block, 48)) + popcnt(load<u64>(block, 56));
  return <u32>(a + b + (c + d));
}

/** Three numbers a word that may be real, and then those that follow. */
function sparse(block: usize, base: u32, out: usize): usize {
  for (const end = block + BLOCK_BYTES; block < end; block += 8, base += WORD_BITS) {
    let word = load<u64>(block);
    const next = out + ((<usize>popcnt(word)) << 2);
    store<u32>(out, base + <u32>ctz(word), 0);
    word &= word - 1;
    store<u32>(out, base + <u32>ctz(word), 4);
    word &= word - 1;
    store<u32>(out, base + <u32>ctz(word), 8);
    for (out += 12; out < next; out += 4) {
      word &= word - 1;
      store<u32>(out, base + <u32>ctz(word));
    }
    out = next;
  }
  return out;
}

function dense(block: usize, base: u32, out: usize): usize {
  let numbers = i32x4.splat(base);
  const step = i32x4.splat(8);
  for (const end = block + BLOCK_BYTES; block < end; block += 4) {
    const word = load<u32>(block);
    out = look(word & 0xff, numbers, out);
    numbers = i32x4.add(numbers, step);
    out = look((word >> 8) & 0xff, numbers, out);
    numbers = i32x4.add(numbers, step);
    out = look((word >> 16) & 0xff, numbers, out);
    numbers = i32x4.add(numbers, step);
    out = look(word >> 24, numbers, out);
    numbers = i32x4.add(numbers, step);
  }
  return out;
}

/** Writes eight numbers, of which the byte's own come first, and returns where those end. */
function look(byte: u32, base: v128, out: usize): usize {
  const row = table + (byte << 4);
  v128.store(out, i32x4.add(base, v128.load16x4_u(row, 0)), 0);
  v128.store(out, i32x4.add(base, v128.load16x4_u(row, 8)), 16);
  return out + ((<usize>popcnt(byte)) << 2);
}

function every(base: u32, out: usize): usize {
  let numbers = i32x4.add(i32x4.splat(base), i32x4(0, 1, 2, 3));
  const step = i32x4.splat(4);
  const end = out + BLOCK_BITS * 4;
  for (; out < end; out += 16) {
    v128.store(out, numbers);
    numbers = i32x4.add(numbers, step);
  }
  return end;
}
