/**
 * How often a link was lost. A link taken down by its administrator is no fault.
 * @module
 */
import type { Config } from "./config.ts";
import { counterChange } from "./counter.ts";
import { type GrowthStep, grownBy, withinWindow, withStep } from "./detectors/growth.ts";
import {
  HOURLY,
  isRateKnown,
  NO_RATE,
  observeRate,
  type RateSpec,
  type RateState,
} from "./detectors/rate.ts";
import { type Finding, fires, quiet } from "./evidence.ts";
import type { Reading } from "./reading.ts";
import type { Situation } from "./situation.ts";
import { countOf, gaugeOf, measuredOf } from "./values.ts";

export interface CarrierHistory {
  readonly last: CarrierSample | undefined;
  /** Losses within the window. */
  readonly losses: readonly GrowthStep[];
  /** Losses since the start, for the rate. */
  readonly total: bigint;
  readonly rate: RateState;
}

interface CarrierSample {
  readonly atMs: number;
  readonly counter: "carrier-losses" | "carrier-changes";
  readonly value: bigint;
  readonly up: boolean;
  /** Undefined where nobody says: an adapter's firmware does not know. */
  readonly adminUp: boolean | undefined;
}

export const NO_CARRIER: CarrierHistory = { last: undefined, losses: [], total: 0n, rate: NO_RATE };

const PER_SECOND_MAX = 1_000;
const LOSSES_MAX = 64;
/** One loss a day is what a switch under maintenance may cost: an assumption. */
const RATE: RateSpec = {
  healthyRate: 1 / 24,
  ...HOURLY,
};

export type CarrierStep = readonly [CarrierHistory, readonly Finding[]];

/** Judges what the readings say of the carrier; nothing where they do not speak of it. */
export function judgeCarrier(
  history: CarrierHistory,
  readings: readonly Reading[],
  situation: Situation,
): CarrierStep {
  const current = carrierSample(readings, situation.atMs);
  if (current === undefined || saysLess(current, history.last, situation.config)) {
    return [history, [quiet("carrier-losses", false), quiet("carrier-loss-rate", false)]];
  }
  const next = observe(history, current, situation);
  return [next, [recently(next, situation.config), lately(next)]];
}

function observe(
  { last, losses, total, rate }: CarrierHistory,
  current: CarrierSample,
  { atMs, config, allowance }: Situation,
): CarrierHistory {
  const count = lossesBetween(last, current, config);
  const events = total + BigInt(count);
  const recent = withinWindow(losses, atMs - config.carrierWindowMs);
  return {
    last: current,
    losses: withStep(recent, { atMs, count }),
    total: events,
    rate: observeRate(rate, { atMs, events, base: 0n, scale: 1 }, RATE, allowance),
  };
}

/** Kernels before 4.16 lack carrier_down_count; carrier_changes counts both directions. */
function carrierSample(readings: readonly Reading[], atMs: number): CarrierSample | undefined {
  const known = measuredOf(readings, "carrier-losses") !== undefined;
  const counter = known ? "carrier-losses" : "carrier-changes";
  const value = countOf(readings, counter);
  if (value === undefined) return undefined;
  const up = gaugeOf(readings, "carrier") === 1;
  const flag = gaugeOf(readings, "admin-up");
  return { atMs, counter, value, up, adminUp: flag === undefined ? undefined : flag !== 0 };
}

/**
 * Whether a file that was read before is not in this round: it may have been slow. Without the
 * administrator's word a loss could be his doing, so the next whole sample is compared instead.
 */
function saysLess(
  current: CarrierSample,
  last: CarrierSample | undefined,
  { gapMs }: Config,
): boolean {
  if (last === undefined || current.atMs - last.atMs > gapMs) return false;
  const silent = last.adminUp !== undefined && current.adminUp === undefined;
  return silent || (last.counter === "carrier-losses" && current.counter === "carrier-changes");
}

function lossesBetween(
  previous: CarrierSample | undefined,
  current: CarrierSample,
  { gapMs }: Config,
): number {
  if (previous === undefined || previous.counter !== current.counter) return 0;
  if (previous.adminUp === false || current.adminUp === false) return 0;
  if (previous.value === current.value) return 0;
  const before = { ...previous, instance: "" };
  const after = { ...current, instance: "" };
  const change = counterChange(before, after, { perSecondMax: PER_SECOND_MAX, gapMs });
  if (change.status === "unknown") return 0;
  const delta = Math.min(Number(change.delta), 2 * LOSSES_MAX);
  const losses =
    current.counter === "carrier-losses" ? delta : Math.floor((delta + (previous.up ? 1 : 0)) / 2);
  return Math.min(losses, LOSSES_MAX);
}

function recently({ losses }: CarrierHistory, config: Config): Finding {
  const value = grownBy(losses);
  if (value === 0) return quiet("carrier-losses");
  const minutes = config.carrierWindowMs / 60_000;
  const text = `Losses of carrier in ${minutes} minutes: ${value}`;
  const threshold = config.carrierLosses;
  const risk = value >= threshold ? "failing" : "suspect";
  return fires("carrier-losses", risk, { signal: "carrier-losses", value, threshold, text });
}

function lately({ rate }: CarrierHistory): Finding {
  if (!rate.alarmed) return quiet("carrier-loss-rate", isRateKnown(rate));
  const { seenEvents: value, seenExposure: hours } = rate;
  const text = `Losses of carrier in ${hours.toFixed(0)} hours: ${value}; one a day is usual`;
  const threshold = hours * RATE.healthyRate;
  return fires("carrier-loss-rate", "failing", {
    signal: "carrier-losses",
    value,
    threshold,
    text,
  });
}
