/**
 * How a program ends: at the first signal in order, at the second at once.
 * @module
 */
import { constants } from "node:os";
import type { Clock } from "./clock.ts";
import type { Log } from "./log.ts";

/** Exit codes of every program. */
export const EXIT = {
  ok: 0,
  /** What was asked could not be done. */
  failed: 1,
  /** What was asked cannot be understood. */
  usage: 2,
} as const;

/** An orderly stop that takes longer is given up. */
const STOP_MS = 15_000;

type Signal = "SIGINT" | "SIGTERM";

/**
 * On SIGINT or SIGTERM calls `stop` once and ends the process with 0 (1 if it fails or takes
 * longer than 15 s). Another signal ends it at once, with 128 and the signal's number.
 */
export function stopOnSignals(
  clock: Clock,
  log: Log,
  stop: (signal: Signal) => Promise<void>,
): void {
  let stopping = false;
  const onSignal = (signal: Signal): void => {
    if (stopping) process.exit(128 + constants.signals[signal]);
    stopping = true;
    log.info("Stopping", { signal });
    clock.after(STOP_MS, () => {
      log.error("Stopping took too long");
      process.exit(EXIT.failed);
    });
    stop(signal).then(
      () => process.exit(EXIT.ok),
      (error: unknown) => {
        log.error("Stopping failed", { error });
        process.exit(EXIT.failed);
      },
    );
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
}
