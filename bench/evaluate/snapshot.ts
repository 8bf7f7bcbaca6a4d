/**
 * The models of single drive rows: the share of failed drives found at rates of false alarms
 * among the snapshot's healthy drives, by cross-validation over drives.
 * @module
 */
import { ERROR_FEATURES } from "../../predictor/rows/drive-features.ts";
import { isWithin } from "../../predictor/rows/drive-model.ts";
import { type FalseAlarmScale, scaleOf, scoreOf } from "../../predictor/rows/far.ts";
import { crossMargins } from "../train/rows.ts";
import {
  type Drive,
  type Drives,
  ERRORS_RECIPE,
  errorRows,
  PROFILE_RECIPE,
  profiledModels,
  profileRows,
  readDrives,
} from "../train/snapshot.ts";
import { meanRate, type Rate, rateAbove, rateOf, rateText, thresholdAt } from "./rates.ts";

const FARS = [0.001, 0.005, 0.01];
const SPLITS = [11, 12, 13];
const KINDS = ERROR_FEATURES.indexOf("kinds");

/** Scores of the snapshot's drives, then of the later ones, each unseen by its model. */
interface Scores {
  readonly errors: readonly number[];
  readonly score: readonly number[];
}

interface Case {
  readonly name: string;
  readonly by: keyof Scores;
  /** Which of the failed drives are to be found. */
  readonly some: (drive: Drive) => boolean;
}

const failedIn = (from: string, to: string) => (drive: Drive) =>
  drive.date >= from && drive.date < to;

const CASES: readonly Case[] = [
  { name: "errors: failed in 2019", by: "errors", some: failedIn("2019", "2020") },
  { name: "score: failed in 2019", by: "score", some: failedIn("2019", "2020") },
  { name: "score: January to March", by: "score", some: failedIn("2019-01", "2019-04") },
  { name: "score: April to June", by: "score", some: failedIn("2019-04", "2019-07") },
  { name: "score: July to September", by: "score", some: failedIn("2019-07", "2019-10") },
  { name: "score: October", by: "score", some: failedIn("2019-10", "2019-11") },
  { name: "score: November, December", by: "score", some: failedIn("2019-11", "2020") },
  { name: "errors: November, December", by: "errors", some: failedIn("2019-11", "2020") },
  { name: "errors: failed in 2020-25", by: "errors", some: failedIn("2020", "2026") },
  { name: "score: failed in 2020-25", by: "score", some: failedIn("2020", "2026") },
  ...["2020", "2021", "2022", "2023", "2024"].map(
    (year): Case => ({
      name: `score: failed in ${year}`,
      by: "score",
      some: failedIn(year, `${Number(year) + 1}`),
    }),
  ),
  {
    name: "score: 2020-25, no counter moved",
    by: "score",
    some: (drive) => drive.date >= "2020" && drive.errors[KINDS] === 0,
  },
];

export async function evaluateSnapshot(folder: string): Promise<string> {
  const drives = await readDrives(folder);
  const splits = SPLITS.map((split) => scoresOf(drives, split));
  const lines = CASES.map((one) => {
    const rates = FARS.map((far) =>
      meanRate(splits.map((scores) => foundAt(drives, scores[one.by], far, one.some))),
    );
    return `| ${one.name} (${rates[0]!.of}) | ${rates.map(rateText).join(" | ")} |`;
  });
  return [
    "| failed drives found, at false alarms of | 0.1 % | 0.5 % | 1 % |",
    "| --- | --- | --- | --- |",
    ...lines,
    "",
    ...ruleLines(drives),
  ].join("\n");
}

function scoresOf(drives: Drives, split: number): Scores {
  const all = [...drives.snapshot, ...drives.later];
  const errorMargins = crossMargins(errorRows(drives), ERRORS_RECIPE, split);
  const learnt = profileRows(drives.snapshot);
  const profileMargins = crossMargins(learnt, PROFILE_RECIPE, split, profileRows(all));
  const errorScale = healthyScale(drives, errorMargins);
  const profileScale = healthyScale(drives, profileMargins);
  const ages = profiledModels(drives);
  const errors = Array.from(errorMargins, (margin) => scoreOf(errorScale, margin));
  const score = all.map(({ model, hours }, row) =>
    isWithin(ages[model], hours) ? scoreOf(profileScale, profileMargins[row]!) : errors[row]!,
  );
  return { errors, score };
}

function healthyScale({ snapshot }: Drives, margins: Float64Array): FalseAlarmScale {
  return scaleOf(margins.filter((_, row) => snapshot[row]?.failed === false));
}

function foundAt(
  { snapshot, later }: Drives,
  scores: readonly number[],
  far: number,
  some: Case["some"],
): Rate {
  const all = [...snapshot, ...later];
  const healthy = scores.filter((_, row) => snapshot[row]?.failed === false);
  const failed = scores.filter((_, row) => all[row]!.failed && some(all[row]!));
  return rateAbove(failed, thresholdAt(healthy, far));
}

/** The plain rules, at the false alarms they have. */
function ruleLines({ snapshot, later }: Drives): string[] {
  const share = (drives: readonly Drive[], least: number): string => {
    const hits = drives.filter(({ errors }) => errors[KINDS]! >= least).length;
    return rateText(rateOf(hits, drives.length));
  };
  const failed = snapshot.filter((drive) => drive.failed);
  const healthy = snapshot.filter((drive) => !drive.failed);
  return [
    "| rule | false alarms | failed in 2019 | failed in 2020-25 |",
    "| --- | --- | --- | --- |",
    ...[1, 2, 3].map((least) => {
      const cells = [healthy, failed, later].map((drives) => share(drives, least));
      return `| at least ${least} of 5, 187, 188, 197, 198 | ${cells.join(" | ")} |`;
    }),
  ];
}
