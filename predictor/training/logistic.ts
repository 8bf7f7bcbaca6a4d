/**
 * Logistic regression with a ridge penalty, by Newton's method: the same numbers every time. Each
 * row may belong to a group (a drive's model), whose own offset is held towards none the harder
 * the less there is of it: what a hierarchical prior does.
 * @module
 */
import assert from "node:assert/strict";
import { sigmoid } from "../boosted.ts";
import type { Samples } from "./boosting.ts";

export interface LogisticOptions {
  /** Penalty on the squared weight of a standardised feature, and on a group's squared offset. */
  readonly ridge: number;
  readonly groupRidge: number;
  readonly steps: number;
}

export interface LogisticFit {
  readonly intercept: number;
  /** Of each feature: what it is usually, and what one unit more of it adds to the margin. */
  readonly means: readonly number[];
  readonly weights: readonly number[];
  readonly offsets: readonly number[];
}

/**
 * `groups` names the group of each row, below `groupCount`; -1 for none. A missing value (NaN)
 * counts as the feature's mean: it says nothing.
 */
export function fitLogistic(
  samples: Samples,
  groups: Int32Array,
  groupCount: number,
  options: LogisticOptions,
): LogisticFit {
  const scaled = standardised(samples);
  const { columns } = samples;
  const size = columns + groupCount + 1;
  const penalty = new Float64Array(size).fill(options.ridge, 0, columns);
  penalty.fill(options.groupRidge, columns, columns + groupCount);
  const solution = new Float64Array(size);
  solution[size - 1] = startOf(samples);
  const lossAt = (at: Float64Array): number => lossOf(samples, scaled.values, groups, at, penalty);
  let loss = lossAt(solution);
  for (let step = 0; step < options.steps; step++) {
    const { slope, curvature } = derivatives(samples, scaled.values, groups, solution);
    for (let at = 0; at < size; at++) {
      slope[at]! += penalty[at]! * solution[at]!;
      curvature[at * size + at]! += penalty[at]! + 1e-9;
    }
    const next = descend(solution, solve(curvature, slope), loss, lossAt);
    if (next === undefined) break;
    const settled = loss - next.loss < 1e-9 * loss;
    solution.set(next.solution);
    loss = next.loss;
    if (settled) break;
  }
  return {
    intercept: solution[size - 1]!,
    means: [...scaled.means],
    weights: Array.from(scaled.scales, (scale, at) => solution[at]! / scale),
    offsets: [...solution.subarray(columns, columns + groupCount)],
  };
}

/** The logit of the share of ones, so that the first step is short. */
function startOf({ labels, weights }: Samples): number {
  let [ones, all] = [0, 0];
  for (let row = 0; row < labels.length; row++) {
    all += weights[row]!;
    ones += labels[row]! * weights[row]!;
  }
  assert(ones > 0 && ones < all, "samples need both labels");
  return Math.log(ones / (all - ones));
}

/** Every feature with mean 0 and deviation 1; what is missing is 0. */
function standardised({ rows, columns, values, weights }: Samples) {
  const [sums, squares, counts] = [0, 0, 0].map(() => new Float64Array(columns));
  for (let at = 0; at < rows * columns; at++) {
    const value = values[at]!;
    if (Number.isNaN(value)) continue;
    const weight = weights[Math.floor(at / columns)]!;
    sums![at % columns]! += weight * value;
    squares![at % columns]! += weight * value * value;
    counts![at % columns]! += weight;
  }
  const means = sums!.map((sum, at) => sum / Math.max(1e-12, counts![at]!));
  const scales = squares!.map((square, at) => {
    const variance = square / Math.max(1e-12, counts![at]!) - means[at]! ** 2;
    return Math.sqrt(Math.max(0, variance)) || 1;
  });
  const scaled = new Float32Array(values.length);
  for (let at = 0; at < scaled.length; at++) {
    const column = at % columns;
    const value = values[at]!;
    scaled[at] = Number.isNaN(value) ? 0 : (value - means[column]!) / scales[column]!;
  }
  return { means, scales, values: scaled };
}

const HALVINGS_MAX = 20;

