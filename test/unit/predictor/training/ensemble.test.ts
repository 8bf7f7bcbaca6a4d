import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type BoostedModel, compileTrees, marginOf } from "../../../../predictor/boosted.ts";
import { averageOf } from "../../../../predictor/training/ensemble.ts";

const ensemble = suite("ensemble");

/** One tree that answers `low` up to `threshold` and `high` above. */
function stump(threshold: number, low: number, high: number): BoostedModel {
  return {
    features: ["x"],
    baseMargin: low,
    roots: [0],
    feature: [0, -1, -1],
    threshold: [threshold, 0, 0],
    missingLeft: [1, 0, 0],
    left: [1, 0, 0],
    value: [0, low, high],
  };
}

ensemble("averageOf() answers with the mean of its members' margins", () => {
  const members = [stump(0, -1, 1), stump(5, -3, 2), stump(9, 0.5, 4)];
  const whole = compileTrees(averageOf(members));
  for (const x of [-1, 0, 3, 5, 7, 9, 12, Number.NaN]) {
    const margins = members.map((member) => marginOf(compileTrees(member), [x]));
    const mean = margins.reduce((sum, margin) => sum + margin, 0) / members.length;
    assert.ok(Math.abs(marginOf(whole, [x]) - mean) < 1e-4, `x ${x}`);
  }
});

ensemble.run();
