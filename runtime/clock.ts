/**
 * Time as an argument. Safety is decided by the monotonic clock only; the wall clock labels
 * reports for people.
 * @module
 */

export interface Clock {
  /** Milliseconds since an arbitrary start of this process; never runs backwards. */
  nowMs(): number;
  /** ISO 8601 wall-clock time, for reports. Never compared. */
  wallTime(): string;
  /** Calls `task` once after `delayMs`, unless cancelled. */
  after(delayMs: number, task: () => void): Timer;
  /** Calls `task` every `periodMs` until cancelled. */
  every(periodMs: number, task: () => void): Timer;
  /** Resolves after `delayMs`. */
  sleep(delayMs: number): Promise<void>;
}

export interface Timer {
  cancel(): void;
}

/** The real clock. Its timers keep the process alive. */
export const realClock: Clock = {
  nowMs: () => performance.now(),
  wallTime: () => new Date().toISOString(),
  after(delayMs, task) {
    const handle = setTimeout(task, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
  every(periodMs, task) {
    const handle = setInterval(task, periodMs);
    return { cancel: () => clearInterval(handle) };
  },
  sleep: (delayMs) => new Promise((resolve) => setTimeout(resolve, delayMs)),
};
