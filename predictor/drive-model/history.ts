/**
 * What is remembered of a drive's counters: so little that it fits every drive of a fleet, and
 * enough for the features. Of each counter its value, its peak, when it last rose and fell, how
 * often it rose, and the evidence of its rises, which decays with three half-lives.
 *
 * Rule 1: the first value known is no rise; nobody saw when it came about.
 * Rule 2: what is missing stays as it was last known; what was never known is NaN.
 * Rule 3: a counter that falls (sectors rewritten, a wrap, other firmware) is no rise either.
 * @module
 */

/** The raw counters the model knows, by ATA attribute id. */
export const COUNTERS = [5, 12, 187, 188, 197, 198] as const;
export type CounterId = (typeof COUNTERS)[number];

/** Half-lives, in days, of the evidence of a rise. */
export const HALF_LIVES = [3, 15, 75] as const;

/** A drive's history as numbers: `WIDTH` a counter, in the order of `COUNTERS`, then the rest. */
export type DriveHistory = Float64Array;

/** The fields of one counter. Times are days on one clock of the drive's; NaN is never. */
const FIELD = {
  value: 0,
  peak: 1,
  rises: 2,
  roseAt: 3,
  fellAt: 4,
  firstRoseAt: 5,
  /** log2(1 + step) of each rise, summed with decay as of `roseAt`, a half-life each. */
  evidence: 6,
} as const;
const WIDTH = FIELD.evidence + HALF_LIVES.length;
const SEEN_AT = COUNTERS.length * WIDTH;
/** SMART 188 was above zero in a form that cannot be compared. */
const PACKED = SEEN_AT + 1;
export const HISTORY_SIZE = PACKED + 1;
/** The fields that are times. */
const TIMES: ReadonlySet<number> = new Set([
  ...COUNTERS.flatMap((_, counter) =>
    [FIELD.roseAt, FIELD.fellAt, FIELD.firstRoseAt].map((field) => counter * WIDTH + field),
  ),
  SEEN_AT,
]);

/** Beyond this, SMART 188 holds three numbers of 16 bits: Seagate's way to pack it. */
const PACKED_MIN = 2 ** 31;
const TIMEOUTS = COUNTERS.indexOf(188);

export function emptyHistory(): DriveHistory {
  const history = new Float64Array(HISTORY_SIZE).fill(Number.NaN);
  for (let counter = 0; counter < COUNTERS.length; counter++) {
    history[counter * WIDTH + FIELD.rises] = 0;
    history.fill(0, counter * WIDTH + FIELD.evidence, (counter + 1) * WIDTH);
  }
  history[PACKED] = 0;
  return history;
}

/**
 * Takes in the counters read at `atDays`, in the order of `COUNTERS`, NaN where missing. Changes
 * `history`. A clock that went back is taken to stand still.
 */
export function observe(history: DriveHistory, atDays: number, values: ArrayLike<number>): void {
  const at = Number.isNaN(history[SEEN_AT]!) ? atDays : Math.max(atDays, history[SEEN_AT]!);
  history[SEEN_AT] = at;
  for (let counter = 0; counter < COUNTERS.length; counter++) {
    const value = values[counter]!;
    if (Number.isNaN(value) || value < 0) continue;
    if (counter === TIMEOUTS) observeTimeouts(history, at, value);
    else observeCounter(history, counter * WIDTH, at, value);
  }
}

/**
 * Up to 2^31 the timeouts and, above 16 bits, the slow ones among them. What is beyond cannot be
 * compared: when that begins, it is one rise by one.
 */
function observeTimeouts(history: DriveHistory, at: number, value: number): void {
  const base = TIMEOUTS * WIDTH;
  if (value < PACKED_MIN) {
    observeCounter(history, base, at, (value & 0xffff) + (value >>> 16));
  } else if (history[PACKED] === 0) {
    const before = history[base + FIELD.value]!;
    observeCounter(history, base, at, Number.isNaN(before) ? 1 : before + 1);
    history[PACKED] = 1;
  }
}

function observeCounter(history: DriveHistory, base: number, at: number, value: number): void {
  const before = history[base + FIELD.value]!;
  history[base + FIELD.value] = value;
  history[base + FIELD.peak] = Math.max(value, history[base + FIELD.peak] || 0);
  if (value < before) history[base + FIELD.fellAt] = at;
  if (!(value > before)) return;
  const roseAt = history[base + FIELD.roseAt]!;
  const step = Math.log2(1 + value - before);
  for (let index = 0; index < HALF_LIVES.length; index++) {
    const field = base + FIELD.evidence + index;
    history[field] = step + decayed(history[field]!, at - roseAt, HALF_LIVES[index]!);
  }
  if (Number.isNaN(roseAt)) history[base + FIELD.firstRoseAt] = at;
  history[base + FIELD.roseAt] = at;
  history[base + FIELD.rises]! += 1;
}

/** `elapsed` is NaN before the first rise, when there is nothing to decay. */
function decayed(evidence: number, elapsed: number, halfLife: number): number {
  return evidence === 0 ? 0 : evidence * 2 ** (-elapsed / halfLife);
}

/** What the features ask of a counter, by its place in `COUNTERS`. */
export function counterOf(
  history: DriveHistory,
  counter: number,
  field: Exclude<keyof typeof FIELD, "evidence">,
): number {
  return history[counter * WIDTH + FIELD[field]]!;
}

/** The evidence of a counter's rises at `atDays`, with the half-life of that index. */
export function evidenceAt(
  history: DriveHistory,
  counter: number,
  index: number,
  atDays: number,
): number {
  const base = counter * WIDTH;
  const elapsed = Math.max(0, atDays - history[base + FIELD.roseAt]!);
  return decayed(history[base + FIELD.evidence + index]!, elapsed, HALF_LIVES[index]!);
}

/** The same history by a clock that shows so many days more. */
export function shifted(history: readonly number[], days: number): number[] {
  return history.map((value, place) => (TIMES.has(place) ? value + days : value));
}

/** Whether numbers from outside can be the history of a drive, with no time after `atDays`. */
export function isHistory(values: readonly number[], atDays: number): boolean {
  if (values.length !== HISTORY_SIZE) return false;
  // Only times are below zero, and only they, values and peaks are unknown.
  return values.every((value, place) => {
    if (TIMES.has(place)) return !(value > atDays);
    if (value >= 0) return true;
    const field = place % WIDTH;
    return Number.isNaN(value) && place < SEEN_AT && field <= FIELD.peak;
  });
}
