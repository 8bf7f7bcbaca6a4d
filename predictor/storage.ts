/**
 * The rules of a disk as the kernel sees it: commands that ended in errors, and arrays that lack
 * a member. Neither makes a host fail by itself.
 * @module
 */
import { type Growth, grownBy, NO_GROWTH, observeGrowth } from "./detectors/growth.ts";
import { type Finding, fires, quiet } from "./evidence.ts";
import type { Reading } from "./reading.ts";
import { errorLimits, isAccepted, type Situation } from "./situation.ts";
import { countOf, gaugeOf } from "./values.ts";

export type ErrorsHistory = Growth;

export const NO_ERRORS: ErrorsHistory = NO_GROWTH;

const WINDOW_MS = 24 * 3_600_000;
/** The kernel counts commands that a drive does not know as well: one is no sign. */
const ERRORS_MIN = 3;

export function judgeErrors(
  history: ErrorsHistory,
  readings: readonly Reading[],
  situation: Situation,
): readonly [ErrorsHistory, readonly Finding[]] {
  const value = countOf(readings, "io-errors");
  if (value === undefined) return [history, [quiet("io-errors", false)]];
  const sample = { atMs: situation.atMs, value, instance: "" };
  const next = observeGrowth(history, sample, WINDOW_MS, errorLimits(situation));
  const count = grownBy(next.steps);
  if (count < ERRORS_MIN || isAccepted(situation, "io-errors", value)) {
    return [next, [quiet("io-errors")]];
  }
  const text = `Commands that failed in a day: ${count}`;
  const evidence = { signal: "io-errors", value: count, threshold: ERRORS_MIN, text } as const;
  return [next, [fires("io-errors", "suspect", evidence)]];
}

/** Remembers nothing: the array says how many members it lacks. */
export function judgeArray(
  history: undefined,
  readings: readonly Reading[],
  situation: Situation,
): readonly [undefined, readonly Finding[]] {
  const value = gaugeOf(readings, "array-degraded");
  if (value === undefined) return [history, [quiet("array-degraded", false)]];
  if (value <= 0 || isAccepted(situation, "array-degraded", value)) {
    return [history, [quiet("array-degraded")]];
  }
  const text = `Members that the array lacks: ${value}`;
  const evidence = { signal: "array-degraded", value, threshold: 0, text } as const;
  return [history, [fires("array-degraded", "suspect", evidence)]];
}
