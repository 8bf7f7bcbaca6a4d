/**
 * Asks all sensors at their own pace and hands what the predictor makes of them on.
 * @module
 */
import type { Config } from "../../predictor/config.ts";
import type { Effect } from "../../predictor/evidence.ts";
import { type State, start, step } from "../../predictor/predictor.ts";
import type { Reading } from "../../predictor/reading.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Disks } from "./disks.ts";

export interface Watch {
  stop(): void;
  /** The predictor's state, for a status display. */
  state(): State;
}

export interface WatchPorts {
  readonly clock: Clock;
  readonly disks: Disks;
  readonly network: () => Promise<readonly Reading[]>;
  readonly onEffect: (effect: Effect) => void;
}

export interface Periods {
  readonly networkMs: number;
  readonly disksMs: number;
  readonly scanMs: number;
}

/** smartctl costs a second of a spinning disk; the adapters' files cost nothing. */
export const DEFAULT_PERIODS: Periods = {
  networkMs: 5_000,
  disksMs: 5 * 60_000,
  scanMs: 60 * 60_000,
};

/** Reads everything at once, then each kind every period of its own, never twice at a time. */
export function watchSensors(
  { clock, disks, network, onEffect }: WatchPorts,
  config: Config,
  periods: Periods = DEFAULT_PERIODS,
): Watch {
  let state = start(clock.nowMs());
  let stopped = false;

  const take = async (read: () => Promise<readonly Reading[]>): Promise<void> => {
    const readings = await read();
    if (stopped) return;
    const [next, effects] = step(
      state,
      { type: "readings", atMs: clock.nowMs(), readings },
      config,
    );
    state = next;
    for (const effect of effects) onEffect(effect);
  };
  const repeat = (periodMs: number, read: () => Promise<readonly Reading[]>) => {
    let busy = false;
    const turn = async (): Promise<void> => {
      if (busy) return;
      busy = true;
      try {
        await take(read);
      } finally {
        busy = false;
      }
    };
    void turn();
    return clock.every(periodMs, () => void turn());
  };
  const timers = [
    repeat(periods.networkMs, network),
    repeat(periods.scanMs, () => disks.scan()),
    repeat(periods.disksMs, () => disks.read()),
  ];
  return {
    stop() {
      stopped = true;
      for (const timer of timers) timer.cancel();
    },
    state: () => state,
  };
}
