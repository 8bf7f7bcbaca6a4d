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
  probabilityAt,
} from "../drive-model/model.ts";
import { fitCalibration } from "./calibration.ts";
import { type LoggedDrive, ROW } from "./change-log.ts";
import { forEachDecision, WEEK_DAYS } from "./decisions.ts";
import type { DriveRecipe } from "./drive-recipe.ts";
import type { Past } from "./drive-samples.ts";

/** What a model said of drives it had not seen. */
export interface Trial {
  readonly margins: number[];
  readonly labels: number[];
  /** How much each margin counts: for how many weeks a drive had it, by `sharesInService`. */
  readonly weights: number[];
  /** Of each drive that did not fail: its greatest margin before the thresholds' days, and ever. */
  readonly healthy: { before: number; most: number }[];
  /** Of drives watched, in the thresholds' days. */
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
  recipe: DriveRecipe,
): Trial {
  const trial: Trial = { margins: [], labels: [], weights: [], healthy: [], years: 0 };
  const shares = sharesInService(pasts, until, recipe.calibrationDays);
  for (const past of pasts) {
    if (hasLeft(past, until)) continue;
    const weight = past.failedAtDays === undefined ? 1 : (shares.get(past.drive.model) ?? 1);
    const points = pointsOf(past, model, until).filter(({ age }) => age >= recipe.horizonDays);
    addDrive(trial, points, past, weight, recipe);
  }
  return trial;
}

/**
 * Drives taken out of service before `until` are left out: the fleet that goes on is without them,
 * old models retired for their many faults among them.
 */
function hasLeft({ drive, failedAtDays }: Past, until: number): boolean {
  return failedAtDays === undefined && endOf(drive) < until - LEFT_DAYS;
}

function endOf({ rows }: LoggedDrive): number {
  return rows.at(ROW.dateEnd - ROW.width)!;
}

/**
 * By model of drive, how many of those that did not fail in the last `days` are still in service.
 * The failed count by this share: if most of a model were retired and left out, but all of its
 * failed counted, it would look far worse than it was.
 */
function sharesInService(pasts: readonly Past[], until: number, days: number): Map<string, number> {
  const seen = pasts.filter(({ drive, failedAtDays }) => {
    return failedAtDays === undefined && endOf(drive) >= until - days;
  });
  const models = Object.entries(Object.groupBy(seen, ({ drive }) => drive.model));
  return new Map(
    models.map(([model, own]) => {
      const stayed = own!.filter((past) => !hasLeft(past, until)).length;
      return [model, (stayed + 0.5) / (own!.length + 0.5)];
    }),
  );
}

interface Judged {
  readonly atDays: number;
  /** Days before the end of what is known. */
  readonly age: number;
  readonly margin: number;
}

function pointsOf({ drive }: Past, model: CompiledDriveModel, until: number): Judged[] {
  const points: Judged[] = [];
  forEachDecision(drive, ({ atDays, date, features }) => {
    points.push({ atDays, age: until - date, margin: driveMargin(model, features) });
  });
  return points;
}

/** A point counts for as long as it holds: until the next one, a week at most. */
function addDrive(
  trial: Trial,
  points: readonly Judged[],
  { failedAtDays }: Past,
  weight: number,
  { horizonDays, calibrationDays, thresholdDays }: DriveRecipe,
): void {
  let [before, most, isWatched] = [points[0]?.margin ?? 0, -Infinity, false];
  for (const [index, { atDays, age, margin }] of points.entries()) {
    most = Math.max(most, margin);
    if (age >= thresholdDays) {
      before = most;
      continue;
    }
    isWatched = true;
    const next = points[index + 1]?.atDays ?? Infinity;
    const weeks = Math.min(1, Math.max(0.01, (next - atDays) / WEEK_DAYS));
    trial.years += (weeks * WEEK_DAYS) / YEAR_DAYS;
    if (age >= calibrationDays) continue;
    trial.margins.push(margin);
    trial.labels.push(failedAtDays !== undefined && failedAtDays - atDays <= horizonDays ? 1 : 0);
    trial.weights.push(weeks * weight);
  }
  if (failedAtDays === undefined && isWatched) trial.healthy.push({ before, most });
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
 * A drive that exceeded it before is an alarm of an earlier year: it stands, and is no new one.
 */
function thresholdOf(trials: readonly Trial[], allowed: number, calibration: Calibration): number {
  const healthy = trials.flatMap((trial) => trial.healthy);
  const years = trials.reduce((sum, trial) => sum + trial.years, 0);
  const count = Math.floor((allowed * years) / 1_000);
  const most = healthy.map((seen) => seen.most).sort((a, b) => b - a);
  const before = healthy.map((seen) => seen.before).sort((a, b) => b - a);
  let [above, standing] = [0, 0];
  for (const margin of most) {
    // How many exceed this margin, now or before, less those that did before.
    while (standing < before.length && before[standing]! > margin) standing++;
    if (above - standing >= count) return rounded(probabilityAt(calibration, margin));
    above++;
  }
  return rounded(probabilityAt(calibration, most.at(-1) ?? 0));
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
