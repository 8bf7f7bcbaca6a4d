import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { instantiate } from "./raw.ts";
import { bitmapOf, runsOf } from "./reference.ts";

const { kernels, bytes, free } = instantiate();
const runs = suite("runs");
const BITMAP = free;
const OUT = free + 65536;

/** Calls the kernel again and again, `max` pairs at a time, as the wrapper does. */
function collect(set: readonly number[], bits: number, gap: number, max: number): number[][] {
  // Bits behind the last one are set: they belong to nobody and must not be seen.
  bytes.fill(0xff, BITMAP, BITMAP + 65536);
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
