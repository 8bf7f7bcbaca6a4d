import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sigmoid } from "../../../../predictor/boosted.ts";
import { probabilityAt } from "../../../../predictor/drive-model/model.ts";
import { fitCalibration } from "../../../../predictor/training/calibration.ts";
import { fractions } from "../../../../predictor/training/chance.ts";
import { fitLogistic } from "../../../../predictor/training/logistic.ts";
import { madeUp } from "./samples.ts";

const logistic = suite("logistic");

const OPTIONS = { ridge: 0.01, groupRidge: 0.01, steps: 30 };
const TRUTH = ([a, b]: Float32Array): number => sigmoid(-1 + 3 * a! - 2 * b!);

logistic("fitLogistic() finds the weights that made the labels", () => {
  const samples = madeUp(40_000, 2, 1, TRUTH);
  const none = new Int32Array(samples.rows).fill(-1);
  const { intercept, means, weights } = fitLogistic(samples, none, 0, OPTIONS);
  const at0 = intercept - weights[0]! * means[0]! - weights[1]! * means[1]!;
  for (const [found, made] of [
    [weights[0]!, 3],
    [weights[1]!, -2],
    [at0, -1],
  ] as const) {
    assert.ok(Math.abs(found - made) < 0.15, `${found}, not ${made}`);
  }
});

logistic("fitLogistic() gives a group its offset, the less the fewer it has", () => {
  const samples = madeUp(9_000, 1, 2, () => 0.2);
  const groups = new Int32Array(samples.rows).fill(0);
  const fraction = fractions(3);
  for (let row = 0; row < samples.rows; row++) {
    groups[row] = row < 20 ? 2 : row < 3_000 ? 1 : 0;
    if (groups[row]! > 0) samples.labels[row] = fraction() < 0.5 ? 1 : 0;
  }
  const { offsets } = fitLogistic(samples, groups, 3, { ...OPTIONS, groupRidge: 20 });
  assert.ok(offsets[1]! - offsets[0]! > 1, offsets.join(" "));
  assert.ok(Math.abs(offsets[2]!) < 0.4, offsets.join(" "));
});

logistic("fitLogistic() lets a missing value say nothing", () => {
  const samples = madeUp(5_000, 1, 4, ([a]) => sigmoid(4 * a! - 2));
  const none = new Int32Array(samples.rows).fill(-1);
  const whole = fitLogistic(samples, none, 0, OPTIONS);
  for (let row = 0; row < samples.rows; row += 4) samples.values[row] = Number.NaN;
  const torn = fitLogistic(samples, none, 0, OPTIONS);
  assert.ok(Math.abs(torn.weights[0]! - whole.weights[0]!) < 0.4);
});

logistic("fitCalibration() turns margins that say too much into what comes true", () => {
  const fraction = fractions(5);
  const margins = Float64Array.from({ length: 60_000 }, () => 8 * fraction() - 6);
  const truth = (margin: number): number => sigmoid(margin / 2 - 1);
  const labels = Uint8Array.from(margins, (margin) => (fraction() < truth(margin) ? 1 : 0));
  const weights = new Float64Array(margins.length).fill(1);
  const calibration = fitCalibration(margins, labels, weights, 20);
  for (const margin of [-4, -2, 0, 1]) {
    const ratio = probabilityAt(calibration, margin) / truth(margin);
    assert.ok(ratio > 0.8 && ratio < 1.25, `${margin}: ${ratio}`);
  }
});

logistic("fitCalibration() keeps the order where the labels run against it", () => {
  const margins = Float64Array.from({ length: 400 }, (_, at) => at / 100);
  const labels = Uint8Array.from(margins, (_, at) => ((at * 7) % 40 < 20 - at / 40 ? 1 : 0));
  const { margins: xs, logits } = fitCalibration(margins, labels, new Float64Array(400).fill(1), 8);
  assert.ok(xs.every((x, at) => at === 0 || x > xs[at - 1]!));
  assert.ok(logits.every((y, at) => at === 0 || y > logits[at - 1]!));
});

logistic.run();
