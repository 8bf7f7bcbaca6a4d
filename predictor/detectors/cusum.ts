/**
 * The one-sided cumulative sum (Page, 1954) of standardised samples.
 * @module
 */
import { bisect } from "./budget.ts";

/** What the sum is after one more sample; `allowance` is the shift that is let pass, in sigmas. */
export function cusum(sum: number, z: number, allowance: number): number {
  return Math.max(0, sum + z - allowance);
}

/** Siegmund's correction for the overshoot of a normal random walk. */
const OVERSHOOT = 1.166;
const THRESHOLD_MAX = 1_000;

/**
 * The mean number of samples until the sum of independent standard normal samples passes
 * `threshold`: Siegmund, Sequential Analysis (1985), (2.57), to a few per cent.
 */
export function averageRunLength(threshold: number, allowance: number): number {
  const x = 2 * allowance * (threshold + OVERSHOOT);
  return (Math.exp(x) - x - 1) / (2 * allowance ** 2);
}

/** The threshold that gives `arl0Samples` between false alarms. */
export function thresholdFor(arl0Samples: number, allowance: number): number {
  const isBelow = (h: number): boolean => averageRunLength(h, allowance) < arl0Samples;
  return bisect(isBelow, 0, THRESHOLD_MAX);
}
