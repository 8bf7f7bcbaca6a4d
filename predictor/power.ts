/**
 * The rules of power: an alarm, a voltage outside its limits, a supply without its spare. The
 * first makes the host suspect; a second, here or at another supply, makes it failing.
 * @module
 */
import { type Evidence, type Finding, fires, quiet } from "./evidence.ts";
import { hasHeld, holdSince, type Since } from "./hold.ts";
import type { PowerSignal, Reading } from "./reading.ts";
import { isAcceptedFact, type Situation } from "./situation.ts";
import { bitOf, gaugeOf, measuredOf } from "./values.ts";

export interface PowerHistory {
  readonly alarmSince: Since;
  readonly outsideSince: Since;
  readonly aloneSince: Since;
  /** Limits as last said: they are read seldom. */
  readonly limits: Readonly<Partial<Record<PowerSignal, number>>>;
}

export const NO_POWER: PowerHistory = {
  alarmSince: undefined,
  outsideSince: undefined,
  aloneSince: undefined,
  limits: {},
};

export function judgePower(
  history: PowerHistory,
  readings: readonly Reading[],
  situation: Situation,
): readonly [PowerHistory, readonly Finding[]] {
  const { atMs, othersBad } = situation;
  const bits = ALARMS.map((signal) => bitOf(readings, signal));
  const limits = limitsOf(history.limits, readings);
  const passed = limitPassed(readings, limits);
  const alone = isRedundancyLost(readings);
  const next: PowerHistory = {
    alarmSince: holdSince(history.alarmSince, bits.includes(true), atMs),
    outsideSince: holdSince(history.outsideSince, passed?.evidence !== undefined, atMs),
    aloneSince: holdSince(history.aloneSince, alone === true, atMs),
    limits,
  };
  // Before they are counted: one that is acknowledged is not the second trouble.
  const evidence = facts(next, passed?.evidence, situation).filter(
    (fact) => !isAcceptedFact(situation.accepted, fact),
  );
  if (evidence.length === 0) {
    const known =
      passed !== undefined || alone !== undefined || bits.some((bit) => bit !== undefined);
    return [next, [quiet("power-limit", known)]];
  }
  const risk = evidence.length + othersBad >= 2 ? "failing" : "suspect";
  return [next, [fires("power-limit", risk, ...evidence)]];
}

function facts(
  { alarmSince, outsideSince, aloneSince }: PowerHistory,
  passed: Evidence | undefined,
  { atMs, config }: Situation,
): Evidence[] {
  const evidence: Evidence[] = [];
  if (hasHeld(alarmSince, atMs, config.holdMs)) {
    const text = "The supply or its chip reports an alarm";
    evidence.push({ signal: "power-alarm", value: 1, threshold: 0, text });
  }
  if (passed !== undefined && hasHeld(outsideSince, atMs, config.holdMs)) evidence.push(passed);
  if (hasHeld(aloneSince, atMs, config.holdMs)) {
    const text = "No supply is left to spare";
    evidence.push({ signal: "redundancy", value: 0, threshold: 1, text });
  }
  return evidence;
}

/** Each value with its limit, and whether the limit is the least or the most. */
const LIMITS: readonly (readonly [PowerSignal, PowerSignal, "least" | "most", string])[] = [
  ["voltage", "voltage-min", "least", "volt"],
  ["voltage", "voltage-max", "most", "volt"],
  ["current", "current-min", "least", "ampere"],
  ["current", "current-max", "most", "ampere"],
  ["current", "current-critical", "most", "ampere"],
  ["power", "power-max", "most", "watt"],
  ["power", "power-critical", "most", "watt"],
];
const ALARMS: readonly PowerSignal[] = ["voltage-alarm", "current-alarm", "power-alarm"];

function limitsOf(
  before: PowerHistory["limits"],
  readings: readonly Reading[],
): PowerHistory["limits"] {
  let limits = before;
  for (const [, signal] of LIMITS) {
    const value = gaugeOf(readings, signal);
    if (value !== undefined && value !== limits[signal]) limits = { ...limits, [signal]: value };
  }
  return limits;
}

/** The limit that is passed, if any; undefined where there is no value with a limit. */
function limitPassed(
  readings: readonly Reading[],
  limits: PowerHistory["limits"],
): { evidence?: Evidence } | undefined {
  let known = false;
  for (const [signal, limit, side, unit] of LIMITS) {
    const value = gaugeOf(readings, signal);
    const threshold = limits[limit];
    if (value === undefined || threshold === undefined) continue;
    // A register that nobody has set holds zero for both limits.
    if (side === "most" && threshold <= 0) continue;
    known = true;
    if (side === "least" ? value >= threshold : value <= threshold) continue;
    const text = `${value} ${unit}, at ${side} ${threshold} ${unit} are allowed`;
    return { evidence: { signal, value, threshold, unit, text } };
  }
  return known ? {} : undefined;
}

const LOST = ["lost", "degraded", "warning", "critical", "failed"];
const KEPT = ["ok", "passed", "full"];

/** By word, or by the number of supplies to spare. */
function isRedundancyLost(readings: readonly Reading[]): boolean | undefined {
  const value = measuredOf(readings, "redundancy")?.value;
  if (value === undefined) return undefined;
  if (typeof value !== "string") return Number(value) <= 0;
  return LOST.includes(value) ? true : KEPT.includes(value) ? false : undefined;
}
