import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { instantiate } from "./raw.ts";
import { bitmapOf, runsOf } from "./reference.ts";
import { anyBits } from "./samples.ts";

const { kernels, bytes, free } = instantiate();
const runs = suite("runs");
const OUT = free + 65536;

/**
 * Calls the kernel again and again, `max` pairs at a time, as the wrapper does, with the bitmap
 * `skew` bytes from an aligned address.
 */
function collect(
  set: readonly number[],
  bits: number,
  gap: number,
  max: number,
  skew = 0,
): number[][] {
  const BITMAP = free + 64 + skew;
  // Bits around the bitmap are set: they belong to nobody and must not be seen.
  bytes.fill(0xff, free, free + 65536);
  const bitmap = bitmapOf(set, bits);
  if (bits % 8 !== 0) bitmap[bits >> 3]! |= (0xff << (bits % 8)) & 0xff;
  bytes.set(bitmap, BITMAP);
  const found: number[][] = [];
  for (let from = 0, count = max; count === max; ) {
    bytes.fill(0xee, OUT, OUT + max * 8 + 8);
    count = kernels.runs(BITMAP, bits, from, gap, OUT, max);
    const pairs = new Uint32Array(bytes.buffer, OUT, max * 2 + 2);
    assert.is(pairs[count * 2], 0xeeeeeeee, "wrote behind its last pair");
    for (let pair = 0; pair < count; pair++) {
      const [start, length] = [pairs[pair * 2]!, pairs[pair * 2 + 1]!];
      found.push([start, length]);
      from = start + length;
    }
  }
  return found;
}

const table: readonly [name: string, set: number[], bits: number, gap: number, out: number[][]][] =
  [
    ["nothing", [], 5000, 0, []],
    ["the first bit", [0], 1, 0, [[0, 1]]],
    ["the last bit of a long empty bitmap", [4999], 5000, 0, [[4999, 1]]],
    ["neighbours across a word", [62, 63, 64, 65], 200, 0, [[62, 4]]],
    ["a gap as large as allowed", [1, 4], 64, 2, [[1, 4]]],
    [
      "a gap one larger",
      [1, 5],
      64,
      2,
      [
        [1, 1],
        [5, 1],
      ],
    ],
    ["a gap across a word", [63, 66], 128, 2, [[63, 4]]],
  ];

for (const [name, set, bits, gap, expected] of table) {
  runs(`runs() finds ${name}`, () => assert.equal(collect(set, bits, gap, 16), expected));
}

runs("runs() finds a run of any length at any place", () => {
  for (let start = 0; start < 140; start++) {
    for (let end = start + 1; end <= 140; end++) {
      const set = Array.from({ length: end - start }, (_, index) => start + index);
      assert.equal(collect(set, 140, 0, 4), [[start, end - start]]);
    }
  }
});

runs("runs() finds a run over any border of a block of 512, at any alignment", () => {
  for (let tail = 0; tail < 70; tail++) {
    for (const [start, end] of [
      [400, 512 + tail],
      [512 - tail, 600],
      [511 - tail, 1024 + tail],
      [0, 1024 + tail],
      [1024, 1025 + tail],
    ] as const) {
      const set = Array.from({ length: end - start }, (_, index) => start + index);
      const bits = 1100 + tail;
      assert.equal(collect(set, bits, 0, 4, tail % 16), [[start, end - start]], `${start} ${end}`);
      assert.equal(collect(set, end, 0, 4, tail % 16), [[start, end - start]], `${start} ${end}`);
    }
  }
});

runs("runs() goes on in the middle of a run, as if it began there", () => {
  const bitmap = bitmapOf([3, 4, 5, 6, 700, 701], 800);
  bytes.set(bitmap, free);
  for (const [from, expected] of [
    [4, [4, 3, 700, 2]],
    [701, [701, 1]],
    [702, []],
    [800, []],
    [900, []],
  ] as const) {
    const count = kernels.runs(free, 800, from, 0, OUT, 4);
    assert.equal([...new Uint32Array(bytes.buffer, OUT, count * 2)], expected, `from ${from}`);
  }
  assert.is(kernels.runs(free, 800, 0, 0, OUT, 0), 0, "no room");
});

runs("runs() agrees with the scalar reference at every density", () => {
  fc.assert(
    fc.property(anyBits, fc.nat(20), fc.integer({ min: 1, max: 900 }), (bitmap, gap, max) => {
      const { set, bits, skew } = bitmap;
      assert.equal(collect(set, bits, gap, max, skew), runsOf(set, gap));
    }),
    { seed: 1, numRuns: 150 },
  );
});

runs("runs() agrees with the scalar reference, whatever the gap and room for the answer", () => {
  const bitmap = fc
    .integer({ min: 1, max: 3000 })
    .chain((bits) =>
      fc.tuple(
        fc.constant(bits),
        fc.uniqueArray(fc.nat(bits - 1), { maxLength: 400 }),
        fc.nat(70),
        fc.integer({ min: 1, max: 50 }),
      ),
    );
  fc.assert(
    fc.property(bitmap, ([bits, set, gap, max]) => {
      const sorted = set.toSorted((a, b) => a - b);
      assert.equal(collect(sorted, bits, gap, max), runsOf(sorted, gap));
    }),
    { seed: 1, numRuns: 300 },
  );
});

runs.run();
