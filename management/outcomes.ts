/**
 * What became of the predictions of a site, and what may honestly be said of how often they came
 * true.
 * @module
 */
import {
  type AlarmRecord,
  cameTrue,
  type FailureRecord,
  type Outcome,
  outcomeOf,
} from "./alarm.ts";
import { type Interval, shareInterval } from "./figures.ts";

/** Of each list the newest that one answer holds; the counts are of all. */
export const OUTCOMES_ANSWERED_MAX = 500;

export interface Precision {
  /** Alarms of which it is known whether they came true. */
  readonly known: number;
  readonly cameTrue: number;
  /** Of which it is not known: open, acted on, replaced, put back into service. */
  readonly unknown: number;
  /** Share of the known ones; undefined of none. */
  readonly precision: number | undefined;
  /** With 95 %. */
  readonly interval: Interval;
}

export interface Outcomes {
  /** The oldest first. */
  readonly alarms: readonly (AlarmRecord & { readonly outcome: Outcome })[];
  /** Failures that nothing had told of. */
  readonly missed: readonly FailureRecord[];
  readonly counts: Readonly<Partial<Record<Outcome, number>>>;
  readonly missedCount: number;
  readonly precision: Precision;
}

export function outcomesOf(
  alarms: readonly AlarmRecord[],
  failures: readonly FailureRecord[],
): Outcomes {
  const counts: Partial<Record<Outcome, number>> = {};
  for (const alarm of alarms) {
    const outcome = outcomeOf(alarm);
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  return {
    alarms: alarms
      .slice(-OUTCOMES_ANSWERED_MAX)
      .map((alarm) => ({ ...alarm, outcome: outcomeOf(alarm) })),
    missed: failures.slice(-OUTCOMES_ANSWERED_MAX),
    counts,
    missedCount: failures.length,
    precision: precisionOf(alarms),
  };
}

export function precisionOf(alarms: readonly AlarmRecord[]): Precision {
  const known = alarms.map(cameTrue).filter((one) => one !== undefined);
  const hits = known.filter((one) => one).length;
  return {
    known: known.length,
    cameTrue: hits,
    unknown: alarms.length - known.length,
    precision: known.length === 0 ? undefined : hits / known.length,
    interval: shareInterval(hits, known.length),
  };
}
