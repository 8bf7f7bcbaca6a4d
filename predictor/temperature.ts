/**
 * The rules of a temperature: first what the hardware says of its own limits, then when it will
 * be there, and last whether it is warmer than usual under the same load.
 *
 * A fault bit means a broken sensor: there is no reading then, and no verdict.
 * @module
 */
import { arl0Samples } from "./detectors/budget.ts";
import { type DriftSpec, type DriftState, NO_DRIFT, observeDrift } from "./detectors/drift.ts";
import { type TimeToLimit, type TrendPoint, timeToLimit } from "./detectors/trend.ts";
import { type Evidence, type Finding, fires, quiet } from "./evidence.ts";
import { hasHeld, holdBetween, holdSince, type Since } from "./hold.ts";
import type { Reading } from "./reading.ts";
import type { Situation } from "./situation.ts";
import { bitOf, gaugeOf } from "./values.ts";

export interface TemperatureHistory {
  /** As last said: limits are read seldom. */
  readonly max: number | undefined;
  readonly critical: number | undefined;
  readonly alarmSince: Since;
  readonly criticalSince: Since;
  readonly highSince: Since;
  /** Oldest first, at most `POINTS_MAX`. */
  readonly points: readonly TrendPoint[];
  /** Points since the trend was last judged. */
  readonly unjudged: number;
  readonly toCritical: TimeToLimit | undefined;
  readonly shift: DriftState;
}

/** The trend and the shift. */
export const TEMPERATURE_SERIES = 2;

const HIGH_MS = 10 * 60_000;
/** A limit once passed holds until it is this much cooler. */
const HYSTERESIS_CELSIUS = 3;
const POINTS_MAX = 32;
const POINT_MS = 15_000;
const POINT_GAP_MS = 150_000;
const JUDGED_EVERY = 8;
/** Only this close to its limit a rise is more than work to do. */
const MARGIN_CELSIUS = 10;
/** Beyond these a limit is a register that nobody has set. */
const LIMIT_CELSIUS_MAX = 200;

/** Two degrees, because sensors count in whole ones. */
const SHIFT: DriftSpec = { direction: "up", deviationMin: 2, method: "sum" };

export const NO_TEMPERATURE: TemperatureHistory = {
  max: undefined,
  critical: undefined,
  alarmSince: undefined,
  criticalSince: undefined,
  highSince: undefined,
  points: [],
  unjudged: 0,
  toCritical: undefined,
  shift: NO_DRIFT,
};

interface Limits {
  readonly value: number;
  readonly max: number | undefined;
  readonly critical: number | undefined;
  /** That something is beyond its limit, or only beyond the highest it should be. */
  readonly alarm: boolean | undefined;
  readonly highAlarm: boolean | undefined;
}

export function judgeTemperature(
  history: TemperatureHistory,
  readings: readonly Reading[],
  situation: Situation,
): readonly [TemperatureHistory, readonly Finding[]] {
  const value = gaugeOf(readings, "temperature");
  const alarm = alarmOf(readings);
  if (bitOf(readings, "temperature-fault") === true || (value === undefined && !alarm)) {
    const blind = (["temperature-limit", "temperature-trend", "temperature-shift"] as const).map(
      (rule) => quiet(rule, false),
    );
    return [{ ...history, alarmSince: undefined }, blind];
  }
  const limits: Limits = {
    value: value ?? Number.NaN,
    max: limitOf(gaugeOf(readings, "temperature-max")) ?? history.max,
    critical: limitOf(gaugeOf(readings, "temperature-critical")) ?? history.critical,
    alarm,
    highAlarm: bitOf(readings, "temperature-max-alarm"),
  };
  const held = hold(history, limits, situation);
  const moved = value === undefined ? held : follow(held, limits, situation);
  return [moved, [limit(moved, limits, situation), trend(moved, limits, situation), shift(moved)]];
}

function limitOf(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 && value < LIMIT_CELSIUS_MAX ? value : undefined;
}

/** The alarm of the critical limit, or, of older drivers, of any. */
function alarmOf(readings: readonly Reading[]): boolean | undefined {
  const critical = bitOf(readings, "temperature-critical-alarm");
  const any = bitOf(readings, "temperature-alarm");
  return critical === undefined ? any : critical || any === true;
}

