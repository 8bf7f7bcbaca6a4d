import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type BoostedModel,
  compileTrees,
  contributionsOf,
  marginOf,
  sigmoid,
} from "../../../../predictor/boosted.ts";
import { shortestBetween } from "../../../../predictor/training/bins.ts";
import {
  DEFAULT_BOOSTING,
  logLoss,
  type Samples,
  trainBoosting,
} from "../../../../predictor/training/boosting.ts";
import { madeUp } from "./samples.ts";

const boosting = suite("boosting");

const OPTIONS = { ...DEFAULT_BOOSTING, trees: 40, rate: 0.2, columnShare: 1 };
const NAMES = ["a", "b", "c"];

/** Either a or b beyond the middle, but not both: no feature alone says anything. */
const EXCLUSIVE = ([a, b]: Float32Array): number => (a! > 0.5 !== b! > 0.5 ? 0.95 : 0.05);
const RISING = ([a]: Float32Array): number => 0.1 + 0.6 * a!;

boosting("trainBoosting() learns what no feature tells alone", () => {
  const model = trainBoosting(NAMES, madeUp(4_000, 3, 1, EXCLUSIVE), OPTIONS);
  const other = madeUp(2_000, 3, 2, EXCLUSIVE);
  assert.ok(lossOf(model, other) < 0.27, String(lossOf(model, other)));
});

boosting("trainBoosting() gives the same model for the same seed, and another for another", () => {
  const samples = madeUp(2_000, 3, 3, EXCLUSIVE);
  const [one, same, other] = [5, 5, 6].map((seed) =>
    JSON.stringify(trainBoosting(NAMES, samples, { ...OPTIONS, rowShare: 0.6, seed })),
  );
  assert.is(one, same);
  assert.is.not(one, other);
});

boosting("trainBoosting() learns only what is not explained already", () => {
  const samples = madeUp(4_000, 3, 4, RISING);
  const span = (explained?: Float32Array): number => {
    const own = explained === undefined ? samples : { ...samples, explained };
    const trees = compileTrees(trainBoosting(NAMES, own, OPTIONS));
    return marginOf(trees, [0.95, 0.5, 0.5]) - marginOf(trees, [0.05, 0.5, 0.5]);
  };
  // What RISING says, as a margin against the base of the training.
  const known = Float32Array.from({ length: samples.rows }, (_, row) => {
    const probability = RISING(samples.values.subarray(row * 3, row * 3 + 3));
    return Math.log(probability / (1 - probability)) - Math.log(0.4 / 0.6);
  });
  const [whole, rest] = [span(), span(known)];
  assert.ok(whole > 1.5, `${whole}`);
  assert.ok(Math.abs(rest) < whole / 3, `${rest} of ${whole}`);
});

boosting("trainBoosting() never turns against a monotone feature", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), fc.constantFrom(1, -1), (seed, direction) => {
      // Noise that rises and falls in a, so that free trees would follow it.
      const samples = madeUp(600, 2, seed, ([a, b]) => 0.5 + 0.4 * Math.sin(20 * a! + b!));
      const options = { ...OPTIONS, trees: 15, monotone: [direction, 0] };
      const trees = compileTrees(trainBoosting(["a", "b"], samples, options));
      for (const b of [0.1, 0.5, 0.9]) {
        const margins = Array.from({ length: 50 }, (_, at) => marginOf(trees, [at / 50, b]));
        const turns = margins.some((margin, at) => direction * (margin - margins[at - 1]!) < -1e-9);
        assert.not.ok(turns);
      }
    }),
    { numRuns: 15, seed: 1 },
  );
});

boosting("trainBoosting() puts missing values where they belong", () => {
  const samples = madeUp(3_000, 2, 4, RISING);
  for (let row = 0; row < samples.rows; row++) {
    if (row % 3 !== 0) continue;
    samples.values[row * 2] = Number.NaN;
    samples.labels[row] = row % 10 === 0 ? 0 : 1;
  }
  const trees = compileTrees(trainBoosting(["a", "b"], samples, OPTIONS));
  const missing = sigmoid(marginOf(trees, [Number.NaN, 0.5]));
  assert.ok(missing > 0.8, String(missing));
  assert.ok(sigmoid(marginOf(trees, [0.05, 0.5])) < 0.3);
});

