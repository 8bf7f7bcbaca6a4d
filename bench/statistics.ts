/**
 * What repeated measurements come to.
 * @module
 */
import assert from "node:assert/strict";

/** How samples lie around their median. */
export interface Spread {
  readonly samples: number;
  readonly min: number;
  readonly p25: number;
  readonly p75: number;
  readonly p95: number;
  readonly max: number;
}

/** The middle sample, or the mean of the middle two. */
export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

/**
 * The value below which a share of the samples lies, `share` in [0, 1], linear between neighbours
 * (type 7 of Hyndman and Fan, 1996: what R and NumPy do by default).
 */
export function quantile(samples: readonly number[], share: number): number {
  assert(samples.length > 0, "no samples");
  assert(share >= 0 && share <= 1, `share ${share}`);
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)]!;
  const above = sorted[Math.ceil(at)]!;
  return below + (above - below) * (at - Math.floor(at));
}

export function spreadOf(samples: readonly number[]): Spread {
  const [min, p25, p75, p95, max] = [0, 0.25, 0.75, 0.95, 1].map((share) =>
    quantile(samples, share),
  ) as [number, number, number, number, number];
  return { samples: samples.length, min, p25, p75, p95, max };
}
