/**
 * A program that is started again whenever it ends.
 * @module
 */
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Program } from "../runtime/program.ts";

/** After a life longer than this the pauses begin anew. */
const SETTLED_MS = 10_000;
const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 10_000;
/** A program that does not end at SIGTERM is ended. */
const STOP_MS = 5_000;

export interface Kept {
  status(): { pid?: number; restarts: number };
  /** Resolves once the program has ended; it is not started again. */
  stop(): Promise<void>;
}

export function keepRunning(start: () => Program, clock: Clock, log: Log): Kept {
  let program = start();
  let pid = program.pid;
  let restarts = 0;
  let failures = 0;
  let stopping = false;

  const follow = async (): Promise<void> => {
    while (!stopping) {
      const startedMs = clock.nowMs();
      const exit = await program.exited;
      pid = undefined;
      if (stopping) return;
      failures = clock.nowMs() - startedMs > SETTLED_MS ? 0 : failures + 1;
      log.warn("Ended: starting it again", { ...exit, restarts });
      await clock.sleep(Math.min(PAUSE_MS_MIN * 2 ** Math.min(failures, 30), PAUSE_MS_MAX));
      if (stopping) return;
      program = start();
      pid = program.pid;
      restarts++;
    }
  };
  void follow();
  return {
    status: () => ({ restarts, ...(pid === undefined ? {} : { pid }) }),
    async stop() {
      stopping = true;
      program.signal("SIGTERM");
      const last = clock.after(STOP_MS, () => program.signal("SIGKILL"));
      await program.exited;
      last.cancel();
    },
  };
}
