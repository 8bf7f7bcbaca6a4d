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
  const from = points.length < POINTS_MAX ? 0 : 1;
  const next = [...points.slice(from), point];
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
  const slopes: number[] = [];
  for (let low = 0; low + half < sorted.length; low += 1) {
    const [from, to] = [sorted[low]!, sorted[low + half]!];
    if (to.x > from.x) slopes.push((to.y - from.y) / (to.x - from.x));
  }
  const slope = slopes.length === 0 ? 0 : medianOf(slopes);
  const wild = slopes.map((one) => Math.abs(one - slope));
  const slopeError =
    slopes.length === 0
      ? 0
      : (SLOPE_ERRORS * MAD_TO_DEVIATION * medianOf(wild)) / Math.sqrt(slopes.length);
  const offset = medianOf(sorted.map(({ x, y }) => y - slope * x));
  const distances = sorted.map(({ x, y }) => Math.abs(y - slope * x - offset));
  const deviation = MAD_TO_DEVIATION * medianOf(distances);
  const [lowX, middleX, highX] = [0, half, sorted.length - 1].map((at) => sorted[at]!.x);
  return { slope, offset, deviation, slopeError, middleX: middleX!, lowX: lowX!, highX: highX! };
}

/** Of at least one value. */
function medianOf(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
}