boosting("trainBoosting() counts a row of weight two as two rows", () => {
  const samples = madeUp(200, 2, 5, RISING);
  const options = { ...OPTIONS, rowShare: 1, trees: 5, rowsMin: 1, curvatureMin: 5 };
  const weighted = { ...samples, weights: new Float32Array(200).fill(2) };
  const twice: Samples = {
    rows: 400,
    columns: 2,
    values: Float32Array.of(...samples.values, ...samples.values),
    labels: Uint8Array.of(...samples.labels, ...samples.labels),
    weights: new Float32Array(400).fill(1),
  };
  const [one, other] = [weighted, twice].map((own) => trainBoosting(["a", "b"], own, options));
  assert.equal(one!.threshold, other!.threshold);
  assert.ok(Math.abs(lossOf(one!, samples) - lossOf(other!, samples)) < 1e-4);
});

boosting("trainBoosting() stops where the validation samples say", () => {
  const samples = madeUp(500, 3, 6, RISING);
  const validation = madeUp(2_000, 3, 7, RISING);
  const options = { ...OPTIONS, trees: 200, rowsMin: 2 };
  const whole = trainBoosting(NAMES, samples, options);
  const stopped = trainBoosting(NAMES, samples, options, validation);
  assert.is(whole.roots.length, 200);
  assert.ok(stopped.roots.length > 0 && stopped.roots.length < 100);
  assert.ok(lossOf(stopped, validation) < lossOf(whole, validation));
});

boosting("trainBoosting() grows no larger trees than asked for", () => {
  const samples = madeUp(2_000, 3, 8, EXCLUSIVE);
  const { feature, roots } = trainBoosting(NAMES, samples, { ...OPTIONS, leaves: 4, trees: 10 });
  assert.ok(feature.length <= 7 * roots.length);
  const { left } = trainBoosting(NAMES, samples, { ...OPTIONS, depth: 1, trees: 10 });
  assert.ok(left.length <= 30);
});

boosting("contributionsOf() and the roots add up to the margin", () => {
  const samples = madeUp(1_000, 3, 9, EXCLUSIVE);
  const trees = compileTrees(trainBoosting(NAMES, samples, OPTIONS));
  const roots = trees.roots.reduce((sum, root) => sum + trees.value[root]!, trees.baseMargin);
  for (let row = 0; row < 50; row++) {
    const owed = contributionsOf(trees, samples.values, row * 3).reduce((a, b) => a + b, roots);
    assert.ok(Math.abs(owed - marginOf(trees, samples.values, row * 3)) < 1e-9);
  }
});

boosting("shortestBetween() lies between, with as few digits as will do", () => {
  assert.is(shortestBetween(0, 1), 0.5);
  assert.is(shortestBetween(1.2345, 1.2412), 1.24);
  const float = fc.float({ noNaN: true, noDefaultInfinity: true });
  fc.assert(
    fc.property(float, float, (one, other) => {
      const [low, high] = one < other ? [one, other] : [other, one];
      const middle = shortestBetween(low, high);
      assert.ok(low === high ? middle === low : low <= middle && middle < high);
    }),
    { seed: 1 },
  );
});

boosting("compileTrees() refuses trees that do not end", () => {
  const model = trainBoosting(NAMES, madeUp(500, 3, 10, RISING), { ...OPTIONS, trees: 2 });
  const inner = model.feature.findIndex((one) => one >= 0);
  const put = (column: readonly number[], value: number) => column.with(inner, value);
  const broken: Partial<BoostedModel>[] = [
    { left: put(model.left, inner) },
    { left: put(model.left, model.left.length - 1) },
    { feature: put(model.feature, 3) },
    { roots: [model.feature.length] },
    { value: model.value.slice(1) },
  ];
  for (const change of broken) {
    assert.throws(() => compileTrees({ ...model, ...change }), /its trees are broken/);
  }
});

function lossOf(model: BoostedModel, samples: Samples): number {
  const trees = compileTrees(model);
  const margins = Float64Array.from({ length: samples.rows }, (_, row) =>
    marginOf(trees, samples.values, row * samples.columns),
  );
  return logLoss(samples, margins);
}

boosting.run();
