import { suite } from "uvu";
import * as assert from "uvu/assert";
import { scaleOf, scoreOf } from "../../../../predictor/rows/far.ts";

const far = suite("far");
const healthy = Float64Array.from({ length: 10_000 }, (_, index) => index / 100);

/** Margin, and how many healthy rows in so many are at least as high. */
const SCORES = [
  [0.9, 100 / 99, 0],
  [50, 2, 0],
  [90, 10, 1],
  [99, 100, 2],
  [99.9, 1_000, 3],
] as const;

for (const [margin, rarity, score] of SCORES) {
  far(`scoreOf() gives ${score} to what one healthy row in ${Math.round(rarity)} reaches`, () => {
    const seen = scoreOf(scaleOf(healthy), margin);
    assert.ok(Math.abs(seen - Math.log10(rarity)) < 0.05, `${seen}`);
  });
}

far("scoreOf() only ever grows with the margin, beyond both ends too", () => {
  const alike = healthy.map((margin) => Math.max(0, margin - 60));
  for (const scale of [scaleOf(healthy), scaleOf(alike)]) {
    for (let margin = -50; margin < 200; margin += 0.5) {
      assert.ok(scoreOf(scale, margin + 0.5) > scoreOf(scale, margin), `at ${margin}`);
    }
  }
});

far("scaleOf() refuses a model that tells no healthy row from another", () => {
  assert.throws(() => scaleOf(new Float64Array(100)), /one margin/);
});

far.run();
