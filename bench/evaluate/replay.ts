/**
 * A year played again: alarms are latched at a threshold that was set before the year began.
 */
import type { JudgedDrive, Point } from "./judged.ts";

export interface Replay {
  /** Drives that failed in the year, those alarmed at least a day before, and how long before. */
  readonly failed: number;
  readonly found: number;
  readonly leadDays: readonly number[];
  /** Alarms that began in the year, and those followed by the failure within 60 days. */
  readonly alarms: number;
  readonly followed: number;
  readonly falsePerThousandYears: number;
  readonly standing: number;
}

const LEAD_DAYS = 1;
const FOLLOWED_DAYS = 60;
const YEAR_DAYS = 365.25;

export function replayYear(
  drives: readonly JudgedDrive[],
  [from, to]: readonly [from: number, to: number],
  alarmed: (point: Point, drive: JudgedDrive) => boolean,
): Replay {
  const leadDays: number[] = [];
  let [failed, alarms, followed, days, standing] = [0, 0, 0, 0, 0];
  for (const drive of drives) {
    const { failure, points } = drive;
    const inYear = points.filter(({ date }) => date >= from && date < to);
    const last = inYear.at(-1);
    if (last === undefined) continue;
    days += last.date - inYear[0]!.date;
    const before = points.findLast(({ date }) => date < from);
    const stands = before !== undefined && alarmed(before, drive);
    if (stands) standing++;
    const first = stands ? inYear[0] : inYear.find((point) => alarmed(point, drive));
    const fails = failure !== undefined && failure.date >= from && failure.date < to;
    if (fails) failed++;
    if (first === undefined) continue;
    const lead = failure === undefined ? Infinity : failure.atDays - first.atDays;
    if (fails && lead >= LEAD_DAYS) leadDays.push(lead);
    if (stands) continue;
    alarms++;
    if (lead <= FOLLOWED_DAYS) followed++;
  }
  const falsePerThousandYears = (1_000 * (alarms - followed) * YEAR_DAYS) / days;
  const found = leadDays.length;
  return { failed, found, leadDays, alarms, followed, falsePerThousandYears, standing };
}
