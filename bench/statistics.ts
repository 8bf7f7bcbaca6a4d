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

/**
 * Between which means a Poisson count lies with 95 %, exactly (Garwood, 1936): at the lower one so
 * many or more, at the upper one so many or fewer come with 2.5 %. Of none the lower one is 0.
 */
export function poissonInterval(count: number): readonly [low: number, high: number] {
  const high = solve((mean) => poissonAtMost(count, mean) > TAIL, count);
  if (count === 0) return [0, high];
  return [solve((mean) => 1 - poissonAtMost(count - 1, mean) < TAIL, 0), high];
}

const TAIL = 0.025;
const BISECTIONS = 60;

/** Where `isBelow` turns false between `from` and far beyond it. */
function solve(isBelow: (mean: number) => boolean, from: number): number {
  let [low, high] = [from, 2 * from + 100];
  for (let round = 0; round < BISECTIONS; round += 1) {
    const middle = (low + high) / 2;
    if (isBelow(middle)) low = middle;
    else high = middle;
  }
  return high;
}

function poissonAtMost(count: number, mean: number): number {
  let sum = 0;
  let log = -mean;
  for (let n = 0; n <= count; n += 1) {
    sum += Math.exp(log);
    log += Math.log(mean / (n + 1));
  }
  return sum;
}
