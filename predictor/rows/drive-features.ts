/**
 * What the row models look at: one day's SMART values of a drive, by the columns of Backblaze's
 * Drive Stats (`smart_5_raw`, `smart_1_normalized`). Missing values are NaN.
 *
 * `ERROR_FEATURES` are what a drive says about its own faults; counters that are missing count as
 * 0, so that which columns a file has says nothing. `PROFILE_FEATURES` add its age and the use
 * made of it. They know the calendar (docs/models/snapshot.md), so a model has them for itself.
 * @module
 */

/** The value of a column; NaN if there is none. */
export type Columns = (name: string) => number;

/** The five counters of the plain rules (Backblaze, 2016). */
const FIVE = [5, 187, 188, 197, 198];
const COUNTERS = [5, 10, 184, 187, 196, 197, 198, 199] as const;
/** Normalised values that fall as the drive's reads, seeks and spin-ups get worse. */
const HEALTHS = [1, 3, 7] as const;
const WORD = 65_536;

export const ERROR_FEATURES: readonly string[] = [
  ...COUNTERS.map((id) => `smart_${id}`),
  "timeouts",
  "slow_timeouts",
  "unreadable",
  "kinds",
  "reports_187",
  ...HEALTHS.map((id) => `health_${id}`),
];

/** More errors never make a drive safer, better health never makes it worse. */
export const ERROR_MONOTONE: readonly number[] = [
  ...COUNTERS.map(() => 1),
  ...[1, 1, 1, 1, 0],
  ...HEALTHS.map(() => -1),
];

export function errorFeatures(value: Columns): number[] {
  const raw = (id: number): number => count(value(`smart_${id}_raw`));
  const timeouts = raw(188);
  return [
    ...COUNTERS.map(raw),
    // Seagate packs three counters of 16 bits: all timeouts, those over 5 s, those over 7.5 s.
    timeouts % WORD,
    Math.floor(timeouts / WORD) % WORD,
    Math.max(raw(197), raw(198)),
    FIVE.filter((id) => raw(id) > 0).length,
    // Seagate's firmware counts uncorrectable errors, and reallocates more lightly than others.
    Number.isNaN(value("smart_187_raw")) && Number.isNaN(value("smart_187_normalized")) ? 0 : 1,
    ...HEALTHS.map((id) => value(`smart_${id}_normalized`)),
  ];
}

/** Missing, negative and absurd counts say nothing. */
function count(value: number): number {
  return Number.isFinite(value) ? Math.max(value, 0) : 0;
}

/** Cumulative values of Seagate and others: age, use, and wear. */
const AMOUNTS = [4, 9, 12, 191, 192, 193, 240, 241, 242] as const;
const SPANS = [4, 12, 191, 192, 193, 241, 242] as const;
const FLYING_MAX = 2 ** 32;

export const PROFILE_FEATURES: readonly string[] = [
  ...ERROR_FEATURES,
  ...AMOUNTS.map((id) => `smart_${id}`),
  ...SPANS.map((id) => `smart_${id}_per_hour`),
  "reads_per_write",
  "flying_share",
  "temperature",
  "health_195",
];

export function profileFeatures(value: Columns): number[] {
  const hours = Math.max(24, value("smart_9_raw"));
  const raw = (id: number): number => value(`smart_${id}_raw`);
  const flying = raw(240) % FLYING_MAX;
  return [
    ...errorFeatures(value),
    ...AMOUNTS.map((id) => (id === 240 ? flying : raw(id))),
    ...SPANS.map((id) => raw(id) / hours),
    raw(242) / Math.max(1, raw(241)),
    flying / hours,
    raw(194) % WORD,
    value("smart_195_normalized"),
  ];
}
