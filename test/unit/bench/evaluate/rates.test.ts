import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  bestF1,
  meanRate,
  rateAbove,
  rateOf,
  rateText,
  thresholdAt,
} from "../../../../bench/evaluate/rates.ts";

const rates = suite("rates");
const HEALTHY = Array.from({ length: 1_000 }, (_, index) => index);

rates("rateOf() has Wilson's interval", () => {
  assert.is(rateText(rateOf(8, 10)), "80.0 % (49.0-94.3)");
  assert.is(rateText(rateOf(46, 46)), "100.0 % (92.3-100.0)");
  assert.is(rateText(meanRate([rateOf(7, 10), rateOf(9, 10)])), "80.0 % (49.0-94.3)");
});

for (const [far, threshold] of [
  [0.001, 998],
  [0.01, 989],
  [0, 999],
  [1, 0],
] as const) {
  rates(`thresholdAt() lets at most ${far} of the healthy through`, () => {
    assert.is(thresholdAt(HEALTHY, far), threshold);
    assert.ok(rateAbove(HEALTHY, threshold).hits <= far * HEALTHY.length);
  });
}

rates("thresholdAt() lets nobody through where all are alike", () => {
  assert.is(rateAbove(Array(50).fill(3), thresholdAt(Array(50).fill(3), 0.1)).hits, 0);
});

const F1: readonly [string, number[], boolean[], number][] = [
  ["a perfect order", [4, 3, 2, 1], [true, true, false, false], 1],
  ["a wrong one", [4, 3, 2, 1], [false, false, true, true], 2 / 3],
  ["equal scores, taken together", [1, 1, 1, 1], [true, false, false, false], 0.4],
];

for (const [name, scores, failed, expected] of F1) {
  rates(`bestF1() of ${name} is ${expected.toFixed(2)}`, () => {
    assert.ok(Math.abs(bestF1(scores, failed) - expected) < 1e-12);
  });
}

rates.run();
