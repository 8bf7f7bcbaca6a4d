/**
 * A year played again, with thresholds that were set before it began. An alarm stands as an agent's
 * does: until the drive is neither failing nor suspect. What was raised before the year and stands
 * when it begins is no new alarm, and finds the failure of its drive.
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

/** Of a point of a drive: whether it raises an alarm, or ends the one that stands. */
export interface Policy {
  readonly raises: (point: Point, drive: JudgedDrive) => boolean;
  readonly clears: (point: Point, drive: JudgedDrive) => boolean;
}

export function replayYear(
  drives: readonly JudgedDrive[],
  [from, to]: readonly [from: number, to: number],
  policy: Policy,
): Replay {
  const leadDays: number[] = [];
  let [failed, alarms, followed, days, standing] = [0, 0, 0, 0, 0];
  for (const drive of drives) {
    const { failure, points } = drive;
    const inYear = points.filter(({ date }) => date >= from && date < to);
    const last = inYear.at(-1);
    if (last === undefined) continue;
    days += last.date - inYear[0]!.date;
    const stands = standsAt(drive, from, policy);
    if (stands) standing++;
    const first = stands ? inYear[0] : inYear.find((point) => policy.raises(point, drive));
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

/** Whether an alarm raised before `from` has not ended by then. */
function standsAt(drive: JudgedDrive, from: number, { raises, clears }: Policy): boolean {
  let stands = false;
  for (const point of drive.points) {
    if (point.date >= from) break;
    stands = raises(point, drive) || (stands && !clears(point, drive));
  }
  return stands;
}
