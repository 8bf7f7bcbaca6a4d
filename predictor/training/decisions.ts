/**
 * When a drive is judged: at each change of its counters, and every week in between, because
 * what time does to the evidence is a change as well.
 * @module
 */
import { FEATURES, featuresAt } from "../drive-model/features.ts";
import { COUNTERS, emptyHistory, observe } from "../drive-model/history.ts";
import { type LoggedDrive, ROW } from "./change-log.ts";

export const WEEK_DAYS = 7;

/** A point at which a drive is judged. The same object each time. */
export interface Decision {
  /** Days by the drive's own hours, and by the calendar (since 1970, NaN if unknown). */
  atDays: number;
  date: number;
  /** `FEATURES`. */
  readonly features: Float32Array;
}

/**
 * Calls `judge` at each decision point of a drive, in the order of time. What a row says of the
 * future (its end) serves only to stop.
 */
export function forEachDecision(drive: LoggedDrive, judge: (decision: Decision) => void): void {
  const { rows } = drive;
  const history = emptyHistory();
  const features = new Float32Array(FEATURES.length);
  const decision: Decision = { atDays: 0, date: 0, features };
  for (let row = 0; row < rows.length; row += ROW.width) {
    const [from, to] = [rows[row + ROW.at]!, rows[row + ROW.end]!];
    const counters = rows.slice(row + ROW.counters, row + ROW.counters + COUNTERS.length);
    observe(history, from, counters);
    for (let at = from; at < to || at === from; at += WEEK_DAYS) {
      decision.atDays = at;
      decision.date = rows[row + ROW.date]! + at - from;
      featuresAt(history, at, features);
      judge(decision);
    }
  }
}

/** When a drive failed, by its own hours and by the calendar; `undefined` if it did not. */
export function failureOf({ rows }: LoggedDrive): { atDays: number; date: number } | undefined {
  const last = rows.length - ROW.width;
  if (rows[last + ROW.failed] !== 1) return undefined;
  return { atDays: rows[last + ROW.end]!, date: rows[last + ROW.dateEnd]! };
}
