import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { instantiate } from "./raw.ts";
import { bitmapOf, PAGE } from "./reference.ts";

const { kernels, bytes, free } = instantiate();
const pages = suite("pages");
const SELECTED = free;
const EXCEPTED = free + 64;
const FROM = free + 4096;
const TO = FROM + 64 * PAGE;
const COUNT = 40;
const sets = fc.tuple(fc.uniqueArray(fc.nat(255)), fc.uniqueArray(fc.nat(255)));

/** Page i of the source is full of i + 1; the target and what is behind it, of 0xee. */
function prepare(selected: readonly number[], excepted: readonly number[]): void {
  bytes.set(bitmapOf(selected, 256), SELECTED);
  bytes.set(bitmapOf(excepted, 256), EXCEPTED);
  for (let page = 0; page < COUNT; page++) {
    bytes.fill(page + 1, FROM + page * PAGE, FROM + (page + 1) * PAGE);
  }
  bytes.fill(0xee, TO, TO + (COUNT + 1) * PAGE);
}

/** What each page of the target is full of. */
function filling(): number[] {
  return Array.from({ length: COUNT + 1 }, (_, page) => {
    const content = bytes.subarray(TO + page * PAGE, TO + (page + 1) * PAGE);
    return content.every((byte) => byte === content[0]) ? content[0]! : -1;
  });
}

pages("copyPages() copies the selected pages to their places and touches no other", () => {
  fc.assert(
    fc.property(sets, ([selected]) => {
      prepare(selected, []);
      kernels.copyPages(FROM, SELECTED, COUNT, TO);
      const expected = filling().map((_, page) =>
        page < COUNT && selected.includes(page) ? page + 1 : 0xee,
      );
      assert.equal(filling(), expected);
    }),
    { seed: 1, numRuns: 40 },
  );
});

pages("gatherPages() packs the selected pages that are not excepted, in order", () => {
  fc.assert(
    fc.property(sets, ([selected, excepted]) => {
      prepare(selected, excepted);
      const wanted = selected
        .filter((page) => page < COUNT && !excepted.includes(page))
        .sort((a, b) => a - b);
      const length = kernels.gatherPages(FROM, SELECTED, EXCEPTED, COUNT, TO);
      assert.is(length, wanted.length * PAGE);
      const rest = Array.from({ length: COUNT + 1 - wanted.length }, () => 0xee);
      assert.equal(filling(), [...wanted.map((page) => page + 1), ...rest]);
    }),
    { seed: 1, numRuns: 40 },
  );
});

pages.run();
