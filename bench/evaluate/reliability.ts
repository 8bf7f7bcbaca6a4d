/**
 * Whether probabilities come true: the drive-weeks of a year in ten parts, in each of which a
 * tenth of the failures was expected.
 */
import type { JudgedDrive } from "./judged.ts";

/** A tenth of the failures expected, and what came of it. */
export interface Decile {
  readonly years: number;
  readonly predicted: number;
  readonly observed: number;
}

const HORIZON_DAYS = 30;

/** Of the year's drive-weeks, the least likely first. */
export function reliabilityOf(
  drives: readonly JudgedDrive[],
  [from, to]: readonly [from: number, to: number],
): Decile[] {
  const weeks = drives.flatMap(({ points, failure }) =>
    points.flatMap(({ atDays, date, score }, index) => {
      const next = points[index + 1]?.atDays ?? failure?.atDays ?? atDays + 7;
      if (date < from || date >= to - HORIZON_DAYS) return [];
      const fails = failure !== undefined && failure.atDays - atDays <= HORIZON_DAYS;
      return [{ score, fails, weeks: Math.min(7, next - atDays) / 7 }];
    }),
  );
  weeks.sort((a, b) => a.score - b.score);
  const expected = weeks.reduce((sum, week) => sum + week.score * week.weeks, 0);
  const tenths = Array.from({ length: 10 }, () => ({ weeks: 0, predicted: 0, observed: 0 }));
  let sum = 0;
  for (const { score, fails, weeks: span } of weeks) {
    const tenth = tenths[Math.min(9, Math.floor((10 * sum) / expected))]!;
    sum += score * span;
    tenth.weeks += span;
    tenth.predicted += score * span;
    if (fails) tenth.observed += span;
  }
  return tenths.map(({ weeks: span, predicted, observed }) => {
    return { years: (span * 7) / 365.25, predicted: predicted / span, observed: observed / span };
  });
}
