/**
 * Whether a counter counts faster than a healthy one may, for what passed by: a rate, never a
 * count. Blocks of samples are bet on by an e-detector, so how often it is read does not matter.
 *
 *   quiet --the bet is won--> alarmed --`PERSISTENCE` calm blocks--> quiet
 * @module
 */
import { type CounterSample, counterChange, FRAME_LIMITS } from "../counter.ts";
import { arl0Samples } from "./budget.ts";
import {
  bet,
  noWealth,
  PERSISTENCE,
  poissonLogRatio,
  sampleLimit,
  type Wealth,
  wealthLimit,
  worth,
} from "./e-detector.ts";

export interface RateSpec {
  /** Events for each unit of exposure that a healthy one does not exceed. */
  readonly healthyRate: number;
  /** What passed by: of the time, of the growth of `base`, of the events, and of `scale`. */
  readonly exposure: (elapsedMs: number, base: number, events: number, scale: number) => number;
  readonly blockMs: number;
  /** How long a block of errors is remembered at most. */
  readonly forgetMs: number;
  /** A block with less exposure says nothing. */
  readonly exposureMin: number;
}

const HOUR_MS = 3_600_000;

/** Of events that are counted by the hour, whatever passed by. */
export const HOURLY: Omit<RateSpec, "healthyRate"> = {
  exposure: (elapsedMs) => elapsedMs / HOUR_MS,
  blockMs: 10 * 60_000,
  forgetMs: 24 * HOUR_MS,
  exposureMin: 1e-3,
};

export interface RateSample {
  readonly atMs: number;
  readonly events: bigint;
  /** The counter of what passed by; 0n where it is only time. */
  readonly base: bigint;
  /** Passed on to `exposure`: a link's speed, for instance. */
  readonly scale: number;
}

export interface RateState {
  readonly last: RateSample | undefined;
  /** The block under way. */
  readonly sinceMs: number;
  readonly events: number;
  readonly exposure: number;
  readonly wealth: Wealth;
  /** What was seen while the bet was being won. */
  readonly seenEvents: number;
  readonly seenExposure: number;
  readonly alarmed: boolean;
  /** Blocks without too many events since the alarm. */
  readonly calm: number;
  /** Blocks in a row that had enough exposure, at most `PERSISTENCE`. */
  readonly judged: number;
}

export interface Allowance {
  readonly falseAlarmsPerHostYear: number;
  readonly series: number;
  readonly gapMs: number;
}

/** How many times the healthy rate is bet on: a little too much, far too much, broken. */
const MULTIPLES = [1.25, 10, 100] as const;

export const NO_RATE: RateState = {
  last: undefined,
  sinceMs: 0,
  events: 0,
  exposure: 0,
  wealth: noWealth(MULTIPLES.length),
  seenEvents: 0,
  seenExposure: 0,
  alarmed: false,
  calm: 0,
  judged: 0,
};

/** Whether enough was seen to call it quiet. */
export function isRateKnown({ judged, alarmed }: RateState): boolean {
  return alarmed || judged >= PERSISTENCE;
}

/** The rate of what was seen while the bet was being won. */
export function seenRate({ seenEvents, seenExposure }: RateState): number {
  return seenExposure > 0 ? seenEvents / seenExposure : 0;
}

/** Takes one sample in. What broke the count starts everything anew. */
export function observeRate(
  state: RateState,
  sample: RateSample,
  spec: RateSpec,
  allowance: Allowance,
): RateState {
  const { last } = state;
  if (last === undefined) return { ...NO_RATE, last: sample, sinceMs: sample.atMs };
  if (sample.atMs === last.atMs) return state;
  const events = grown(last, sample, last.events, sample.events, allowance);
  const base = grown(last, sample, last.base, sample.base, allowance);
  if (events === undefined || base === undefined) {
    return { ...NO_RATE, last: sample, sinceMs: sample.atMs };
  }
  const passed = spec.exposure(sample.atMs - last.atMs, base, events, sample.scale);
  const block: RateState = {
    ...state,
    last: sample,
    events: state.events + events,
    exposure: state.exposure + passed,
  };
  return sample.atMs - state.sinceMs < spec.blockMs ? block : closeBlock(block, spec, allowance);
}

function grown(
  from: RateSample,
  to: RateSample,
  before: bigint,
  after: bigint,
  { gapMs }: Allowance,
): number | undefined {
  if (before === after && to.atMs - from.atMs <= gapMs) return 0;
  const first: CounterSample = { atMs: from.atMs, value: before, instance: "" };
  const second: CounterSample = { atMs: to.atMs, value: after, instance: "" };
  const change = counterChange(first, second, { ...FRAME_LIMITS, gapMs });
  return change.status === "known" ? Number(change.delta) : undefined;
}

function closeBlock(block: RateState, spec: RateSpec, allowance: Allowance): RateState {
  const next = { ...block, sinceMs: block.last!.atMs, events: 0, exposure: 0, judged: 0 };
  if (block.exposure < spec.exposureMin) return next;
  next.judged = Math.min(PERSISTENCE, block.judged + 1);
  if (!block.alarmed) return wager(next, block, spec, allowance);
  const tooMany = block.events > spec.healthyRate * block.exposure;
  next.calm = tooMany ? 0 : block.calm + 1;
  if (next.calm < PERSISTENCE) return next;
  return { ...next, alarmed: false, seenEvents: 0, seenExposure: 0 };
}

function wager(
  next: RateState,
  { wealth, events, exposure, sinceMs, seenEvents, seenExposure }: RateState,
  spec: RateSpec,
  { falseAlarmsPerHostYear, series }: Allowance,
): RateState {
  const elapsedMs = next.sinceMs - sinceMs;
  const limit = wealthLimit(arl0Samples(falseAlarmsPerHostYear, series, spec.blockMs));
  const logRatioMax = sampleLimit(limit);
  const expected = spec.healthyRate * exposure;
  const logRatios = MULTIPLES.map((multiple) => poissonLogRatio(events, expected, multiple));
  const leak = (logRatioMax * elapsedMs) / spec.forgetMs;
  const won = bet(wealth, logRatios, logRatioMax, leak);
  const log = worth(won);
  const alarmed = log >= limit;
  return {
    ...next,
    seenEvents: log > 0 ? seenEvents + events : 0,
    seenExposure: log > 0 ? seenExposure + exposure : 0,
    wealth: alarmed ? NO_RATE.wealth : won,
    alarmed,
    calm: alarmed ? 0 : next.calm,
  };
}
