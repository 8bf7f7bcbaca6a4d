import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Extent } from "../../../../agent/capture/disk.ts";
import { clip } from "../../../../agent/protection/frozen.ts";

const frozen = suite("clip");

const file = (offset: number, length: number, at: number): Extent => ({
  disk: "vda",
  offset,
  length,
  zero: false,
  source: { type: "file", path: "/layer", offset: at },
});
const zero = (offset: number, length: number): Extent => ({
  disk: "vda",
  offset,
  length,
  zero: true,
});
const MAP = [file(100, 50, 7_000), zero(150, 50), file(300, 100, 9_000)];

const CASES = [
  ["within one extent", 110, 20, [file(110, 20, 7_010)]],
  ["over a gap, which is zeros", 190, 120, [zero(190, 10), zero(200, 100), file(300, 10, 9_000)]],
  ["where nothing is", 0, 50, [zero(0, 50)]],
  ["behind the last", 390, 20, [file(390, 10, 9_090), zero(400, 10)]],
] as const;
for (const [what, offset, length, expected] of CASES) {
  frozen(`clip() covers all of a range ${what}`, () => {
    assert.equal(clip(MAP, "vda", { disk: 0, offset, length }), [...expected]);
  });
}

frozen.run();
