// XXH3, 64 bits, of at most 240 bytes, and what the longer form shares with it: the secret, the
// folded product, the last step.

import { avalanche64, PRIME_1 } from "./xxh64";

const PRIME_MIX_1: u64 = 0x165667919e3779f9;
const PRIME_MIX_2: u64 = 0x9fb21c651e98df25;

/** The specification's default secret of 192 bytes. */
export const SECRET: usize = memory.data<u64>(
  [
    0xbe4ba423396cfeb8, 0x1cad21f72c81017c, 0xdb979083e96dd4de, 0x1f67b3b7a4a44072,
    0x78e5c0cc4ee679cb, 0x2172ffcc7dd05a82, 0x8e2443f7744608b8, 0x4c263a81e69035e0,
    0xcb00c391bb52283c, 0xa32e531b8b65d088, 0x4ef90da297486471, 0xd8acdea946ef1938,
    0x3f349ce33f76faa8, 0x1d4f0bc7c7bbdcf9, 0x3159b4cd4be0518a, 0x647378d9c97e9fc8,
    0xc3ebd33483acc5ea, 0xeb6313faffa081c5, 0x49daf0b751dd0d17, 0x9e68d429265516d3,
    0xfca1477d58be162b, 0xce31d07ad1b8f88f, 0x280416958f3acb45, 0x7e404bbbcafbd7af,
  ],
  16,
);

/** The hash of `length` (at most 240) bytes. */
export function xxh3Short(source: usize, length: u32): u64 {
  if (length > 128) return hashTo240(source, length);
  if (length > 16) return hashTo128(source, length);
  const last = source + length;
  if (length > 8) {
    const low = load<u64>(source) ^ load<u64>(SECRET, 24) ^ load<u64>(SECRET, 32);
    const high = load<u64>(last - 8) ^ load<u64>(SECRET, 40) ^ load<u64>(SECRET, 48);
    return avalanche3(length + bswap<u64>(low) + high + foldedProduct(low, high));
  }
  if (length >= 4) {
    const both = <u64>load<u32>(last - 4) + ((<u64>load<u32>(source)) << 32);
    return scattered(both ^ load<u64>(SECRET, 8) ^ load<u64>(SECRET, 16), length);
  }
  if (length === 0) return avalanche64(load<u64>(SECRET, 56) ^ load<u64>(SECRET, 64));
  const middle: u32 = load<u8>(source + (length >> 1));
  const four =
    ((<u32>load<u8>(source)) << 16) | (middle << 24) | load<u8>(last - 1) | (length << 8);
  return avalanche64(four ^ load<u32>(SECRET) ^ load<u32>(SECRET, 4));
}

/** Pairs of 16 bytes from both ends, the innermost first. */
function hashTo128(source: usize, length: u32): u64 {
  let hash: u64 = <u64>length * PRIME_1;
  for (let pairs: u32 = (length + 31) >> 5; pairs > 0; pairs--) {
    const from: usize = (pairs - 1) << 4;
    hash += mixed(source + from, SECRET + (from << 1));
    hash += mixed(source + length - 16 - from, SECRET + (from << 1) + 16);
  }
  return avalanche3(hash);
}

function hashTo240(source: usize, length: u32): u64 {
  let hash: u64 = <u64>length * PRIME_1;
  for (let from: usize = 0; from < 128; from += 16) hash += mixed(source + from, SECRET + from);
  hash = avalanche3(hash);
  for (let from: usize = 128; from + 16 <= length; from += 16) {
    hash += mixed(source + from, SECRET + from - 128 + 3);
  }
  return avalanche3(hash + mixed(source + length - 16, SECRET + 136 - 17));
}

function mixed(source: usize, key: usize): u64 {
  return foldedProduct(
    load<u64>(source) ^ load<u64>(key),
    load<u64>(source, 8) ^ load<u64>(key, 8),
  );
}

/** The halves of the 128-bit product, xor'ed. WASM multiplies to 64 bits only: four products. */
export function foldedProduct(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff;
  const bLow = b & 0xffffffff;
  const aHigh = a >> 32;
  const bHigh = b >> 32;
  const low = aLow * bLow;
  const first = aHigh * bLow + (low >> 32);
  const second = aLow * bHigh + (first & 0xffffffff);
  const high = aHigh * bHigh + (first >> 32) + (second >> 32);
  return high ^ (a * b);
}

/** The last step of all but the shortest. */
export function avalanche3(hash: u64): u64 {
  hash = (hash ^ (hash >> 37)) * PRIME_MIX_1;
  return hash ^ (hash >> 32);
}

/** The last step of four to eight bytes. */
function scattered(hash: u64, length: u32): u64 {
  hash = (hash ^ rotl<u64>(hash, 49) ^ rotl<u64>(hash, 24)) * PRIME_MIX_2;
  hash = (hash ^ ((hash >> 35) + length)) * PRIME_MIX_2;
  return hash ^ (hash >> 28);
}
