/**
 * The drive model: how likely a drive fails within the horizon, from the history of its counters.
 * Two models of different kinds answer, boosted trees that may only rise with the evidence and a
 * logistic regression; the mean of their margins is made a probability. Where one of them is misled
 * by a year unlike those before, the other one holds. Which model of drive it is decides nothing:
 * in training it explains what it can, and is then forgotten (training/drive.ts).
 * @module
 */
import { z } from "zod";
import { SystemError } from "../../protocol/error.ts";
import {
  type BoostedTrees,
  boostedModel,
  compileTrees,
  contributionsOf,
  marginOf,
  sigmoid,
} from "../boosted.ts";
import { FEATURES, TREE_COLUMNS } from "./features.ts";

const numbers = z.array(z.number()).max(1_000);

/** Straight lines from margins to logits, both ascending. */
const calibration = z.strictObject({ margins: numbers, logits: numbers });
export type Calibration = z.infer<typeof calibration>;

/** The model as it is committed: plain numbers. */
export const driveModel = z.strictObject({
  /** A drive fails within so many days, or it does not. */
  horizonDays: z.number().positive(),
  trees: boostedModel,
  logistic: z.strictObject({
    features: z.array(z.string()),
    intercept: z.number(),
    means: numbers,
    weights: numbers,
  }),
  calibration,
  /** At this probability a drive is said to fail, and at this one to be suspect. */
  thresholds: z.strictObject({ failing: z.number(), suspect: z.number() }),
});
export type DriveModel = z.infer<typeof driveModel>;

export interface CompiledDriveModel {
  readonly model: DriveModel;
  readonly trees: BoostedTrees;
  readonly means: Float64Array;
  readonly weights: Float64Array;
}

/**
 * Checks a model and lays it out.
 * @throws SystemError MODEL_INVALID if it was trained for other features, or is broken
 */
export function compileDriveModel(json: unknown): CompiledDriveModel {
  const { success, data: model, error } = driveModel.safeParse(json);
  if (!success) throw broken(z.prettifyError(error));
  const { logistic, trees } = model;
  const fits =
    same(trees.features, FEATURES.slice(0, TREE_COLUMNS)) &&
    same(logistic.features, FEATURES) &&
    logistic.means.length === FEATURES.length &&
    logistic.weights.length === FEATURES.length &&
    model.calibration.margins.length === model.calibration.logits.length &&
    model.calibration.margins.length > 0;
  if (!fits) throw broken("it was trained for other features: run npm run train");
  return {
    model,
    trees: compileTrees(trees),
    means: Float64Array.from(logistic.means),
    weights: Float64Array.from(logistic.weights),
  };
}

function same(ours: readonly string[], theirs: readonly string[]): boolean {
  return ours.length === theirs.length && ours.every((name, at) => name === theirs[at]);
}

function broken(why: string): SystemError {
  return new SystemError("MODEL_INVALID", `Cannot use the drive model: ${why}`);
}

/** The mean of both margins for the features in `row` from `at` on. */
export function driveMargin(compiled: CompiledDriveModel, row: Float32Array, at = 0): number {
  const { model, trees, means, weights } = compiled;
  let logistic = model.logistic.intercept;
  for (let feature = 0; feature < weights.length; feature++) {
    const value = row[at + feature]!;
    if (!Number.isNaN(value)) logistic += weights[feature]! * (value - means[feature]!);
  }
  return (marginOf(trees, row, at) + logistic) / 2;
}

/** The probability of failing within the horizon; it rises with every margin. */
export function probabilityOf({ model }: CompiledDriveModel, margin: number): number {
  return probabilityAt(model.calibration, margin);
}

export function probabilityAt({ margins, logits }: Calibration, margin: number): number {
  const last = margins.length - 1;
  let at = 0;
  while (at < last && margins[at + 1]! < margin) at++;
  const beyond = margin <= margins[0]! || margin >= margins[last]!;
  const end = margin <= margins[0]! ? 0 : last;
  // Beyond what was seen, half as steep as the margin itself.
  if (beyond) return sigmoid(logits[end]! + (margin - margins[end]!) / 2);
  const share = (margin - margins[at]!) / (margins[at + 1]! - margins[at]!);
  return sigmoid(logits[at]! + share * (logits[at + 1]! - logits[at]!));
}

/** How much a feature moved the margin, against a drive as most are. */
export interface Contribution {
  readonly feature: string;
  readonly value: number;
  readonly typical: number;
  readonly margin: number;
}

/** What moved the margin of the features in `row`, the most first. */
export function explainDrive(compiled: CompiledDriveModel, row: Float32Array): Contribution[] {
  const { trees, means, weights } = compiled;
  const owed = contributionsOf(trees, row);
  const contributions = FEATURES.map((feature, at): Contribution => {
    const value = row[at]!;
    const logistic = Number.isNaN(value) ? 0 : weights[at]! * (value - means[at]!);
    return { feature, value, typical: means[at]!, margin: ((owed[at] ?? 0) + logistic) / 2 };
  });
  return contributions.sort((a, b) => Math.abs(b.margin) - Math.abs(a.margin));
}
