/**
 * The points of a fleet's past from which the drive model learns (drive-recipe.ts says which).
 * @module
 */
import { FEATURES } from "../drive-model/features.ts";
import type { Samples } from "./boosting.ts";
import { fractions } from "./chance.ts";
import type { LoggedDrive } from "./change-log.ts";
import { failureOf, forEachDecision } from "./decisions.ts";
import type { DriveRecipe } from "./drive-recipe.ts";

/** A drive as it was known at some day: what happens later is not. */
export interface Past {
  readonly drive: LoggedDrive;
  readonly failedAtDays: number | undefined;
}

export function pastOf(drive: LoggedDrive, until: number): Past {
  const failure = failureOf(drive);
  const known = failure !== undefined && failure.date < until;
  return { drive, failedAtDays: known ? failure.atDays : undefined };
}

export interface DriveSamples {
  readonly samples: Samples;
  /** The place of each row's model of drive in `models`, or -1. */
  readonly groups: Int32Array;
  readonly models: readonly string[];
}

export function collectSamples(
  pasts: readonly Past[],
  until: number,
  recipe: DriveRecipe,
): DriveSamples {
  const { horizonDays, leadDays, healthyShare, failureWeight } = recipe;
  const models = modelsOf(pasts, recipe.modelDrivesMin);
  const place = new Map(models.map((model, at) => [model, at]));
  const fraction = fractions(recipe.seed);
  const values: Float32Array[] = [];
  const labels: number[] = [];
  const weights: number[] = [];
  const groups: number[] = [];
  for (const { drive, failedAtDays } of pasts) {
    const before = labels.length;
    forEachDecision(drive, ({ atDays, date, features }) => {
      if (failedAtDays === undefined) {
        if (date >= until - horizonDays || fraction() >= healthyShare) return;
      } else if (atDays < failedAtDays - horizonDays || atDays > failedAtDays - leadDays) return;
      values.push(features.slice());
      labels.push(failedAtDays === undefined ? 0 : 1);
      groups.push(place.get(drive.model) ?? -1);
    });
    const count = labels.length - before;
    const weight = failedAtDays === undefined ? 1 : failureWeight / count;
    for (let each = 0; each < count; each++) weights.push(weight);
  }
  const flat = new Float32Array(values.length * FEATURES.length);
  for (const [row, features] of values.entries()) flat.set(features, row * FEATURES.length);
  const size = { rows: values.length, columns: FEATURES.length, values: flat };
  const known = { labels: Uint8Array.from(labels), weights: Float32Array.from(weights) };
  return { samples: { ...size, ...known }, groups: Int32Array.from(groups), models };
}

/** In the order of their names, so that the order of the drives decides nothing. */
function modelsOf(pasts: readonly Past[], drivesMin: number): string[] {
  const counts = Object.entries(Object.groupBy(pasts, ({ drive }) => drive.model));
  const many = counts.filter(([, own]) => own!.length >= drivesMin);
  return many.map(([model]) => model).sort();
}

/** The first columns of each row. */
export function firstColumns(samples: Samples, columns: number): Samples {
  const values = new Float32Array(samples.rows * columns);
  for (let row = 0; row < samples.rows; row++) {
    const from = row * samples.columns;
    values.set(samples.values.subarray(from, from + columns), row * columns);
  }
  return { ...samples, columns, values };
}
