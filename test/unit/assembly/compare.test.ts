import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { instantiate } from "./raw.ts";
import { bitsOf, comparePages, PAGE } from "./reference.ts";

const { kernels, bytes, free } = instantiate();
const compare = suite("compare");
const OUT = free;
const CURRENT = free + 4096;
const SHADOW = CURRENT + 40 * PAGE;

/** Fills both images with the same noise, and a band around the answer. */
function prepare(pages: number, current = CURRENT, shadow = SHADOW): void {
  for (let at = 0; at < pages * PAGE; at++) bytes[current + at] = (at * 31) >> 3;
  bytes.copyWithin(shadow, current, current + pages * PAGE);
  bytes.fill(0xee, OUT, OUT + 64);
}

function answer(pages: number): number[] {
  return bitsOf(bytes.subarray(OUT, OUT + 32), pages);
}

compare("compare() sees a difference in any single byte of a page", () => {
  prepare(3);
  for (let at = 0; at < PAGE; at++) {
    bytes[SHADOW + PAGE + at]! ^= 1 << (at & 7);
    assert.is(kernels.compare(CURRENT, SHADOW, 3, OUT), 1, `byte ${at}`);
    assert.equal(answer(3), [1], `byte ${at}`);
    bytes[SHADOW + PAGE + at]! ^= 1 << (at & 7);
  }
  assert.is(kernels.compare(CURRENT, SHADOW, 3, OUT), 0);
});

compare("compare() works at every alignment of either side", () => {
  for (let skew = 0; skew < 16; skew++) {
    const current = CURRENT + skew;
    const shadow = SHADOW + ((skew * 7) % 16);
    prepare(4, current, shadow);
    bytes[shadow + 3 * PAGE + 4095]! ^= 0x80;
    assert.is(kernels.compare(current, shadow, 4, OUT), 1, `skew ${skew}`);
    assert.equal(answer(4), [3], `skew ${skew}`);
  }
});

compare("compare() writes whole bytes of bitmap for its pages and nothing else", () => {
  for (let pages = 1; pages <= 33; pages++) {
    prepare(pages);
    for (let page = 0; page < pages; page++) bytes[SHADOW + page * PAGE]! ^= 1;
    assert.is(kernels.compare(CURRENT, SHADOW, pages, OUT), pages);
    const used = Math.ceil(pages / 8);
    assert.equal(answer(used * 8).length, pages, `${pages} pages`);
    assert.ok(bytes.subarray(OUT + used, OUT + 64).every((byte) => byte === 0xee));
  }
});

compare("compare() agrees with the scalar reference on any set of changes", () => {
  const change = fc.tuple(fc.nat(40 * PAGE - 1), fc.integer({ min: 1, max: 255 }));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.array(change), (pages, changes) => {
      prepare(pages);
      for (const [at, flip] of changes) if (at < pages * PAGE) bytes[CURRENT + at]! ^= flip;
      const expected = comparePages(
        bytes.subarray(CURRENT, CURRENT + pages * PAGE),
        bytes.subarray(SHADOW, SHADOW + pages * PAGE),
      );
      assert.is(kernels.compare(CURRENT, SHADOW, pages, OUT), expected.length);
      assert.equal(answer(pages), expected);
    }),
    { seed: 1, numRuns: 60 },
  );
});

compare.run();
