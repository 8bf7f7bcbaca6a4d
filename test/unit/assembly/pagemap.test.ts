import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { instantiate } from "./raw.ts";
import { bitsOf, pagemapOf } from "./reference.ts";

const { kernels, bytes, free } = instantiate();
const pagemap = suite("pagemap");
const OUT = free + 65536;

/** What the kernel finds in `words` put at `skew` bytes from an aligned address. */
function find(words: BigUint64Array, mask: bigint, skew = 0): number[] {
  bytes.fill(0xff, free, free + 65536);
  bytes.set(new Uint8Array(words.buffer), free + 64 + skew);
  const used = Math.ceil(words.length / 8);
  bytes.fill(0xee, OUT, OUT + used + 64);
  const count = kernels.pagemap(free + 64 + skew, words.length, mask, OUT);
  const found = bitsOf(bytes.subarray(OUT, OUT + used), used * 8);
  assert.is(count, found.length);
  assert.ok(bytes.subarray(OUT + used, OUT + used + 64).every((byte) => byte === 0xee));
  return found;
}

pagemap("pagemap() tells every bit of a word from the 63 others", () => {
  const words = BigUint64Array.from({ length: 64 }, (_, bit) => 1n << BigInt(bit));
  for (let bit = 0; bit < 64; bit++) assert.equal(find(words, 1n << BigInt(bit)), [bit]);
});

pagemap("pagemap() finds what has any bit of a mask: soft-dirty, write-protected, both", () => {
  const words = BigUint64Array.from([0n, 1n << 55n, 1n << 57n, 5n << 55n, ~(5n << 55n)]);
  assert.equal(find(words, 1n << 55n), [1, 3]);
  assert.equal(find(words, 1n << 57n), [2, 3]);
  assert.equal(find(words, 5n << 55n), [1, 2, 3]);
  assert.equal(find(words, (1n << 55n) | 1n), [1, 3, 4]);
  assert.equal(find(words, 0n), []);
});

pagemap("pagemap() finds the last word of any count, at any alignment", () => {
  for (let count = 1; count < 140; count++) {
    const words = new BigUint64Array(count);
    words[count - 1] = 1n << 63n;
    assert.equal(find(words, 1n << 63n, count % 16), [count - 1]);
    assert.equal(find(words, (1n << 63n) | 1n, count % 16), [count - 1]);
  }
});

pagemap("pagemap() agrees with the scalar reference", () => {
  const word = fc.oneof(fc.constant(0n), fc.constant(1n << 55n), fc.bigInt(0n, (1n << 64n) - 1n));
  const mask = fc.oneof(
    fc.constantFrom(1n << 55n, 1n << 57n, 1n << 62n, 1n << 63n, 3n << 62n),
    fc.bigInt(0n, (1n << 64n) - 1n),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 300 }), mask, fc.nat(15), (list, wanted, skew) => {
      const words = BigUint64Array.from(list);
      assert.equal(find(words, wanted, skew), pagemapOf(words, wanted));
    }),
    { seed: 1, numRuns: 200 },
  );
});

pagemap.run();
