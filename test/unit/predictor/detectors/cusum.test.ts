import { suite } from "uvu";
import * as assert from "uvu/assert";
import { arl0Samples, normalLimit, seriesBound } from "../../../../predictor/detectors/budget.ts";
import { averageRunLength, cusum, thresholdFor } from "../../../../predictor/detectors/cusum.ts";
import { ewma, isEwmaBeyond } from "../../../../predictor/detectors/ewma.ts";
import { normals } from "../noise.ts";

const detectors = suite("cusum and ewma");

detectors("arl0Samples() divides the budget of a host over its series and samples", () => {
  const hour = 3_600_000;
  assert.is(Math.round(arl0Samples(0.01, 1, hour)), 876_600);
  assert.is(arl0Samples(0.01, 64, hour), 64 * arl0Samples(0.01, 1, hour));
  assert.equal([1, 3, 64, 65].map(seriesBound), [1, 4, 64, 128]);
});

detectors("normalLimit() is never below the exact quantile, and close to it", () => {
  const exact: readonly (readonly [probability: number, z: number])[] = [
    [1e-3, 3.0902],
    [1e-6, 4.7534],
    [1e-9, 5.9978],
  ];
  for (const [probability, z] of exact) {
    const limit = normalLimit(probability);
    assert.ok(limit >= z && limit < z * 1.02, `${probability}: ${limit}`);
  }
});

detectors("averageRunLength() agrees with the exact one-sided figures", () => {
  const known: readonly (readonly [threshold: number, samples: number])[] = [
    [4, 335.4],
    [5, 930.9],
  ];
  for (const [threshold, samples] of known) {
    const computed = averageRunLength(threshold, 0.5);
    assert.ok(Math.abs(computed / samples - 1) < 0.02, `${threshold}: ${computed}`);
    assert.ok(Math.abs(thresholdFor(computed, 0.5) - threshold) < 1e-6);
  }
});

detectors("cusum() runs as long as its threshold promises", () => {
  const threshold = thresholdFor(2_000, 0.5);
  const next = normals(1);
  const lengths = Array.from({ length: 400 }, () => {
    let samples = 0;
    for (let sum = 0; sum < threshold; samples += 1) sum = cusum(sum, next(), 0.5);
    return samples;
  });
  const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  assert.ok(mean > 1_700 && mean < 2_350, `${mean}`);
});

detectors("ewma() passes its limit no oftener than promised, and follows a shift", () => {
  const next = normals(2);
  const isBeyond = (average: number): boolean => isEwmaBeyond(average, 1_000, 0.2);
  let [average, passed] = [0, 0];
  for (let sample = 0; sample < 200_000; sample += 1) {
    average = ewma(average, next(), 0.2);
    if (isBeyond(average)) passed += 1;
  }
  assert.ok(passed > 50 && passed <= 220, `${passed} in 200 times 1,000`);
  for (let sample = 0; sample < 20; sample += 1) average = ewma(average, 3 + next(), 0.2);
  assert.ok(isBeyond(average));
});

detectors.run();
