// XXH64 of any bytes, bit-exact: doc/xxhash_spec.md of the xxHash project.
//
// Its four chains of multiplications are as long as the processor makes them, so one page after
// the other is as fast as it gets.

import { PAGE_BYTES } from "./layout";

export const PRIME_1: u64 = 0x9e3779b185ebca87;
export const PRIME_2: u64 = 0xc2b2ae3d27d4eb4f;
export const PRIME_3: u64 = 0x165667b19e3779f9;
export const PRIME_4: u64 = 0x85ebca77c2b2ae63;
export const PRIME_5: u64 = 0x27d4eb2f165667c5;

const STRIPE_BYTES: usize = 32;

/** Writes the hash, seed 0, of each of `count` pages to `out`, eight bytes each. */
export function xxh64Pages(pages: usize, count: u32, out: usize): void {
  for (let page: u32 = 0; page < count; page++) {
    store<u64>(out + (page << 3), xxh64(pages + page * PAGE_BYTES, PAGE_BYTES, 0));
  }
}

/** The hash of `length` bytes. Nothing but these is read. */
export function xxh64(source: usize, length: u32, seed: u64): u64 {
  let at = source;
  let hash: u64 = seed + PRIME_5;
  if (length >= <u32>STRIPE_BYTES) {
    let a: u64 = seed + PRIME_1 + PRIME_2;
    let b: u64 = seed + PRIME_2;
    let c: u64 = seed;
    let d: u64 = seed - PRIME_1;
    for (const end = source + (length & ~31); at !== end; at += STRIPE_BYTES) {
      a = round(a, load<u64>(at));
      b = round(b, load<u64>(at, 8));
      c = round(c, load<u64>(at, 16));
      d = round(d, load<u64>(at, 24));
    }
    hash = rotl<u64>(a, 1) + rotl<u64>(b, 7) + rotl<u64>(c, 12) + rotl<u64>(d, 18);
    hash = merge(merge(merge(merge(hash, a), b), c), d);
  }
  return avalanche64(tail(hash + length, at, length & 31));
}

/** Mixes in the last `length` (at most 31) bytes. */
function tail(hash: u64, at: usize, length: u32): u64 {
  for (; length >= 8; length -= 8, at += 8) {
    hash = rotl<u64>(hash ^ round(0, load<u64>(at)), 27) * PRIME_1 + PRIME_4;
  }
  if (length >= 4) {
    hash = rotl<u64>(hash ^ (<u64>load<u32>(at) * PRIME_1), 23) * PRIME_2 + PRIME_3;
    length -= 4;
    at += 4;
  }
  for (; length > 0; length--, at++) {
    hash = rotl<u64>(hash ^ (<u64>load<u8>(at) * PRIME_5), 11) * PRIME_1;
  }
  return hash;
}

/** The last step: every bit of the input reaches every bit of the hash. */
export function avalanche64(hash: u64): u64 {
  hash = (hash ^ (hash >> 33)) * PRIME_2;
  hash = (hash ^ (hash >> 29)) * PRIME_3;
  return hash ^ (hash >> 32);
}

function round(lane: u64, word: u64): u64 {
  return rotl<u64>(lane + word * PRIME_2, 31) * PRIME_1;
}

function merge(hash: u64, lane: u64): u64 {
  return (hash ^ round(0, lane)) * PRIME_1 + PRIME_4;
}