function hold(
  history: TemperatureHistory,
  { value, max, critical, alarm, highAlarm }: Limits,
  { atMs }: Situation,
): TemperatureHistory {
  const against = (since: Since, most: number | undefined): Since =>
    most === undefined
      ? undefined
      : holdBetween(since, value >= most, value < most - HYSTERESIS_CELSIUS, atMs);
  const high = against(history.highSince, max);
  return {
    ...history,
    max,
    critical,
    alarmSince: holdSince(history.alarmSince, alarm === true, atMs),
    criticalSince: against(history.criticalSince, critical),
    highSince: high ?? holdSince(history.highSince, highAlarm === true, atMs),
  };
}

function follow(
  history: TemperatureHistory,
  { value, critical }: Limits,
  { atMs, allowance, load }: Situation,
): TemperatureHistory {
  const shift =
    load === undefined
      ? history.shift
      : observeDrift(history.shift, { atMs, value, circumstances: load }, SHIFT, allowance);
  const newest = history.points.at(-1);
  if (newest !== undefined && atMs - newest.atMs < POINT_MS) return { ...history, shift };
  const gap = newest !== undefined && atMs - newest.atMs > POINT_GAP_MS;
  const points = gap ? [{ atMs, value }] : [...history.points, { atMs, value }].slice(-POINTS_MAX);
  const next = { ...history, shift, points };
  if (history.unjudged + 1 < JUDGED_EVERY) return { ...next, unjudged: history.unjudged + 1 };
  const { falseAlarmsPerHostYear, series } = allowance;
  const arl0 = arl0Samples(falseAlarmsPerHostYear, series, JUDGED_EVERY * POINT_MS);
  const near = critical !== undefined && value >= critical - MARGIN_CELSIUS;
  const whole = points.length === POINTS_MAX;
  const toCritical = near && whole ? timeToLimit(points, critical, arl0) : undefined;
  return { ...next, unjudged: 0, toCritical };
}

function limit(
  { alarmSince, criticalSince, highSince }: TemperatureHistory,
  { value, max, critical, alarm, highAlarm }: Limits,
  { atMs, config }: Situation,
): Finding {
  const fact = (threshold: number, text: string): Evidence => ({
    signal: "temperature",
    value,
    threshold,
    unit: "celsius",
    text,
  });
  if (critical !== undefined && hasHeld(criticalSince, atMs, config.holdMs)) {
    const text = `${value} °C, at or above the critical ${critical} °C`;
    return fires("temperature-limit", "failing", fact(critical, text));
  }
  if (hasHeld(alarmSince, atMs, config.holdMs)) {
    const text = "The sensor's chip reports its alarm";
    const evidence = { signal: "temperature-alarm", value: 1, threshold: 0, text } as const;
    return fires("temperature-limit", "failing", evidence);
  }
  if (hasHeld(highSince, atMs, HIGH_MS)) {
    const minutes = Math.floor((atMs - highSince!) / 60_000);
    const most = max === undefined ? "its highest allowed" : `the highest allowed ${max} °C`;
    const text = `${value} °C, at ${most} or above for ${minutes} minutes`;
    return fires("temperature-limit", "suspect", fact(max ?? value, text));
  }
  const known = [max, critical, alarm, highAlarm].some((one) => one !== undefined);
  return quiet("temperature-limit", known);
}

function trend(
  { toCritical, points }: TemperatureHistory,
  { value, critical }: Limits,
  { config }: Situation,
): Finding {
  const known = critical !== undefined && points.length === POINTS_MAX;
  if (critical === undefined || toCritical === undefined || toCritical.ms >= config.evacuationMs) {
    return quiet("temperature-trend", known);
  }
  const { ms, soonestMs, latestMs } = toCritical;
  const minutes = (time: number): string => (time / 60_000).toFixed(0);
  const interval = `${minutes(soonestMs)} to ${minutes(latestMs)}`;
  const text = `${value} °C; critical ${critical} °C in ${minutes(ms)} minutes (${interval})`;
  const evidence = {
    signal: "temperature",
    value,
    threshold: critical,
    unit: "celsius",
    text,
  } as const;
  return fires("temperature-trend", "failing", evidence);
}

function shift({ shift: { alarmed, usual, value } }: TemperatureHistory): Finding {
  if (!alarmed || usual === undefined) return quiet("temperature-shift", usual !== undefined);
  const [now, before] = [value, usual.value].map((celsius) => celsius.toFixed(0));
  const text = `${now} °C over an hour; usual at this load: ${before} °C`;
  const evidence = { signal: "temperature", value, threshold: usual.value } as const;
  return fires("temperature-shift", "suspect", { ...evidence, unit: "celsius", text });
}
