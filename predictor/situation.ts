/**
 * What a rule may know beside its device's own readings.
 * @module
 */
import type { Config } from "./config.ts";
import type { CounterLimits } from "./counter.ts";
import type { Allowance } from "./detectors/rate.ts";
import type { Evidence } from "./evidence.ts";
import type { Signal } from "./reading.ts";

export interface Situation {
  readonly atMs: number;
  readonly config: Config;
  /** What each statistical detector of the host is allowed. */
  readonly allowance: Allowance;
  /** Share of the processors' time that is busy, 0 to 1; undefined where nobody says. */
  readonly load: number | undefined;
  /** Devices of the same component on this host, and how many are suspect or failing. */
  readonly others: number;
  readonly othersBad: number;
  /** Values that an operator has acknowledged, by signal: up to them nothing is wrong. */
  readonly accepted: Readonly<Partial<Record<Signal, number>>>;
}

/** Whether a count is no more than what was acknowledged. */
export function isAccepted(
  { accepted }: Situation,
  signal: Signal,
  value: bigint | number,
): boolean {
  const most = accepted[signal];
  return most !== undefined && Number(value) <= most;
}

/** Whether a fact is no worse than `most`, on its side of its limit. */
export function isNoWorse(
  { value, threshold }: Pick<Evidence, "value" | "threshold">,
  most: number,
): boolean {
  return value < threshold ? value >= most : value <= most;
}

/** Whether what a rule has found is no worse than what was acknowledged of its signal. */
export function isAcceptedFact(accepted: Situation["accepted"], fact: Evidence): boolean {
  const most = accepted[fact.signal];
  return most !== undefined && isNoWorse(fact, most);
}

/** Errors of a component are rarer than frames, and judged by the same limit of speed. */
export function errorLimits({ config }: Situation): CounterLimits {
  return { perSecondMax: 1e9, gapMs: config.gapMs };
}
