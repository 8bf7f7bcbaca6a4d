// XXH3, 64 bits, of 241 bytes and more, bit-exact: doc/xxhash_spec.md of the xxHash project.
// Shorter inputs are in xxh3-short.ts.
//
// Eight lanes of 64 bits take a stripe of 64 bytes at a time, each xor'ed with a piece of the
// secret that moves on by eight bytes. A lane gains the product of the halves of its own word, and
// its neighbour's word as it is. After 16 stripes, a block, the lanes are scrambled.
//
// WASM has no product of every other 32-bit lane, so two vectors of words are parted into their low
// and high halves by one pair of shuffles. The plain words are summed on the side and change places
// with their neighbours once a block, not once a stripe. A block begins with nothing, so that it
// need not wait for the scrambling of the one before.

import { PAGE_BYTES } from "./layout";
import { avalanche3, foldedProduct, SECRET, xxh3Short } from "./xxh3-short";
import { PRIME_1, PRIME_2, PRIME_3, PRIME_4, PRIME_5 } from "./xxh64";

const PRIME32_1: u64 = 0x9e3779b1;
const PRIME32_2: u64 = 0x85ebca77;
const PRIME32_3: u64 = 0xc2b2ae3d;
const STRIPE_BYTES: usize = 64;
const BLOCK_STRIPES: u32 = 16;
const BLOCK_BYTES: u32 = 1024;
/** The longest input that has its own, shorter way. */
const SHORT_BYTES_MAX: u32 = 240;
/** Where in the secret the lanes are scrambled, the last stripe is taken, and the lanes merged. */
const SECRET_SCRAMBLE: usize = 128;
const SECRET_LAST: usize = 121;
const SECRET_MERGE: usize = 11;

/** The eight lanes between two blocks. */
const lanes: usize = memory.data(64, 16);

/** Writes the hash of each of `count` pages to `out`, eight bytes each. */
export function xxh3Pages(pages: usize, count: u32, out: usize): void {
  for (let page: u32 = 0; page < count; page++) {
    store<u64>(out + (page << 3), xxh3(pages + page * PAGE_BYTES, PAGE_BYTES));
  }
}

/** XXH3_64bits (no seed, the default secret) of `length` bytes. Nothing but these is read. */
export function xxh3(source: usize, length: u32): u64 {
  if (length <= SHORT_BYTES_MAX) return xxh3Short(source, length);
  start();
  const last = source + length - STRIPE_BYTES;
  let at = source;
  for (let blocks = (length - 1) / BLOCK_BYTES; blocks > 0; blocks--, at += BLOCK_BYTES) {
    accumulate(at, BLOCK_STRIPES, SECRET);
    scramble();
  }
  accumulate(at, <u32>(last + STRIPE_BYTES - 1 - at) / <u32>STRIPE_BYTES, SECRET);
  accumulate(last, 1, SECRET + SECRET_LAST);
  let hash: u64 = <u64>length * PRIME_1;
  for (let pair: usize = 0; pair < 64; pair += 16) {
    hash += foldedProduct(
      load<u64>(lanes + pair) ^ load<u64>(SECRET + pair, SECRET_MERGE),
      load<u64>(lanes + pair, 8) ^ load<u64>(SECRET + pair, SECRET_MERGE + 8),
    );
  }
  return avalanche3(hash);
}

function start(): void {
  store<u64>(lanes, PRIME32_3);
  store<u64>(lanes, PRIME_1, 8);
  store<u64>(lanes, PRIME_2, 16);
  store<u64>(lanes, PRIME_3, 24);
  store<u64>(lanes, PRIME_4, 32);
  store<u64>(lanes, PRIME32_2, 40);
  store<u64>(lanes, PRIME_5, 48);
  store<u64>(lanes, PRIME32_1, 56);
}

/** Takes `stripes` stripes from `at` on, the first with the secret's bytes from `key` on. */
function accumulate(at: usize, stripes: u32, key: usize): void {
  let a = i64x2.splat(0);
  let b = i64x2.splat(0);
  let c = i64x2.splat(0);
  let d = i64x2.splat(0);
  let sumA = i64x2.splat(0);
  let sumB = i64x2.splat(0);
  let sumC = i64x2.splat(0);
  let sumD = i64x2.splat(0);
  for (const end = at + ((<usize>stripes) << 6); at !== end; at += STRIPE_BYTES, key += 8) {
    let words = v128.load(at);
    let others = v128.load(at, 16);
    sumA = i64x2.add(sumA, words);
    sumB = i64x2.add(sumB, others);
    words = v128.xor(words, v128.load(key));
    others = v128.xor(others, v128.load(key, 16));
    let low = i32x4.shuffle(words, others, 0, 2, 4, 6);
    let high = i32x4.shuffle(words, others, 1, 3, 5, 7);
    a = i64x2.add(a, i64x2.extmul_low_i32x4_u(low, high));
    b = i64x2.add(b, i64x2.extmul_high_i32x4_u(low, high));
    words = v128.load(at, 32);
    others = v128.load(at, 48);
    sumC = i64x2.add(sumC, words);
    sumD = i64x2.add(sumD, others);
    words = v128.xor(words, v128.load(key, 32));
    others = v128.xor(others, v128.load(key, 48));
    low = i32x4.shuffle(words, others, 0, 2, 4, 6);
    high = i32x4.shuffle(words, others, 1, 3, 5, 7);
    c = i64x2.add(c, i64x2.extmul_low_i32x4_u(low, high));
    d = i64x2.add(d, i64x2.extmul_high_i32x4_u(low, high));
  }
  gain(0, i64x2.add(a, swapped(sumA)));
  gain(16, i64x2.add(b, swapped(sumB)));
  gain(32, i64x2.add(c, swapped(sumC)));
  gain(48, i64x2.add(d, swapped(sumD)));
}

/** Adds to two of the lanes. */
function gain(at: usize, words: v128): void {
  v128.store(lanes + at, i64x2.add(v128.load(lanes + at), words));
}

function swapped(words: v128): v128 {
  return i64x2.shuffle(words, words, 1, 0);
}

function scramble(): void {
  for (let pair: usize = 0; pair < 64; pair += 16) {
    const words = v128.load(lanes + pair);
    const key = v128.load(SECRET + pair, SECRET_SCRAMBLE);
    const mixed = v128.xor(v128.xor(words, i64x2.shr_u(words, 47)), key);
    v128.store(lanes + pair, i64x2.mul(mixed, i64x2.splat(PRIME32_1)));
  }
}
