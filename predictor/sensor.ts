/**
 * The sensor behind a reading: whether it may be believed, and what to tell when that changes.
 * @module
 */
import type { Config } from "./config.ts";
import type { Effect } from "./evidence.ts";
import { type Absence, absent, type Reading } from "./reading.ts";

export interface SensorState {
  readonly status: Absence | "ok";
  /** The newest value that came, with when it came and since when it is the same. */
  readonly value: number | undefined;
  readonly atMs: number;
  readonly sameSinceMs: number;
}

/**
 * Faster than this no disk, and no die, warms or cools: assumptions, far beyond what was ever
 * seen. A core may go from idle to full load between two readings.
 */
const JUMP_CELSIUS_PER_SECOND = { disk: 20, other: 70 } as const;

/** Replaces a value that cannot be believed by its absence. Only temperatures are judged. */
export function believe(
  state: SensorState | undefined,
  reading: Reading,
  atMs: number,
  config: Config,
): Reading {
  if (reading.status !== "ok" || reading.signal !== "temperature") return reading;
  if (state?.value === undefined) return reading;
  const value = Number(reading.value);
  const seconds = Math.max(1, (atMs - state.atMs) / 1_000);
  const fastest = JUMP_CELSIUS_PER_SECOND[reading.component === "disk" ? "disk" : "other"];
  if (Math.abs(value - state.value) > fastest * seconds) {
    const reason = `Went from ${state.value} to ${value} °C in ${Math.round(seconds)} s`;
    return absent(reading, "implausible", reason);
  }
  if (value === state.value && atMs - state.sameSinceMs >= config.stuckMs) {
    return absent(reading, "stuck", `${value} °C for ${atMs - state.sameSinceMs} ms`);
  }
  return reading;
}

/** `raw` is what came, `reading` what is believed of it. */
export function remember(
  state: SensorState | undefined,
  raw: Reading,
  reading: Reading,
  atMs: number,
): SensorState {
  const value = raw.status === "ok" && raw.signal === "temperature" ? Number(raw.value) : undefined;
  if (state !== undefined && value === undefined && state.value === undefined) {
    if (state.status === reading.status) return state;
  }
  const sameSinceMs = state !== undefined && value === state.value ? state.sameSinceMs : atMs;
  return { status: reading.status, value, atMs, sameSinceMs };
}

/** What to tell: a change, and a first reading that is no reading. */
export function report(
  state: SensorState | undefined,
  reading: Reading,
  atMs: number,
): Effect | undefined {
  if (reading.status === (state?.status ?? "ok")) return undefined;
  const { component, device, signal, status } = reading;
  const reason = reading.status === "ok" ? "Reads again" : reading.reason;
  return { type: "sensor", component, device, signal, status, reason, atMs };
}
