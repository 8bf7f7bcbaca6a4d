/**
 * What the drive model looks at. Of each counter of errors its level, the decayed evidence of its
 * rises, how long ago it last rose and how often; of all together how many are above zero, how
 * many rose of late, and since when. Counts and days are taken as log2(1 + x): what matters is
 * whether there are one, ten or a thousand. No calendar and no age: they drift.
 * @module
 */
import {
  COUNTERS,
  type CounterId,
  counterOf,
  type DriveHistory,
  evidenceAt,
  HALF_LIVES,
} from "./history.ts";

/** The counters of errors. */
export const ERROR_COUNTERS: readonly CounterId[] = [5, 187, 188, 197, 198];
/** Sectors that wait to be rewritten: these counters fall as well. */
const PENDING: readonly CounterId[] = [197, 198];
const POWER_CYCLES: CounterId = 12;

/** Longer ago is as good as never, and never is this. */
const NEVER_DAYS = 1_000;
const MONTH_DAYS = 30;
const WEEK_DAYS = 7;

const TREE_FEATURES: readonly string[] = [
  ...ERROR_COUNTERS.flatMap((id) => [
    `${id}-level`,
    ...HALF_LIVES.map((days) => `${id}-rise-${days}d`),
    `${id}-since`,
    `${id}-rises`,
  ]),
  ...PENDING.flatMap((id) => [`${id}-peak`, `${id}-fell`]),
  ...HALF_LIVES.map((days) => `sum-${days}d`),
  "non-zero",
  "rose-in-30d",
  "rose-in-7d",
  "since-any",
  "since-first",
];

/**
 * The trees see only the first `TREE_COLUMNS`: recent power cycles help as a weight of their own,
 * and mislead where trees combine them, because a whole rack is cycled at once.
 */
export const TREE_COLUMNS = TREE_FEATURES.length;
export const FEATURES: readonly string[] = [
  ...TREE_FEATURES,
  ...HALF_LIVES.map((days) => `${POWER_CYCLES}-rise-${days}d`),
];

/** Of each feature: 1 if more of it can only be worse, -1 only better, 0 either. */
export const DIRECTIONS: readonly number[] = FEATURES.map((name) => {
  if (name.endsWith("-since") || name === "since-any") return -1;
  return /-fell$|^12-|^since-first$/.test(name) ? 0 : 1;
});

/** Writes the features of a drive at `atDays` into `row` from `offset` on. NaN is missing. */
export function featuresAt(
  history: DriveHistory,
  atDays: number,
  row: Float32Array,
  offset = 0,
): void {
  const all = { nonZero: 0, month: 0, week: 0, since: NEVER_DAYS, first: 0, sums: [0, 0, 0] };
  let at = offset;
  for (const id of ERROR_COUNTERS) {
    const counter = COUNTERS.indexOf(id);
    const value = counterOf(history, counter, "value");
    const known = !Number.isNaN(value);
    row[at++] = Math.log2(1 + value);
    for (let index = 0; index < HALF_LIVES.length; index++) {
      const evidence = evidenceAt(history, counter, index, atDays);
      row[at++] = known ? evidence : Number.NaN;
      all.sums[index]! += evidence;
    }
    const since = elapsed(counterOf(history, counter, "roseAt"), atDays);
    row[at++] = known ? Math.log2(1 + since) : Number.NaN;
    row[at++] = known ? Math.log2(1 + counterOf(history, counter, "rises")) : Number.NaN;
    if (value > 0) all.nonZero++;
    if (since < MONTH_DAYS) all.month++;
    if (since < WEEK_DAYS) all.week++;
    all.since = Math.min(all.since, since);
    const first = atDays - counterOf(history, counter, "firstRoseAt");
    if (first > all.first) all.first = first;
  }
  for (const id of PENDING) {
    const counter = COUNTERS.indexOf(id);
    row[at++] = Math.log2(1 + counterOf(history, counter, "peak"));
    row[at++] = Math.log2(1 + elapsed(counterOf(history, counter, "fellAt"), atDays));
  }
  for (const sum of all.sums) row[at++] = sum;
  row[at++] = all.nonZero;
  row[at++] = all.month;
  row[at++] = all.week;
  row[at++] = Math.log2(1 + all.since);
  row[at++] = Math.log2(1 + all.first);
  const cycles = COUNTERS.indexOf(POWER_CYCLES);
  for (let index = 0; index < HALF_LIVES.length; index++) {
    row[at++] = evidenceAt(history, cycles, index, atDays);
  }
}

function elapsed(day: number, atDays: number): number {
  return Number.isNaN(day) ? NEVER_DAYS : Math.min(NEVER_DAYS, Math.max(0, atDays - day));
}
