/**
 * How the drive model's margins become probabilities and thresholds: by what half of the drives
 * did in the last months, judged by a model of the other half.
 * @module
 */
import {
  type Calibration,
  type CompiledDriveModel,
  type DriveModel,
  driveMargin,
  modelOffset,
  probabilityAt,
} from "../drive-model/model.ts";
import { fitCalibration } from "./calibration.ts";
import { ROW } from "./change-log.ts";
import { forEachDecision, WEEK_DAYS } from "./decisions.ts";
import type { DriveRecipe } from "./drive-recipe.ts";
import type { Past } from "./drive-samples.ts";

/** What a model said of drives it had not seen. */
export interface Trial {
  readonly margins: number[];
  readonly labels: number[];
  /** For how long, in weeks, a drive had a margin. */
  readonly weights: number[];
  /** Of each drive that did not fail: its first margin, and its greatest. */
  readonly healthy: { first: number; most: number }[];
  years: number;
}

const YEAR_DAYS = 365.25;
/** A drive not heard of for so long has left. */
const LEFT_DAYS = 10;

/** Judges the drives of the last months before `until`, where it is known what became of them. */
export function tryOut(
  pasts: readonly Past[],
  model: CompiledDriveModel,
  until: number,
  { horizonDays, calibrationDays }: DriveRecipe,
): Trial {
  const trial: Trial = { margins: [], labels: [], weights: [], healthy: [], years: 0 };
  for (const past of pasts) {
    if (hasLeft(past, until)) continue;
    const { drive, failedAtDays } = past;
    const offset = modelOffset(model, drive.model);
    const seen = { first: Number.NaN, most: -Infinity };
    let openAtDays = Number.NaN;
    forEachDecision(drive, ({ atDays, date, features }) => {
      if (!Number.isNaN(openAtDays)) closeWeek(trial, atDays - openAtDays);
      openAtDays = Number.NaN;
      const age = until - date;
      if (!(age >= horizonDays && age < calibrationDays)) return;
      openAtDays = atDays;
      const margin = driveMargin(model, features, offset);
      if (Number.isNaN(seen.first)) seen.first = margin;
      seen.most = Math.max(seen.most, margin);
      trial.margins.push(margin);
      trial.labels.push(failedAtDays !== undefined && failedAtDays - atDays <= horizonDays ? 1 : 0);
      trial.weights.push(1);
    });
    if (failedAtDays === undefined && seen.most > -Infinity) trial.healthy.push(seen);
  }
  trial.years = (trial.weights.reduce((sum, weeks) => sum + weeks, 0) * WEEK_DAYS) / YEAR_DAYS;
  return trial;
}

/**
 * Drives taken out of service before `until` are left out: the fleet that goes on is without them,
 * old models retired for their many faults among them.
 */
function hasLeft({ drive, failedAtDays }: Past, until: number): boolean {
  const end = drive.rows.at(ROW.dateEnd - ROW.width)!;
  return failedAtDays === undefined && end < until - LEFT_DAYS;
}

/** A point counts for as long as it holds: until the next one, a week at most. */
function closeWeek({ weights }: Trial, days: number): void {
  weights[weights.length - 1] = Math.min(1, Math.max(0.01, days / WEEK_DAYS));
}

export function calibrate(
  trials: readonly Trial[],
  recipe: DriveRecipe,
): Pick<DriveModel, "calibration" | "thresholds"> {
  const calibration = fitCalibration(
    Float64Array.from(trials.flatMap(({ margins }) => margins)),
    Uint8Array.from(trials.flatMap(({ labels }) => labels)),
    Float64Array.from(trials.flatMap(({ weights }) => weights)),
    recipe.calibrationBins,
  );
  const failing = thresholdOf(trials, recipe.falseAlarms, calibration);
  const suspect = Math.min(failing, thresholdOf(trials, recipe.falseSuspicions, calibration));
  return { calibration, thresholds: { failing, suspect } };
}

/**
 * The least probability that at most `allowed` healthy drives in 1000 drive-years come to exceed.
 * A drive that exceeds it from the first is an alarm of an earlier year.
 */
function thresholdOf(trials: readonly Trial[], allowed: number, calibration: Calibration): number {
  const healthy = trials.flatMap((trial) => trial.healthy);
  const years = trials.reduce((sum, trial) => sum + trial.years, 0);
  const count = Math.floor((allowed * years) / 1_000);
  const most = healthy.map((seen) => seen.most).sort((a, b) => b - a);
  const first = healthy.map((seen) => seen.first).sort((a, b) => b - a);
  let [above, standing] = [0, 0];
  for (const margin of most) {
    // How many exceed this margin, less those that began above it.
    while (standing < first.length && first[standing]! > margin) standing++;
    if (above - standing >= count) return rounded(probabilityAt(calibration, margin));
    above++;
  }
  return rounded(probabilityAt(calibration, most.at(-1) ?? 0));
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
