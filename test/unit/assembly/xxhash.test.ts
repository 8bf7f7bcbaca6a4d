import { suite } from "uvu";
import * as assert from "uvu/assert";
import { instantiate } from "./raw.ts";
import { mixture } from "./samples.ts";
import { xxh3, xxh64 } from "./xxhash-reference.ts";

const { kernels, bytes, free } = instantiate();
const xxhash = suite("xxhash");
const SOURCE = free + 4096;
const OUT = free;
const PAGE = 4096;
const PRIME32 = 0x9e3779b1n;
const SEEDS = [0n, PRIME32, (1n << 64n) - 1n];
const unsigned = (hash: bigint): bigint => BigInt.asUintN(64, hash);

/** The input of xxhsum's self test: the top byte of a generator's state. */
function sanityInput(length: number): Uint8Array {
  let state = PRIME32;
  return Uint8Array.from({ length }, () => {
    const byte = Number(state >> 56n);
    state = unsigned(state * 0x9e3779b185ebca8dn);
    return byte;
  });
}

/** What xxhsum's self test expects (cli/xsum_sanity_check.c of xxHash 0.8.1). */
const vectors: readonly [length: number, seed: bigint, hash: bigint][] = [
  [0, 0n, 0xef46db3751d8e999n],
  [0, PRIME32, 0xac75fda2929b17efn],
  [1, 0n, 0xe934a84adb052768n],
  [1, PRIME32, 0x5014607643a9b4c3n],
  [4, 0n, 0x9136a0dca57457een],
  [14, 0n, 0x8282dcc4994e35c8n],
  [14, PRIME32, 0xc3bd6bf63deb6df0n],
  [222, 0n, 0xb641ae8cb691c174n],
  [222, PRIME32, 0x20cb8ab7ae10c14an],
];

const vectors3: readonly [length: number, hash: bigint][] = [
  [0, 0x2d06800538d394c2n],
  [1, 0xc44bdff4074eecdbn],
  [6, 0x27b56a84cd2d7325n],
  [12, 0xa713daf0dfbb77e7n],
  [24, 0xa3fe70bf9d3510ebn],
  [48, 0x397da259ecba1f11n],
  [80, 0xbcdefbbb2c47c90an],
  [195, 0xcd94217ee362ec3an],
  [403, 0xcdeb804d65c6dea4n],
  [512, 0x617e49599013cb6bn],
  [2048, 0xdd59e2c3a5f038e0n],
  [2240, 0x6e73a90539cf2948n],
  [2367, 0xcb37aeb9e5d361edn],
];

xxhash("xxh64() gives what the specification's self test expects", () => {
  for (const [length, seed, hash] of vectors) {
    bytes.set(sanityInput(length), SOURCE);
    assert.is(unsigned(kernels.xxh64(SOURCE, length, seed)), hash, `${length} bytes, seed ${seed}`);
  }
});

xxhash("xxh3() gives what the specification's self test expects", () => {
  for (const [length, hash] of vectors3) {
    bytes.set(sanityInput(length), SOURCE);
    assert.is(unsigned(kernels.xxh3(SOURCE, length)), hash, `${length} bytes`);
  }
});

xxhash("xxh64() and xxh3() give the reference's hash of every short length", () => {
  for (let length = 0; length <= 600; length++) {
    const source = SOURCE + (length % 16);
    const input = mixture(length, length);
    bytes.fill(length, source - 64, source + length + 64);
    bytes.set(input, source);
    const seed = SEEDS[length % SEEDS.length]!;
    assert.is(unsigned(kernels.xxh64(source, length, seed)), xxh64(input, seed), `${length}`);
    assert.is(unsigned(kernels.xxh3(source, length)), xxh3(input), `${length} bytes`);
  }
});

xxhash("xxh64() and xxh3() give the reference's hash around whole blocks, and of megabytes", () => {
  const around = [1, 2, 3, 4, 16].flatMap((blocks) =>
    [-65, -64, -1, 0, 1, 63, 64, 65].map((more) => blocks * 1024 + more),
  );
  for (const [index, length] of [...around, 1_048_576, 1_000_001].entries()) {
    const source = SOURCE + (index % 16);
    const input = mixture(index, length);
    bytes.set(input, source);
    assert.is(unsigned(kernels.xxh64(source, length, 0n)), xxh64(input), `${length} bytes`);
    assert.is(unsigned(kernels.xxh3(source, length)), xxh3(input), `${length} bytes`);
  }
});

xxhash("xxh64() and xxh3() do not depend on the alignment, nor on what lies around", () => {
  const lengths = [...Array.from({ length: 301 }, (_, length) => length), 4095, 4096, 4097];
  for (const length of lengths) {
    const input = mixture(length + 1, length);
    const expected = xxh64(input);
    const expected3 = xxh3(input);
    for (let skew = 0; skew < 16; skew++) {
      bytes.fill(skew * 17, SOURCE + skew - 32, SOURCE + skew);
      bytes.fill(skew * 19, SOURCE + skew + length, SOURCE + skew + length + 64);
      bytes.set(input, SOURCE + skew);
      const where = `${length} bytes at ${skew}`;
      assert.is(unsigned(kernels.xxh64(SOURCE + skew, length, 0n)), expected, where);
      assert.is(unsigned(kernels.xxh3(SOURCE + skew, length)), expected3, where);
    }
  }
});

xxhash("xxh64Pages() and xxh3Pages() give the hash of each page, and write nothing else", () => {
  for (const count of [0, 1, 2, 7]) {
    const pages = Array.from({ length: count }, (_, page) => mixture(page, PAGE));
    for (const [page, content] of pages.entries()) bytes.set(content, SOURCE + page * PAGE);
    for (const [name, reference] of [
      ["xxh64Pages", xxh64],
      ["xxh3Pages", xxh3],
    ] as const) {
      bytes.fill(0xee, OUT, OUT + 128);
      kernels[name](SOURCE, count, OUT + 8);
      const view = Buffer.from(bytes.buffer, OUT, 128);
      pages.forEach((content, page) => {
        assert.is(view.readBigUInt64LE(8 + page * 8), reference(content), `${name} ${page}`);
      });
      assert.ok(view.subarray(0, 8).every((byte) => byte === 0xee));
      assert.ok(view.subarray(8 + count * 8).every((byte) => byte === 0xee));
    }
  }
});

xxhash("xxh3() changes with any bit of a page", () => {
  const page = mixture(3, PAGE);
  bytes.set(page, SOURCE);
  const hashes = new Set([kernels.xxh3(SOURCE, PAGE)]);
  for (let bit = 0; bit < PAGE * 8; bit += 7) {
    bytes[SOURCE + (bit >> 3)]! ^= 1 << (bit & 7);
    hashes.add(kernels.xxh3(SOURCE, PAGE));
    bytes[SOURCE + (bit >> 3)]! ^= 1 << (bit & 7);
  }
  assert.is(hashes.size, 1 + Math.ceil((PAGE * 8) / 7));
});

xxhash.run();
