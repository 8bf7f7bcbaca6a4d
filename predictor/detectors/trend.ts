/**
 * Whether a gauge moves towards its limit, and when it will be there.
 *
 * The gate is Mann and Kendall's test: with enough pairs in order it is no noise. The slope is the
 * median of the slopes of all pairs (Theil, 1950; Sen, 1968), with Sen's interval, so that a
 * third of the samples may be wild. A slope that is levelling off is no way to the limit.
 * @module
 */
import { normalLimit } from "./budget.ts";

export interface TrendPoint {
  readonly atMs: number;
  readonly value: number;
}

export interface Trend {
  /** A millisecond. */
  readonly slope: number;
  /** The interval that the slope is in, at about 95 %. */
  readonly slopeLow: number;
  readonly slopeHigh: number;
  /** Mann and Kendall's statistic, standard normal without a trend. */
  readonly z: number;
}

/** Sen's interval at 95 %. */
const INTERVAL_Z = 1.96;
const POINTS_MIN = 8;

/** The trend of points in the order of time; undefined of too few. */
export function trendOf(points: readonly TrendPoint[]): Trend | undefined {
  if (points.length < POINTS_MIN) return undefined;
  const slopes: number[] = [];
  let score = 0;
  for (const [index, from] of points.entries()) {
    for (let later = index + 1; later < points.length; later += 1) {
      const to = points[later]!;
      score += Math.sign(to.value - from.value);
      slopes.push((to.value - from.value) / (to.atMs - from.atMs));
    }
  }
  slopes.sort((a, b) => a - b);
  const deviation = Math.sqrt(scoreVariance(points));
  const z = deviation === 0 ? 0 : (score - Math.sign(score)) / deviation;
  const reach = (INTERVAL_Z * deviation) / 2;
  const at = (rank: number): number =>
    slopes[Math.min(slopes.length - 1, Math.max(0, Math.round(rank)))]!;
  const middle = (slopes.length - 1) / 2;
  return {
    slope: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    slopeLow: at(middle - reach),
    slopeHigh: at(middle + reach),
    z,
  };
}

/** Kendall (1975), with the correction for equal values. */
function scoreVariance(points: readonly TrendPoint[]): number {
  const term = (n: number): number => n * (n - 1) * (2 * n + 5);
  const ties = new Map<number, number>();
  for (const { value } of points) ties.set(value, (ties.get(value) ?? 0) + 1);
  const tied = [...ties.values()].reduce((sum, count) => sum + term(count), 0);
  return (term(points.length) - tied) / 18;
}

export interface TimeToLimit {
  readonly ms: number;
  /** By the steepest and the flattest slope of the interval; the latter may be Infinity. */
  readonly soonestMs: number;
  readonly latestMs: number;
}

/**
 * When a rising gauge reaches `limit`; undefined unless its trend is beyond noise at
 * `1 / arl0Samples`, and the newer half of the points still rises at least half as fast.
 */
export function timeToLimit(
  points: readonly TrendPoint[],
  limit: number,
  arl0Samples: number,
): TimeToLimit | undefined {
  const trend = trendOf(points);
  if (trend === undefined || trend.slope <= 0) return undefined;
  if (trend.z < normalLimit(1 / arl0Samples)) return undefined;
  const newer = trendOf(points.slice(points.length >> 1));
  if (newer === undefined || newer.slope < trend.slope / 2) return undefined;
  const missing = limit - points.at(-1)!.value;
  const after = (slope: number): number => (slope > 0 ? Math.max(0, missing / slope) : Infinity);
  return {
    ms: after(Math.min(trend.slope, newer.slope)),
    soonestMs: after(trend.slopeHigh),
    latestMs: after(trend.slopeLow),
  };
}
