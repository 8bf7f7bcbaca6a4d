/**
 * What is usual for a gauge, apart for each kind of circumstance (a bin: how loaded, how fast it
 * is driven). Medians, because a tenth of wild values must not move them.
 * @module
 */

export interface Baseline {
  /** By bin, the newest values, oldest first, at most `VALUES_MAX`. */
  readonly bins: readonly (readonly number[])[];
}

/** Two days of hours. */
const VALUES_MAX = 48;
/** A day of hours: a baseline that has not seen a night knows nothing. */
export const WARM_UP = 24;

export function emptyBaseline(bins: number): Baseline {
  return { bins: Array.from({ length: bins }, () => []) };
}

export function withValue({ bins }: Baseline, bin: number, value: number): Baseline {
  const values = [...bins[bin]!, value].slice(-VALUES_MAX);
  return { bins: bins.map((each, index) => (index === bin ? values : each)) };
}

export interface Usual {
  readonly median: number;
  /** As a standard deviation: 1.4826 times the median absolute deviation, of normal values. */
  readonly deviation: number;
}

const MAD_TO_DEVIATION = 1.4826;

/** What is usual in a bin; undefined while it is warming up. */
export function usualOf({ bins }: Baseline, bin: number): Usual | undefined {
  const values = bins[bin]!;
  if (values.length < WARM_UP) return undefined;
  const median = medianOf(values);
  const deviation = MAD_TO_DEVIATION * medianOf(values.map((value) => Math.abs(value - median)));
  return { median, deviation };
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
}
