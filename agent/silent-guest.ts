/**
 * A guest's process that lives and does not answer its agent: it runs on, and nobody ends it for
 * being slow. It is asked again and again; its end is noticed meanwhile.
 */
import type { Clock } from "../runtime/clock.ts";
import type { GuestProcess } from "./qemu/process.ts";

const RETRY_MS = 1_000;

export interface SilentGuest {
  /** Ends the process: the authority core asked for it. */
  end(): Promise<void>;
  /** Lets go of it as it is. */
  release(): void;
}

/** `ask` tells whether it has answered, which ends the watch; `onExit` that it is gone. */
export function watchSilent(
  process: GuestProcess,
  clock: Clock,
  ask: () => Promise<boolean>,
  onExit: (reason: string) => void,
): SilentGuest {
  let asking = false;
  const timer = clock.every(RETRY_MS, () => {
    if (asking) return;
    asking = true;
    void ask()
      .then((answered) => {
        if (answered) release();
      })
      .finally(() => {
        asking = false;
      });
  });
  function release(): void {
    timer.cancel();
    process.release();
  }
  process.onExit((reason) => {
    release();
    onExit(reason);
  });
  return {
    async end() {
      release();
      await process.end();
    },
    release,
  };
}
