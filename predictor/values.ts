/**
 * Looking into one device's readings. They are few, so a walk is the fastest way.
 * @module
 */
import type { Reading, Signal } from "./reading.ts";

/** The reading of a signal that can be believed. */
export function measuredOf(readings: readonly Reading[], signal: Signal) {
  for (const reading of readings) {
    if (reading.signal === signal) return reading.status === "ok" ? reading : undefined;
  }
  return undefined;
}

/** A number; undefined where there is none or a word. */
export function gaugeOf(readings: readonly Reading[], signal: Signal): number | undefined {
  const value = measuredOf(readings, signal)?.value;
  return value === undefined || typeof value === "string" ? undefined : Number(value);
}

/** A count, exact. */
export function countOf(readings: readonly Reading[], signal: Signal): bigint | undefined {
  const value = measuredOf(readings, signal)?.value;
  if (typeof value === "bigint") return value;
  return Number.isSafeInteger(value) ? BigInt(value!) : undefined;
}

export function wordOf(readings: readonly Reading[], signal: Signal): string | undefined {
  const value = measuredOf(readings, signal)?.value;
  return typeof value === "string" ? value : undefined;
}

/** Whether an alarm or fault bit is set; undefined where it cannot be read. */
export function bitOf(readings: readonly Reading[], signal: Signal): boolean | undefined {
  const value = gaugeOf(readings, signal);
  return value === undefined ? undefined : value !== 0;
}