/** Newton's step, halved until it lowers the loss: far from the end a whole one may raise it. */
function descend(
  from: Float64Array,
  change: Float64Array,
  loss: number,
  lossAt: (solution: Float64Array) => number,
): { solution: Float64Array; loss: number } | undefined {
  for (let halvings = 0; halvings < HALVINGS_MAX; halvings++) {
    const solution = from.map((one, at) => one - change[at]! / 2 ** halvings);
    const next = lossAt(solution);
    if (next < loss) return { solution, loss: next };
  }
  return undefined;
}

function lossOf(
  { rows, columns, labels, weights }: Samples,
  values: Float32Array,
  groups: Int32Array,
  solution: Float64Array,
  penalty: Float64Array,
): number {
  let loss = 0;
  for (let at = 0; at < penalty.length; at++) loss += (penalty[at]! * solution[at]! ** 2) / 2;
  for (let row = 0; row < rows; row++) {
    const margin = marginAt(values, row * columns, columns, groups[row]!, solution);
    const against = labels[row] === 1 ? -margin : margin;
    loss += weights[row]! * (Math.max(against, 0) + Math.log1p(Math.exp(-Math.abs(against))));
  }
  return loss;
}

function marginAt(
  values: Float32Array,
  from: number,
  columns: number,
  group: number,
  solution: Float64Array,
): number {
  let margin = solution[solution.length - 1]! + (group < 0 ? 0 : solution[columns + group]!);
  for (let at = 0; at < columns; at++) margin += solution[at]! * values[from + at]!;
  return margin;
}

/** First and second derivatives of the loss: features, groups, intercept. Upper half only. */
function derivatives(
  { rows, columns, labels, weights }: Samples,
  values: Float32Array,
  groups: Int32Array,
  solution: Float64Array,
): { slope: Float64Array; curvature: Float64Array } {
  const size = solution.length;
  const slope = new Float64Array(size);
  const curvature = new Float64Array(size * size);
  for (let row = 0; row < rows; row++) {
    const from = row * columns;
    const group = groups[row]! < 0 ? -1 : columns + groups[row]!;
    const margin = marginAt(values, from, columns, groups[row]!, solution);
    const probability = sigmoid(margin);
    const weight = weights[row]!;
    const error = weight * (probability - labels[row]!);
    const bend = weight * probability * (1 - probability);
    for (let at = 0; at < columns; at++) {
      const value = values[from + at]!;
      if (value === 0) continue;
      slope[at]! += error * value;
      const line = at * size;
      const pull = bend * value;
      for (let to = at; to < columns; to++) curvature[line + to]! += pull * values[from + to]!;
      if (group >= 0) curvature[line + group]! += pull;
      curvature[line + size - 1]! += pull;
    }
    if (group >= 0) {
      slope[group]! += error;
      curvature[group * size + group]! += bend;
      curvature[group * size + size - 1]! += bend;
    }
    slope[size - 1]! += error;
    curvature[size * size - 1]! += bend;
  }
  return { slope, curvature };
}

/** Solves a positive definite system, of which the upper half is given (Cholesky). */
function solve(matrix: Float64Array, right: Float64Array): Float64Array {
  const size = right.length;
  const factor = matrix.slice();
  for (let row = 0; row < size; row++) {
    for (let above = 0; above < row; above++) {
      const scale = factor[above * size + row]!;
      if (scale === 0) continue;
      for (let at = row; at < size; at++) {
        factor[row * size + at]! -= scale * factor[above * size + at]!;
      }
    }
    const root = Math.sqrt(factor[row * size + row]!);
    assert(root > 0, "the system is singular");
    for (let at = row; at < size; at++) factor[row * size + at]! /= root;
  }
  const solution = right.slice();
  for (let row = 0; row < size; row++) {
    for (let above = 0; above < row; above++) {
      solution[row]! -= factor[above * size + row]! * solution[above]!;
    }
    solution[row]! /= factor[row * size + row]!;
  }
  for (let row = size - 1; row >= 0; row--) {
    for (let at = row + 1; at < size; at++) {
      solution[row]! -= factor[row * size + at]! * solution[at]!;
    }
    solution[row]! /= factor[row * size + row]!;
  }
  return solution;
}
