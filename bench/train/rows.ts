/**
 * Rows to learn from, and models that answer for rows they have not seen.
 * @module
 */
import { createHash } from "node:crypto";
import { type BoostedModel, compileTrees, marginOf } from "../../predictor/boosted.ts";
import {
  type BoostingOptions,
  type Samples,
  trainBoosting,
} from "../../predictor/training/boosting.ts";
import { averageOf } from "../../predictor/training/ensemble.ts";

export interface Rows {
  readonly features: readonly string[];
  readonly samples: Samples;
  /** Whose row each is: all rows of one unit are on the same side of a split. */
  readonly units: readonly string[];
}

export interface Row {
  readonly unit: string;
  readonly failed: boolean;
  /** How much it counts. */
  readonly weight: number;
  readonly values: readonly number[];
}

export function rowsOf(features: readonly string[], rows: readonly Row[]): Rows {
  const values = new Float32Array(rows.length * features.length);
  for (const [index, row] of rows.entries()) values.set(row.values, index * features.length);
  const samples = {
    rows: rows.length,
    columns: features.length,
    values,
    labels: Uint8Array.from(rows, ({ failed }) => (failed ? 1 : 0)),
    weights: Float32Array.from(rows, ({ weight }) => weight),
  };
  return { features, samples, units: rows.map(({ unit }) => unit) };
}

/** How a model is trained: how many of different seeds are averaged, and each one's options. */
export interface Recipe {
  readonly members: number;
  readonly options: BoostingOptions;
}

export function trainRows({ features, samples }: Rows, { members, options }: Recipe): BoostedModel {
  const seeds = Array.from({ length: members }, (_, member) => options.seed + member);
  return averageOf(seeds.map((seed) => trainBoosting(features, samples, { ...options, seed })));
}

const FOLDS = 5;

/**
 * The margin of each row of `judged` from a model trained on those of `rows` that are not of its
 * unit. `split` is the number of one way to share out the units.
 */
export function crossMargins(
  rows: Rows,
  recipe: Recipe,
  split: number,
  judged: Rows = rows,
): Float64Array {
  const folds = Uint8Array.from(rows.units, (unit) => foldOf(unit, split));
  const trees = Array.from({ length: FOLDS }, (_, fold) =>
    compileTrees(trainRows(without(rows, folds, fold), recipe)),
  );
  const { columns, values } = judged.samples;
  return Float64Array.from(judged.units, (unit, row) =>
    marginOf(trees[foldOf(unit, split)]!, values, row * columns),
  );
}

function foldOf(unit: string, split: number): number {
  return createHash("sha256").update(`${split} ${unit}`).digest().readUInt32LE(0) % FOLDS;
}

function without({ features, samples, units }: Rows, folds: Uint8Array, fold: number): Rows {
  const kept = units.flatMap((_, row) => (folds[row] === fold ? [] : [row]));
  const { columns, values } = samples;
  const some = new Float32Array(kept.length * columns);
  for (const [index, row] of kept.entries()) {
    some.set(values.subarray(row * columns, (row + 1) * columns), index * columns);
  }
  return {
    features,
    units: kept.map((row) => units[row]!),
    samples: {
      rows: kept.length,
      columns,
      values: some,
      labels: Uint8Array.from(kept, (row) => samples.labels[row]!),
      weights: Float32Array.from(kept, (row) => samples.weights[row]!),
    },
  };
}
