/**
 * What is usual for a gauge in given circumstances (how loaded, how fast it is driven): a line
 * through what was seen lately, and how far values lie from it.
 *
 * Medians everywhere, because a tenth of wild values must not move it: the slope is the median of
 * the slopes between the lower and the upper half of the circumstances (Theil's incomplete method,
 * 1950), the distance the median absolute deviation. Circumstances never seen are not judged.
 * @module
 */

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Line {
  readonly slope: number;
  readonly offset: number;
  /** As a standard deviation: 1.4826 times the median absolute deviation, of normal values. */
  readonly deviation: number;
  /** How far off the slope may be, and where that does not matter. */
  readonly slopeError: number;
  readonly middleX: number;
  readonly lowX: number;
  readonly highX: number;
}

export interface Baseline {
  /** Oldest first, at most `POINTS_MAX`. */
  readonly points: readonly Point[];
  /** Undefined while it is warming up. */
  readonly line: Line | undefined;
  /** Points since the line was drawn. */
  readonly fresh: number;
}

/** A week of hours: work differs by weekday. */
const POINTS_MAX = 168;
/** Five days of hours: one night, or one job, may be an odd one. */
export const WARM_UP = 120;
/** Drawn once a day. */
const DRAWN_EVERY = 24;

export const NO_BASELINE: Baseline = { points: [], line: undefined, fresh: 0 };

export function withPoint({ points, line, fresh }: Baseline, point: Point): Baseline {
  const next = points.slice(points.length < POINTS_MAX ? 0 : 1);
  next.push(point);
  const due = next.length >= WARM_UP && (line === undefined || fresh + 1 >= DRAWN_EVERY);
  return due
    ? { points: next, line: drawn(next), fresh: 0 }
    : { points: next, line, fresh: fresh + 1 };
}

export interface Usual {
  readonly value: number;
  readonly deviation: number;
}

/** A little beyond what was seen is still judged: this share of the range. */
const BEYOND = 0.05;

/** What is usual at `x`; undefined while warming up, and where nothing like it was seen. */
export function usualAt({ line }: Baseline, x: number): Usual | undefined {
  if (line === undefined) return undefined;
  const { slope, offset, deviation, slopeError, middleX, lowX, highX } = line;
  const margin = (highX - lowX) * BEYOND;
  if (x < lowX - margin || x > highX + margin) return undefined;
  const doubt = slopeError * Math.abs(x - middleX);
  return { value: offset + slope * x, deviation: deviation + doubt };
}

const MAD_TO_DEVIATION = 1.4826;
/** Three standard errors, of a median (1.25 times a mean's), and neighbours hang together. */
const SLOPE_ERRORS = 6;

function drawn(points: readonly Point[]): Line {
  const sorted = points.toSorted((a, b) => a.x - b.x);
  const half = sorted.length >> 1;
  const slopes = slopesOf(sorted, half);
  const known = slopes.length > 0;
  const slope = known ? medianOf(slopes) : 0;
  const slopeWild = known ? medianOf(distancesFrom(slope, slopes)) : 0;
  const slopeError = known
    ? (SLOPE_ERRORS * MAD_TO_DEVIATION * slopeWild) / Math.sqrt(slopes.length)
    : 0;
  const heights = heightsOver(slope, sorted);
  const offset = medianOf(heights);
  const deviation = MAD_TO_DEVIATION * medianOf(distancesFrom(offset, heights));
  const [lowX, middleX, highX] = [0, half, sorted.length - 1].map((at) => sorted[at]!.x);
  return { slope, offset, deviation, slopeError, middleX: middleX!, lowX: lowX!, highX: highX! };
}

/** Plain loops over typed arrays: of all that is judged by the hour this costs the most. */
function slopesOf(sorted: readonly Point[], half: number): Float64Array {
  const slopes = new Float64Array(sorted.length - half);
  let count = 0;
  for (let low = 0; low + half < sorted.length; low += 1) {
    const [from, to] = [sorted[low]!, sorted[low + half]!];
    if (to.x <= from.x) continue;
    slopes[count] = (to.y - from.y) / (to.x - from.x);
    count += 1;
  }
  return slopes.subarray(0, count);
}

function heightsOver(slope: number, points: readonly Point[]): Float64Array {
  const heights = new Float64Array(points.length);
  for (let index = 0; index < heights.length; index += 1) {
    const { x, y } = points[index]!;
    heights[index] = y - slope * x;
  }
  return heights;
}

function distancesFrom(centre: number, values: Float64Array): Float64Array {
  const distances = new Float64Array(values.length);
  for (let index = 0; index < distances.length; index += 1) {
    distances[index] = Math.abs(values[index]! - centre);
  }
  return distances;
}

/** Of at least one value. Changes their order. */
function medianOf(values: Float64Array): number {
  const middle = (values.length - 1) / 2;
  const upper = ranked(values, Math.ceil(middle));
  if (Number.isInteger(middle)) return upper;
  let lower = Number.NEGATIVE_INFINITY;
  for (let index = 0; index <= middle; index += 1) lower = Math.max(lower, values[index]!);
  return (lower + upper) / 2;
}

/** The value of a rank, with no larger ones before it: Hoare's selection (1961). */
function ranked(values: Float64Array, rank: number): number {
  let [low, high] = [0, values.length - 1];
  while (low < high) {
    const pivot = values[(low + high) >> 1]!;
    let [up, down] = [low, high];
    while (up <= down) {
      while (values[up]! < pivot) up += 1;
      while (values[down]! > pivot) down -= 1;
      if (up > down) break;
      const kept = values[up]!;
      values[up] = values[down]!;
      values[down] = kept;
      up += 1;
      down -= 1;
    }
    if (rank <= down) high = down;
    else if (rank >= up) low = up;
    else break;
  }
  return values[rank]!;
}
