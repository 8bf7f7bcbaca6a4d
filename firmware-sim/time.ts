/**
 * The time of a simulated server.
 * @module
 */
import type { Clock } from "../runtime/clock.ts";

/**
 * A clock by which `timeScale` milliseconds pass in one of `clock`'s. What a device or its
 * firmware does with it is the same as in real time, only sooner.
 */
export function scaledClock(clock: Clock, timeScale: number): Clock {
  return {
    nowMs: () => clock.nowMs() * timeScale,
    wallTime: () => clock.wallTime(),
    after: (delayMs, task) => clock.after(delayMs / timeScale, task),
    every: (periodMs, task) => clock.every(periodMs / timeScale, task),
    sleep: (delayMs) => clock.sleep(delayMs / timeScale),
  };
}
