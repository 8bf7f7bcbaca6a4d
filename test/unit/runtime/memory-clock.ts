// A clock that only a test moves.
import type { Clock } from "../../../runtime/clock.ts";

export interface MemoryClock extends Clock {
  /** Runs what is due up to `atMs`, in order. */
  advanceTo(atMs: number): void;
}

export function memoryClock(): MemoryClock {
  let nowMs = 0;
  let next = 0;
  const due = new Map<number, { atMs: number; periodMs?: number; task: () => void }>();
  const add = (atMs: number, task: () => void, periodMs?: number) => {
    const id = next++;
    due.set(id, { atMs, task, ...(periodMs === undefined ? {} : { periodMs }) });
    return { cancel: () => void due.delete(id) };
  };
  return {
    nowMs: () => nowMs,
    wallTime: () => new Date(nowMs).toISOString(),
    after: (delayMs, task) => add(nowMs + delayMs, task),
    every: (periodMs, task) => add(nowMs + periodMs, task, periodMs),
    sleep: (delayMs) => new Promise((resolve) => void add(nowMs + delayMs, resolve)),
    advanceTo(atMs) {
      for (;;) {
        const [first] = [...due].sort(([, a], [, b]) => a.atMs - b.atMs);
        if (first === undefined || first[1].atMs > atMs) break;
        const [id, entry] = first;
        nowMs = entry.atMs;
        if (entry.periodMs === undefined) due.delete(id);
        else entry.atMs += entry.periodMs;
        entry.task();
      }
      nowMs = atMs;
    },
  };
}
