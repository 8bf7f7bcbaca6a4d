import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { instantiate } from "./raw.ts";
import { bitmapOf } from "./reference.ts";
import { anyBits } from "./samples.ts";

const { kernels, bytes, free } = instantiate();
const list = suite("list");
const OUT = free + 65536;

/** Calls the kernel again and again, `max` numbers at a time. Bits around the bitmap are set. */
function collect(set: readonly number[], bits: number, skew: number, max: number): number[] {
  const at = free + 64 + skew;
  bytes.fill(0xff, free, free + 65536);
  const bitmap = bitmapOf(set, bits);
  if (bits % 8 !== 0) bitmap[bits >> 3]! |= (0xff << (bits % 8)) & 0xff;
  bytes.set(bitmap, at);
  const found: number[] = [];
  for (let from = 0, count = max; count === max; from = found.at(-1)! + 1) {
    bytes.fill(0xee, OUT, OUT + max * 4 + 64);
    count = kernels.list(at, bits, from, OUT, max);
    const band = bytes.subarray(OUT + max * 4, OUT + max * 4 + 64);
    assert.ok(
      band.every((byte) => byte === 0xee),
      `wrote behind ${max} numbers`,
    );
    found.push(...new Uint32Array(bytes.buffer, OUT, count));
  }
  return found;
}

list("list() finds any single bit, at any alignment", () => {
  for (let bit = 0; bit < 1100; bit++) {
    assert.equal(collect([bit], 1100, bit % 16, 8), [bit]);
    assert.equal(collect([bit], bit + 1, bit % 16, 8), [bit]);
  }
});

list("list() finds every bit of a full bitmap of any length", () => {
  for (let bits = 1; bits < 1100; bits++) {
    const every = Array.from({ length: bits }, (_, bit) => bit);
    assert.equal(collect(every, bits, bits % 16, 2000), every);
  }
});

list("list() begins at any bit, and finds nothing behind the end", () => {
  const every = Array.from({ length: 1100 }, (_, bit) => bit);
  bytes.set(bitmapOf(every, 1100), free);
  for (let from = 0; from <= 1200; from++) {
    const count = kernels.list(free, 1100, from, OUT, 2000);
    assert.is(count, Math.max(0, 1100 - from), `from ${from}`);
    if (count > 0) assert.is(new Uint32Array(bytes.buffer, OUT, 1)[0], from);
  }
  assert.is(kernels.list(free, 1100, 0, OUT, 0), 0, "no room");
});

list("list() agrees with the scalar reference at every density, whatever the room", () => {
  const room = fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 500, max: 7_000 }));
  fc.assert(
    fc.property(anyBits, room, ({ set, bits, skew }, max) => {
      assert.equal(collect(set, bits, skew, Math.max(max, set.length >> 6)), set);
    }),
    { seed: 1, numRuns: 300 },
  );
});

list.run();
