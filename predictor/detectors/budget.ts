/**
 * How many false alarms are allowed, and what that asks of one series.
 *
 * A host has many series, and each is judged many times a year. The allowance of the host is
 * divided by the number of its series (Bonferroni), and each series gets the mean number of
 * samples between two of its own false alarms, ARL0. No independence is assumed anywhere.
 * @module
 */

export const YEAR_MS = 365.25 * 86_400_000;

/** The samples that one of `series` must have between false alarms, judged every `sampleMs`. */
export function arl0Samples(alarmsPerHostYear: number, series: number, sampleMs: number): number {
  return ((YEAR_MS / sampleMs) * series) / alarmsPerHostYear;
}

/** The next power of two, so that one device more seldom moves the thresholds of all. */
export function seriesBound(series: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, series)));
}

const TAIL_Z_MAX = 40;
const BISECTIONS = 60;

/**
 * How often a standard normal sample passes `z` > 0 at most, by the upper bound of Mills' ratio
 * (Gordon, 1941): P(Z > z) < exp(-z^2/2) / (z sqrt(2 pi)).
 */
export function normalTail(z: number): number {
  return Math.exp((-z * z) / 2) / (z * Math.sqrt(2 * Math.PI));
}

/** The z that a standard normal sample passes with at most `probability`. Never too low. */
export function normalLimit(probability: number): number {
  return bisect((z) => normalTail(z) > probability, 0.1, TAIL_Z_MAX);
}

/** Where `isBelow` turns false between `low` and `high`; it does so once. */
export function bisect(isBelow: (x: number) => boolean, low: number, high: number): number {
  let [below, above] = [low, high];
  for (let round = 0; round < BISECTIONS; round += 1) {
    const middle = (below + above) / 2;
    if (isBelow(middle)) below = middle;
    else above = middle;
  }
  return above;
}
