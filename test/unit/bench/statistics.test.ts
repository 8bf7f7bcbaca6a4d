import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { median, poissonInterval, quantile, spreadOf } from "../../../bench/statistics.ts";

const statistics = suite("statistics");

const QUANTILES: readonly [samples: number[], share: number, expected: number][] = [
  [[7], 0.95, 7],
  [[3, 1, 2], 0, 1],
  [[3, 1, 2], 0.5, 2],
  [[3, 1, 2], 1, 3],
  [[1, 2, 3, 4], 0.5, 2.5],
  // numpy.quantile([15, 20, 35, 40, 50], 0.4) is 29.
  [[15, 20, 35, 40, 50], 0.4, 29],
  [[10, 9, 8, 7, 6, 5, 4, 3, 2, 1], 0.25, 3.25],
];

for (const [samples, share, expected] of QUANTILES) {
  statistics(`quantile() of ${samples} at ${share} is ${expected}`, () => {
    assert.ok(Math.abs(quantile(samples, share) - expected) < 1e-9);
  });
}

statistics("quantile() leaves the samples in their order", () => {
  const samples = [3, 1, 2];
  quantile(samples, 0.5);
  assert.equal(samples, [3, 1, 2]);
});

statistics("quantile() refuses no samples and shares beyond the whole", () => {
  assert.throws(() => quantile([], 0.5), /no samples/);
  assert.throws(() => quantile([1], 1.1), /share/);
});

statistics("median() has as many samples below as above", () => {
  fc.assert(
    fc.property(fc.array(fc.integer(), { minLength: 1 }), (samples) => {
      const middle = median(samples);
      const below = samples.filter((one) => one < middle).length;
      const above = samples.filter((one) => one > middle).length;
      assert.ok(below <= samples.length / 2 && above <= samples.length / 2);
    }),
    { seed: 1 },
  );
});

statistics("spreadOf() goes up from the least to the greatest", () => {
  fc.assert(
    fc.property(fc.array(fc.integer(), { minLength: 1 }), (samples) => {
      const { min, p25, p75, p95, max, samples: count } = spreadOf(samples);
      const inOrder = [min, p25, p75, p95, max];
      assert.equal(
        inOrder,
        inOrder.toSorted((a, b) => a - b),
      );
      assert.is(min, Math.min(...samples));
      assert.is(max, Math.max(...samples));
      assert.is(count, samples.length);
    }),
    { seed: 2 },
  );
});

statistics("poissonInterval() is Garwood's", () => {
  const known: readonly (readonly [count: number, low: number, high: number])[] = [
    [0, 0, 3.689],
    [1, 0.0253, 5.572],
    [10, 4.795, 18.39],
  ];
  for (const [count, low, high] of known) {
    const [from, to] = poissonInterval(count);
    assert.ok(
      Math.abs(from - low) < 0.001 && Math.abs(to - high) < 0.005,
      `${count}: ${from} ${to}`,
    );
  }
});

statistics.run();
