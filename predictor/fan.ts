/**
 * The rules of a fan. One fan less is what the others are there for: it makes the host suspect,
 * and failing only where there is no other, or another is in trouble too.
 *
 * A fan that stands still without a lower limit is an empty header, or is allowed to rest.
 * @module
 */
import { type DriftSpec, type DriftState, NO_DRIFT, observeDrift } from "./detectors/drift.ts";
import { type Evidence, type Finding, fires, quiet } from "./evidence.ts";
import { hasHeld, holdSince, type Since } from "./hold.ts";
import type { Reading } from "./reading.ts";
import type { Situation } from "./situation.ts";
import { bitOf, gaugeOf } from "./values.ts";

export interface FanHistory {
  readonly alarmSince: Since;
  readonly slowSince: Since;
  /** The lowest speed, as last said: limits are read seldom. */
  readonly least: number | undefined;
  /** Of the logarithm of the speed, by that of the duty: nearly a line for any fan. */
  readonly drift: DriftState;
}

export const FAN_SERIES = 1;

const SLOW_MS = 60_000;
const OUTPUT = /\/pwm(?=\d+$)/;

/** The fan that readings are of: an output drives the fan of its number, on almost every board. */
export function fanOf(device: string): string {
  return device.replace(OUTPUT, "/fan");
}

/** At the same duty a worn bearing is 15 % off: an assumption, far beyond 2 % of scatter. */
const DRIFT: DriftSpec = {
  direction: "both",
  deviationMin: 0.02,
  method: { changeMin: Math.log(1.15) },
};

export const NO_FAN: FanHistory = {
  alarmSince: undefined,
  slowSince: undefined,
  least: undefined,
  drift: NO_DRIFT,
};

export function judgeFan(
  history: FanHistory,
  readings: readonly Reading[],
  situation: Situation,
): readonly [FanHistory, readonly Finding[]] {
  const { atMs, allowance } = situation;
  const speed = gaugeOf(readings, "fan-speed");
  const least = gaugeOf(readings, "fan-min") ?? history.least;
  const duty = gaugeOf(readings, "fan-duty");
  const bits = [bitOf(readings, "fan-alarm"), bitOf(readings, "fan-fault")];
  const slow = speed !== undefined && least !== undefined && speed < least;
  const turning = speed !== undefined && speed > 0 && duty !== undefined && duty > 0;
  const drift = turning
    ? observeDrift(
        history.drift,
        { atMs, value: Math.log(speed), circumstances: Math.log(duty) },
        DRIFT,
        allowance,
      )
    : history.drift;
  const next: FanHistory = {
    alarmSince: holdSince(history.alarmSince, bits.includes(true), atMs),
    slowSince: holdSince(history.slowSince, slow, atMs),
    least,
    drift,
  };
  const known = bits.some((bit) => bit !== undefined) || (speed !== undefined && !!least);
  return [next, [limit(next, speed, least, known, situation), drifted(next)]];
}

function limit(
  { alarmSince, slowSince }: FanHistory,
  speed: number | undefined,
  least: number | undefined,
  known: boolean,
  { atMs, config, others, othersBad }: Situation,
): Finding {
  const evidence: Evidence[] = [];
  if (hasHeld(alarmSince, atMs, config.holdMs)) {
    const text = "The fan's chip reports an alarm or a fault";
    evidence.push({ signal: "fan-alarm", value: 1, threshold: 0, text });
  }
  if (speed !== undefined && least !== undefined && hasHeld(slowSince, atMs, SLOW_MS)) {
    const text = `${speed} turns a minute, at least ${least} are needed, for a minute`;
    evidence.push({ signal: "fan-speed", value: speed, threshold: least, unit: "rpm", text });
  }
  if (evidence.length === 0) return quiet("fan-limit", known);
  const spared = others > 0 && othersBad === 0;
  return fires("fan-limit", spared ? "suspect" : "failing", ...evidence);
}

function drifted({ drift: { alarmed, usual, change, value } }: FanHistory): Finding {
  if (!alarmed || usual === undefined) return quiet("fan-drift", usual !== undefined);
  const [now, before] = [Math.exp(value), Math.exp(usual.value)];
  const share = (100 * (Math.exp(change) - 1)).toFixed(0);
  const usually = `usual at this duty: ${before.toFixed(0)}`;
  const text = `${now.toFixed(0)} turns a minute, ${usually} (${share} %)`;
  return fires("fan-drift", "suspect", {
    signal: "fan-speed",
    value: now,
    threshold: before,
    unit: "rpm",
    text,
  });
}
