import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { instantiate } from "./raw.ts";
import { bitmapOf, bitsOf, PAGE } from "./reference.ts";

const { kernels, bytes, free } = instantiate();
const zero = suite("zeroPages");
const OUT = free;
const SELECTED = free + 64;
const PAGES = free + 4096;

function select(pages: Iterable<number>): void {
  bytes.set(bitmapOf(pages, 256), SELECTED);
  bytes.fill(0xee, OUT, OUT + 64);
}

zero("zeroPages() sees any single byte that is not zero, at every alignment", () => {
  for (let at = 0; at < PAGE; at++) {
    const pages = PAGES + (at % 16);
    bytes.fill(0, PAGES, PAGES + 3 * PAGE);
    select([0, 1]);
    bytes[pages + PAGE + at] = 1 << (at & 7);
    assert.is(kernels.zeroPages(pages, SELECTED, 2, OUT), 1, `byte ${at}`);
    assert.equal(bitsOf(bytes.subarray(OUT, OUT + 1), 8), [0], `byte ${at}`);
  }
});

zero("zeroPages() says nothing of pages that are not selected, or past the count", () => {
  bytes.fill(0, PAGES, PAGES + 32 * PAGE);
  select([0, 2, 9, 10, 31]);
  assert.is(kernels.zeroPages(PAGES, SELECTED, 10, OUT), 3);
  assert.equal(bitsOf(bytes.subarray(OUT, OUT + 2), 16), [0, 2, 9]);
  assert.ok(bytes.subarray(OUT + 2, OUT + 64).every((byte) => byte === 0xee));
});

zero("zeroPages() agrees with the scalar reference on any pages", () => {
  const page = fc.record({ selected: fc.boolean(), dirtyAt: fc.option(fc.nat(PAGE - 1)) });
  fc.assert(
    fc.property(fc.array(page, { minLength: 1, maxLength: 40 }), (pages) => {
      bytes.fill(0, PAGES, PAGES + pages.length * PAGE);
      select(pages.flatMap(({ selected }, index) => (selected ? [index] : [])));
      for (const [index, { dirtyAt }] of pages.entries()) {
        if (dirtyAt !== null) bytes[PAGES + index * PAGE + dirtyAt] = 1;
      }
      const expected = pages.flatMap(({ selected, dirtyAt }, index) =>
        selected && dirtyAt === null ? [index] : [],
      );
      assert.is(kernels.zeroPages(PAGES, SELECTED, pages.length, OUT), expected.length);
      assert.equal(bitsOf(bytes.subarray(OUT, OUT + 8), pages.length), expected);
    }),
    { seed: 1, numRuns: 100 },
  );
});

zero.run();
