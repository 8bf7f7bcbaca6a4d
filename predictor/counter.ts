/**
 * The change of a hardware counter between two samples.
 *
 * Counters wrap (at 2^32, 2^48 or 2^64, and nobody says which), and go back to zero with a driver
 * reload, a reboot or another piece of hardware under the same name. None of these is a rate: the
 * change is then unknown, never negative and never huge.
 * @module
 */
import assert from "node:assert/strict";

export interface CounterSample {
  readonly atMs: number;
  readonly value: bigint;
  /** Boot and hardware the counter belongs to. */
  readonly instance: string;
}

export type CounterChange =
  | { readonly status: "known"; readonly delta: bigint; readonly elapsedMs: number }
  | { readonly status: "unknown"; readonly reason: string };

export interface CounterLimits {
  /** More than this a second no hardware can count. */
  readonly perSecondMax: number;
  /** Samples further apart than this (a suspended host) are not compared. */
  readonly gapMs: number;
}

/** Frames: a 800 Gbit/s port carries 1.2e9 of the smallest a second. Gap: an assumption. */
export const FRAME_LIMITS: CounterLimits = { perSecondMax: 2e9, gapMs: 5 * 60_000 };

export function counterChange(
  previous: CounterSample,
  current: CounterSample,
  limits: CounterLimits,
): CounterChange {
  const elapsedMs = current.atMs - previous.atMs;
  assert(elapsedMs >= 0, "time went backwards");
  if (current.instance !== previous.instance) return unknown("Rebooted or replaced");
  if (elapsedMs > limits.gapMs) return unknown(`No sample for ${elapsedMs} ms`);
  const delta = current.value - previous.value;
  if (delta < 0n) return unknown("Wrapped or reset");
  // A whole second at least, or two samples in one millisecond would make any burst absurd.
  const deltaMax = limits.perSecondMax * Math.max(1, elapsedMs / 1_000);
  if (Number(delta) > deltaMax) return unknown(`Jumped by ${delta} in ${elapsedMs} ms`);
  return { status: "known", delta, elapsedMs };
}

function unknown(reason: string): CounterChange {
  return { status: "unknown", reason };
}
