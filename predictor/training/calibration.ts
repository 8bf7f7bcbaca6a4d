/**
 * From margins to probabilities that come true: rates in bins of the margin, made monotone
 * (pool adjacent violators; Zadrozny and Elkan, KDD 2002), and straight lines between them on the
 * scale of logits, so that no two margins become one.
 * @module
 */
import assert from "node:assert/strict";
import type { Calibration } from "../drive-model/model.ts";

/** The least slope, in logits a unit of margin: the order of two margins is never lost. */
const SLOPE_MIN = 0.05;

interface Bin {
  weight: number;
  ones: number;
  margins: number;
}

/**
 * `weights` says how much each margin counts. Each bin holds about the same weight of ones.
 */
export function fitCalibration(
  margins: Float64Array,
  labels: Uint8Array,
  weights: Float64Array,
  bins: number,
): Calibration {
  const pooled = pool(binsOf(margins, labels, weights, bins));
  const xs: number[] = [];
  const ys: number[] = [];
  for (const { weight, ones, margins: sum } of pooled) {
    // Half a success on either side keeps the logit finite.
    const x = rounded(sum / weight);
    const y = Math.log((ones + 0.5) / (weight - ones + 0.5));
    const least = ys.length === 0 ? y : ys.at(-1)! + SLOPE_MIN * (x - xs.at(-1)!);
    if (xs.length > 0 && x <= xs.at(-1)!) continue;
    xs.push(x);
    ys.push(Math.max(y, least));
  }
  return { margins: xs, logits: ys.map(rounded) };
}

function binsOf(
  margins: Float64Array,
  labels: Uint8Array,
  weights: Float64Array,
  bins: number,
): Bin[] {
  const order = Uint32Array.from(margins, (_, index) => index).sort(
    (a, b) => margins[a]! - margins[b]! || a - b,
  );
  const all = labels.reduce((sum, label, index) => sum + label * weights[index]!, 0);
  assert(all > 0, "no failures to calibrate with");
  const result: Bin[] = [{ weight: 0, ones: 0, margins: 0 }];
  for (const index of order) {
    let bin = result.at(-1)!;
    if (bin.ones >= all / bins) {
      bin = { weight: 0, ones: 0, margins: 0 };
      result.push(bin);
    }
    bin.weight += weights[index]!;
    bin.ones += labels[index]! * weights[index]!;
    bin.margins += margins[index]! * weights[index]!;
  }
  return result.filter(({ weight }) => weight > 0);
}

function pool(bins: readonly Bin[]): Bin[] {
  const pooled: Bin[] = [];
  for (const bin of bins) {
    let last = { ...bin };
    for (let before = pooled.at(-1); before !== undefined; before = pooled.at(-1)) {
      if (before.ones / before.weight <= last.ones / last.weight) break;
      last = {
        weight: before.weight + last.weight,
        ones: before.ones + last.ones,
        margins: before.margins + last.margins,
      };
      pooled.pop();
    }
    pooled.push(last);
  }
  return pooled;
}

function rounded(value: number): number {
  return Number(value.toPrecision(5));
}
