/**
 * By how much a counter has grown within a window: for events of which each one counts.
 * @module
 */
import { type CounterLimits, type CounterSample, counterChange } from "../counter.ts";

export interface Growth {
  readonly last: CounterSample | undefined;
  /** Steps within the window, oldest first, at most `STEPS_MAX`. */
  readonly steps: readonly GrowthStep[];
}

export interface GrowthStep {
  readonly atMs: number;
  readonly count: number;
}

const STEPS_MAX = 32;

export const NO_GROWTH: Growth = { last: undefined, steps: [] };

/** Takes one sample in; a wrap, a reset or a gap is no growth. */
export function observeGrowth(
  { last, steps }: Growth,
  current: CounterSample,
  windowMs: number,
  limits: CounterLimits,
): Growth {
  const recent = withinWindow(steps, current.atMs - windowMs);
  if (last === undefined || last.value === current.value) return { last: current, steps: recent };
  const change = counterChange(last, current, limits);
  const count = change.status === "known" ? Number(change.delta) : 0;
  return { last: current, steps: withStep(recent, { atMs: current.atMs, count }) };
}

/** The steps with one more; of too many the two oldest are counted as one. */
export function withStep(steps: readonly GrowthStep[], step: GrowthStep): readonly GrowthStep[] {
  if (step.count === 0) return steps;
  if (steps.length < STEPS_MAX) return [...steps, step];
  const [first, second, ...rest] = steps;
  return [{ atMs: second!.atMs, count: first!.count + second!.count }, ...rest, step];
}

export function withinWindow(steps: readonly GrowthStep[], sinceMs: number): readonly GrowthStep[] {
  if (steps.length === 0 || steps[0]!.atMs > sinceMs) return steps;
  return steps.filter(({ atMs }) => atMs > sinceMs);
}

export function grownBy(steps: readonly GrowthStep[]): number {
  return steps.reduce((sum, { count }) => sum + count, 0);
}
