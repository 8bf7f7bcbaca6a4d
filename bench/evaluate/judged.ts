/**
 * A fleet judged by models that knew neither the drive nor the year: the drives are two halves, by
 * a hash of their serial number, and each half is scored by a model that learnt from the other
 * half up to the day `until`.
 */
import { createHash } from "node:crypto";
import { FEATURES } from "../../predictor/drive-model/features.ts";
import {
  compileDriveModel,
  driveMargin,
  probabilityOf,
} from "../../predictor/drive-model/model.ts";
import type { LoggedDrive } from "../../predictor/training/change-log.ts";
import { failureOf, forEachDecision } from "../../predictor/training/decisions.ts";
import { trainDriveModel } from "../../predictor/training/drive.ts";

/** One decision point of a drive. */
export interface Point {
  readonly atDays: number;
  readonly date: number;
  readonly score: number;
  /** How many of the five counters are above zero: the rules' whole knowledge. */
  readonly nonZero: number;
}

export interface JudgedDrive {
  readonly serial: string;
  readonly failure: { readonly atDays: number; readonly date: number } | undefined;
  readonly points: readonly Point[];
  /** Above these scores its model calls a drive failing, or suspect: set on data before `until`. */
  readonly failing: number;
  readonly suspect: number;
}

/** All points of each drive, those before `until` (days since 1970) as well. */
export function judgeHalves(drives: readonly LoggedDrive[], until: number): JudgedDrive[] {
  return [0, 1].flatMap((half) => {
    const learnt = drives.filter(({ serial }) => halfOf(serial) === half);
    const model = compileDriveModel(trainDriveModel(learnt, until));
    const judged = drives.filter(({ serial }) => halfOf(serial) !== half);
    return judged.map((drive): JudgedDrive => {
      const points: Point[] = [];
      forEachDecision(drive, ({ atDays, date, features }) => {
        const score = probabilityOf(model, driveMargin(model, features));
        points.push({ atDays, date, score, nonZero: features[NON_ZERO]! });
      });
      return { serial: drive.serial, failure: failureOf(drive), points, ...model.model.thresholds };
    });
  });
}

const NON_ZERO = FEATURES.indexOf("non-zero");

function halfOf(serial: string): number {
  return createHash("sha256").update(`split ${serial}`).digest()[0]! % 2;
}
