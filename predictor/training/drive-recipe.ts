/**
 * The recipe of the drive model: which points of a fleet's past are learnt from, and how.
 *
 * A point is a failing one in the last 30 days of a drive that failed, without the last of them;
 * earlier points of such drives are neither, and left out. The points of a failed drive share one
 * weight, or the few that die slowly would speak for all. Of the drives that did not fail, two
 * points in five are taken, and none of the last 30 days: nobody knows about these yet. Nothing
 * after `until` is looked at, failures included, so that a split by time is one.
 * @module
 */
import { DIRECTIONS, TREE_COLUMNS } from "../drive-model/features.ts";
import { type BoostingOptions, DEFAULT_BOOSTING } from "./boosting.ts";

export interface DriveRecipe {
  readonly horizonDays: number;
  readonly leadDays: number;
  /** The share of the healthy points that is taken. */
  readonly healthyShare: number;
  /** How much a failed drive counts, against 1 of a healthy point. */
  readonly failureWeight: number;
  /** Models of drive with fewer drives than this explain nothing of their own. */
  readonly modelDrivesMin: number;
  readonly boosting: BoostingOptions;
  readonly ridge: number;
  readonly groupRidge: number;
  /** The probabilities are those of so many days before the end. */
  readonly calibrationDays: number;
  readonly calibrationBins: number;
  /** The thresholds are those of a year: false alarms come and go with the months. */
  readonly thresholdDays: number;
  /** Drives said to be failing that are not, in 1000 drive-years: what the threshold allows. */
  readonly falseAlarms: number;
  /** The same of drives said to be suspect. */
  readonly falseSuspicions: number;
  readonly seed: number;
}

export const DRIVE_RECIPE: DriveRecipe = {
  horizonDays: 30,
  leadDays: 1,
  healthyShare: 0.4,
  failureWeight: 10,
  modelDrivesMin: 30,
  boosting: {
    ...DEFAULT_BOOSTING,
    trees: 100,
    rate: 0.03,
    leaves: 16,
    depth: 5,
    curvatureMin: 0.001,
    rowsMin: 100,
    ridge: 5,
    rowShare: 0.7,
    columnShare: 0.6,
    monotone: DIRECTIONS.slice(0, TREE_COLUMNS),
  },
  ridge: 2_400,
  groupRidge: 60,
  calibrationDays: 210,
  calibrationBins: 12,
  thresholdDays: 365,
  falseAlarms: 5,
  falseSuspicions: 20,
  seed: 1,
};
