/**
 * The rule of the learnt drive model: how likely a disk fails, by what its counters were and how
 * they moved since it is watched. The model learnt from daily looks, so the history grows by a day
 * at a time; what is read in between is put on top of it, and nothing waits for the day to end.
 * @module
 */
import assert from "node:assert/strict";
import { DRIVE_MODEL } from "./drive-model/committed.ts";
import { FEATURES, featuresAt } from "./drive-model/features.ts";
import {
  COUNTERS,
  counterOf,
  type DriveHistory,
  emptyHistory,
  observe,
} from "./drive-model/history.ts";
import {
  type Contribution,
  driveMargin,
  explainDrive,
  probabilityOf,
} from "./drive-model/model.ts";
import { type Evidence, type Finding, quiet } from "./evidence.ts";
import { COUNTER_NAME, DISK_COUNTERS, type Reading } from "./reading.ts";
import type { Situation } from "./situation.ts";
import { gaugeOf } from "./values.ts";

export interface DriveWatch {
  /** A `DriveHistory` as of the last whole day, as plain numbers. */
  readonly history: readonly number[];
  readonly takenAtMs: number;
}

/** What is known of drives that are not watched yet, by hardware. */
export type DrivePasts = ReadonlyMap<string, DriveWatch>;

export const NO_DRIVE: DriveWatch = { history: [...emptyHistory()], takenAtMs: -Infinity };

const RULE = "drive-model";
const DAY_MS = 86_400_000;
const EVIDENCE_MAX = 3;

export function judgeDrive(
  watch: DriveWatch,
  readings: readonly Reading[],
  situation: Situation,
): readonly [DriveWatch, Finding] {
  if (!DISK_COUNTERS.some((signal) => gaugeOf(readings, signal) !== undefined)) {
    return [watch, quiet(RULE, false)];
  }
  const { atMs } = situation;
  const history: DriveHistory = Float64Array.from(watch.history);
  const values = COUNTERS.map((id) => gaugeOf(readings, `smart-${id}`) ?? Number.NaN);
  observe(history, atMs / DAY_MS, values);
  const isDayOver = atMs - watch.takenAtMs >= DAY_MS;
  const next = isDayOver ? { history: [...history], takenAtMs: atMs } : watch;
  if (!isNews(readings, situation)) return [next, quiet(RULE)];
  return [next, verdict(history, situation)];
}

/** Whether any counter is above zero, and above what an operator has accepted. */
function isNews(readings: readonly Reading[], { accepted }: Situation): boolean {
  return DISK_COUNTERS.some((signal) => {
    return (gaugeOf(readings, signal) ?? 0) > (accepted[signal] ?? 0);
  });
}

function verdict(history: DriveHistory, situation: Situation): Finding {
  const row = new Float32Array(FEATURES.length);
  featuresAt(history, situation.atMs / DAY_MS, row);
  const probability = probabilityOf(DRIVE_MODEL, driveMargin(DRIVE_MODEL, row));
  const { horizonDays, thresholds } = DRIVE_MODEL.model;
  if (probability <= thresholds.suspect) return quiet(RULE);
  const risk = probability > thresholds.failing ? "failing" : "suspect";
  const outlook = { probability, horizonMs: horizonDays * DAY_MS, basis: "measured" } as const;
  const evidence = evidenceOf(history, explainDrive(DRIVE_MODEL, row), situation);
  return { rule: RULE, known: true, risk, evidence, outlook };
}

/** The counters that moved the odds the most, and how much, against a drive as most are. */
function evidenceOf(
  history: DriveHistory,
  contributions: readonly Contribution[],
  situation: Situation,
): Evidence[] {
  const risen = DISK_COUNTERS.flatMap((signal) => {
    const counter = COUNTERS.findIndex((id) => signal === `smart-${id}`);
    assert(counter >= 0, signal);
    const value = counterOf(history, counter, "value");
    if (!(value > 0)) return [];
    const own = contributions.filter(({ feature }) => signal === `smart-${feature.split("-")[0]}`);
    const margin = own.reduce((sum, one) => sum + one.margin, 0);
    return [{ signal, counter, value, margin }];
  });
  const most = risen.sort((a, b) => b.margin - a.margin).slice(0, EVIDENCE_MAX);
  return most.map(({ signal, counter, value, margin }): Evidence => {
    const threshold = situation.accepted[signal] ?? 0;
    const moved = movedText(history, counter, situation.atMs / DAY_MS);
    const odds = `odds x ${Number(Math.exp(margin).toPrecision(2))}`;
    const text = `${COUNTER_NAME[signal]}: ${value}, ${moved}; ${odds}`;
    return { signal, value, threshold, unit: "count", text };
  });
}

function movedText(history: DriveHistory, counter: number, atDays: number): string {
  const rises = counterOf(history, counter, "rises");
  if (rises === 0) return "since before it was watched";
  const days = (atDays - counterOf(history, counter, "roseAt")).toFixed(1);
  return `rose ${rises === 1 ? "once" : `${rises} times`}, last ${days} days ago`;
}
