/**
 * Trains the drive model, by the recipe of drive-recipe.ts.
 *
 * Models of drive fail at rates of their own, which change from year to year: one that failed by
 * the thousand is retired. So each gets an offset that explains its rate while the weights and the
 * trees are learnt, and no offset is kept: what is learnt is what the counters say of two drives of
 * the same model. With offsets kept, fewer failures of later years were found.
 * @module
 */
import { FEATURES, TREE_COLUMNS } from "../drive-model/features.ts";
import { compileDriveModel, type DriveModel } from "../drive-model/model.ts";
import { trainBoosting } from "./boosting.ts";
import type { LoggedDrive } from "./change-log.ts";
import { calibrate, tryOut } from "./drive-calibration.ts";
import { DRIVE_RECIPE, type DriveRecipe } from "./drive-recipe.ts";
import { collectSamples, firstColumns, type Past, pastOf } from "./drive-samples.ts";
import { fitLogistic } from "./logistic.ts";

/**
 * Trains on what was known at the day `until` (since 1970). Two halves of the drives judge each
 * other for the probabilities; the model itself learns from both.
 */
export function trainDriveModel(
  drives: readonly LoggedDrive[],
  until: number,
  recipe: DriveRecipe = DRIVE_RECIPE,
): DriveModel {
  const pasts = drives.map((drive) => pastOf(drive, until));
  const halves = [0, 1].map((half) => pasts.filter((_, index) => index % 2 === half));
  const trials = halves.map((half, index) => {
    const other = compileDriveModel(fitBoth(halves[1 - index]!, until, recipe));
    return tryOut(half, other, until, recipe);
  });
  const { calibration, thresholds } = calibrate(trials, recipe);
  return { ...fitBoth(pasts, until, recipe), calibration, thresholds };
}

/** Margins without calibration: a probability is the plain sigmoid. */
function fitBoth(pasts: readonly Past[], until: number, recipe: DriveRecipe): DriveModel {
  const { samples, groups, models } = collectSamples(pasts, until, recipe);
  const logistic = fitLogistic(samples, groups, models.length, { ...recipe, steps: 12 });
  const explained = Float32Array.from(groups, (group) => logistic.offsets[group] ?? 0);
  const trees = trainBoosting(
    FEATURES.slice(0, TREE_COLUMNS),
    { ...firstColumns(samples, TREE_COLUMNS), explained },
    { ...recipe.boosting, seed: recipe.seed },
  );
  return {
    horizonDays: recipe.horizonDays,
    trees,
    logistic: {
      features: [...FEATURES],
      intercept: rounded(logistic.intercept),
      means: logistic.means.map(rounded),
      weights: logistic.weights.map(rounded),
    },
    calibration: { margins: [0], logits: [0] },
    thresholds: { failing: 1, suspect: 1 },
  };
}

function rounded(value: number): number {
  return Number(value.toPrecision(5));
}
