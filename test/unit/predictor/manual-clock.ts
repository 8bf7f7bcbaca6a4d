// A clock for tests of what polls: it moves when told, and waits for nobody.
import type { Clock } from "../../../runtime/clock.ts";

export interface ManualClock extends Clock {
  /** Moves on by `stepMs`, runs what is due, and lets what it started settle. */
  advance(stepMs: number): Promise<void>;
}

export function manualClock(): ManualClock {
  let nowMs = 0;
  const due: { atMs: number; periodMs: number | undefined; task: () => void }[] = [];
  const plan = (delayMs: number, periodMs: number | undefined, task: () => void) => {
    const entry = { atMs: nowMs + delayMs, periodMs, task };
    due.push(entry);
    const cancel = (): void => {
      const index = due.indexOf(entry);
      if (index >= 0) due.splice(index, 1);
    };
    return { cancel };
  };
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    nowMs: () => nowMs,
    wallTime: () => "1970-01-01T00:00:00.000Z",
    after: (delayMs, task) => plan(delayMs, undefined, task),
    every: (periodMs, task) => plan(periodMs, periodMs, task),
    sleep: (delayMs) => new Promise((resolve) => plan(delayMs, undefined, resolve)),
    async advance(stepMs) {
      nowMs += stepMs;
      for (const entry of due.filter(({ atMs }) => atMs <= nowMs)) {
        if (entry.periodMs === undefined) due.splice(due.indexOf(entry), 1);
        else entry.atMs = nowMs + entry.periodMs;
        entry.task();
      }
      await settle();
    },
  };
}
