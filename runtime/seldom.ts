/**
 * Log lines that a peer could provoke: at most one a period, with how many were left out.
 * @module
 */
import type { Clock } from "./clock.ts";

const PERIOD_MS = 60_000;

/** Calls `write` with the number left out since the last call, or counts it as left out. */
export function seldom(
  clock: Clock,
  periodMs = PERIOD_MS,
): (write: (leftOut: number) => void) => void {
  let nextAtMs = Number.NEGATIVE_INFINITY;
  let leftOut = 0;
  return (write) => {
    const nowMs = clock.nowMs();
    if (nowMs < nextAtMs) {
      leftOut++;
      return;
    }
    nextAtMs = nowMs + periodMs;
    write(leftOut);
    leftOut = 0;
  };
}
