/**
 * XXH64 and XXH3 (64 bits, no seed) again, in plain TypeScript on BigInt, by doc/xxhash_spec.md:
 * slow, and plainly right.
 * @module
 */

const MASK = (1n << 64n) - 1n;
const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;
const P32 = [0x9e3779b1n, 0x85ebca77n, 0xc2b2ae3dn] as const;
const MIX_1 = 0x165667919e3779f9n;
const MIX_2 = 0x9fb21c651e98df25n;

/** The 192 bytes of XXH3's default secret. */
const SECRET = Buffer.from(
  [
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f",
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c",
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8",
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364",
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e",
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e",
  ].join(""),
  "hex",
);

const wrap = (value: bigint): bigint => value & MASK;
const rotate = (value: bigint, bits: bigint): bigint =>
  wrap((value << bits) | (value >> (64n - bits)));
const round = (lane: bigint, word: bigint): bigint =>
  wrap(rotate(wrap(lane + word * P2), 31n) * P1);

function avalanche64(hash: bigint): bigint {
  hash = wrap((hash ^ (hash >> 33n)) * P2);
  hash = wrap((hash ^ (hash >> 29n)) * P3);
  return hash ^ (hash >> 32n);
}

export function xxh64(bytes: Uint8Array, seed = 0n): bigint {
  const input = Buffer.from(bytes);
  let at = 0;
  let hash = wrap(seed + P5);
  if (input.length >= 32) {
    const lanes = [wrap(seed + P1 + P2), wrap(seed + P2), seed, wrap(seed - P1)];
    for (; at + 32 <= input.length; at += 32) {
      for (let i = 0; i < 4; i++) lanes[i] = round(lanes[i]!, input.readBigUInt64LE(at + i * 8));
    }
    hash = wrap([1n, 7n, 12n, 18n].reduce((sum, bits, i) => sum + rotate(lanes[i]!, bits), 0n));
    for (const lane of lanes) hash = wrap((hash ^ round(0n, lane)) * P1 + P4);
  }
  hash = wrap(hash + BigInt(input.length));
  for (; at + 8 <= input.length; at += 8) {
    hash = wrap(rotate(hash ^ round(0n, input.readBigUInt64LE(at)), 27n) * P1 + P4);
  }
  if (at + 4 <= input.length) {
    hash = wrap(rotate(hash ^ wrap(BigInt(input.readUInt32LE(at)) * P1), 23n) * P2 + P3);
    at += 4;
  }
  for (; at < input.length; at++) {
    hash = wrap(rotate(hash ^ wrap(BigInt(input[at]!) * P5), 11n) * P1);
  }
  return avalanche64(hash);
}

const secret64 = (at: number): bigint => SECRET.readBigUInt64LE(at);

function folded(a: bigint, b: bigint): bigint {
  const product = a * b;
  return wrap(product) ^ (product >> 64n);
}

function avalanche3(hash: bigint): bigint {
  hash = wrap((hash ^ (hash >> 37n)) * MIX_1);
  return hash ^ (hash >> 32n);
}

export function xxh3(bytes: Uint8Array): bigint {
  const input = Buffer.from(bytes);
  if (input.length > 240) return xxh3Long(input);
  if (input.length > 16) return xxh3Middle(input);
  return xxh3Short(input);
}

function xxh3Short(input: Buffer): bigint {
  const length = BigInt(input.length);
  if (input.length > 8) {
    const low = input.readBigUInt64LE(0) ^ secret64(24) ^ secret64(32);
    const high = input.readBigUInt64LE(input.length - 8) ^ secret64(40) ^ secret64(48);
    const reversed = Buffer.alloc(8);
    reversed.writeBigUInt64LE(low);
    return avalanche3(wrap(length + reversed.readBigUInt64BE() + high + folded(low, high)));
  }
  if (input.length >= 4) {
    const first = BigInt(input.readUInt32LE(0));
    let hash = BigInt(input.readUInt32LE(input.length - 4)) + (first << 32n);
    hash ^= secret64(8) ^ secret64(16);
    hash = wrap((hash ^ rotate(hash, 49n) ^ rotate(hash, 24n)) * MIX_2);
    hash = wrap((hash ^ ((hash >> 35n) + length)) * MIX_2);
    return hash ^ (hash >> 28n);
  }
  if (input.length === 0) return avalanche64(secret64(56) ^ secret64(64));
  const four = Buffer.of(input.at(-1)!, input.length, input[0]!, input[input.length >> 1]!);
  const key = SECRET.readUInt32LE(0) ^ SECRET.readUInt32LE(4);
  return avalanche64(BigInt((four.readUInt32LE() ^ key) >>> 0));
}

function xxh3Middle(input: Buffer): bigint {
  const mixed = (at: number, key: number): bigint =>
    folded(
      input.readBigUInt64LE(at) ^ secret64(key),
      input.readBigUInt64LE(at + 8) ^ secret64(key + 8),
    );
  let hash = wrap(BigInt(input.length) * P1);
  if (input.length <= 128) {
    for (let pair = 0; pair < Math.ceil(input.length / 32); pair++) {
      hash = wrap(hash + mixed(pair * 16, pair * 32));
      hash = wrap(hash + mixed(input.length - 16 - pair * 16, pair * 32 + 16));
    }
    return avalanche3(hash);
  }
  for (let i = 0; i < 8; i++) hash = wrap(hash + mixed(i * 16, i * 16));
  hash = avalanche3(hash);
  for (let i = 8; i < input.length >> 4; i++) hash = wrap(hash + mixed(i * 16, (i - 8) * 16 + 3));
  return avalanche3(wrap(hash + mixed(input.length - 16, 119)));
}

function xxh3Long(input: Buffer): bigint {
  const lanes = [P32[2], P1, P2, P3, P4, P32[1], P5, P32[0]];
  const accumulate = (at: number, key: number): void => {
    for (let i = 0; i < 8; i++) {
      const word = input.readBigUInt64LE(at + i * 8);
      const keyed = word ^ secret64(key + i * 8);
      lanes[i ^ 1] = wrap(lanes[i ^ 1]! + word);
      lanes[i] = wrap(lanes[i]! + (keyed & 0xffffffffn) * (keyed >> 32n));
    }
  };
  for (let stripe = 0; stripe < Math.ceil(input.length / 64) - 1; stripe++) {
    accumulate(stripe * 64, (stripe % 16) * 8);
    // A block is done once something comes behind it.
    if (stripe % 16 !== 15) continue;
    for (let i = 0; i < 8; i++) {
      const lane = lanes[i]! ^ (lanes[i]! >> 47n) ^ secret64(128 + i * 8);
      lanes[i] = wrap(lane * P32[0]);
    }
  }
  accumulate(input.length - 64, 121);
  let hash = wrap(BigInt(input.length) * P1);
  for (let i = 0; i < 8; i += 2) {
    hash += folded(lanes[i]! ^ secret64(11 + i * 8), lanes[i + 1]! ^ secret64(19 + i * 8));
  }
  return avalanche3(wrap(hash));
}
