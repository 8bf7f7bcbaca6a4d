/**
 * Asks all sensors at their own pace and hands what the predictor makes of them on.
 * @module
 */
import type { Baseline } from "../../predictor/accepted.ts";
import type { Config } from "../../predictor/config.ts";
import type { DrivePasts } from "../../predictor/drive.ts";
import type { Effect } from "../../predictor/evidence.ts";
import { type Event, type State, start, step } from "../../predictor/predictor.ts";
import type { Reading } from "../../predictor/reading.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Disks } from "./disks.ts";
import type { Rounds } from "./rounds.ts";

export interface Watch {
  stop(): void;
  /** The predictor's state, for a status display. */
  state(): State;
  /**
   * The newest reading of every sensor, for those who ask; at most `NEWEST_MAX`. With `withinMs`
   * only what was read since: a device that is gone is told of by nobody.
   */
  newest(withinMs?: number): readonly Reading[];
  /** All that an operator has acknowledged, in the place of what was said before. */
  acknowledge(baselines: readonly Baseline[]): void;
}

/** A source that is asked by itself: a command, a service processor. Must not throw. */
export type Reader = () => Promise<readonly Reading[]>;

export interface SlowReader {
  readonly periodMs: number;
  readonly read: Reader;
}

export interface WatchPorts {
  readonly clock: Clock;
  readonly disks: Disks;
  readonly rounds: Rounds;
  /**
   * Others. What they tell of a device that the rounds read as well is told with the next round:
   * a device's readings come together.
   */
  readonly others?: readonly SlowReader[];
  readonly onEffect: (effect: Effect) => void;
  /** What was acknowledged in an earlier life, and what it knew of the drives. */
  readonly baselines?: readonly Baseline[];
  readonly pasts?: DrivePasts;
}

export interface Periods {
  /** Files of /proc and /sys, and those of them that are slow or change seldom. */
  readonly filesMs: number;
  readonly slowFilesMs: number;
  readonly disksMs: number;
  readonly scanMs: number;
}

/** smartctl costs a second of a spinning disk; files cost nothing. */
export const DEFAULT_PERIODS: Periods = {
  filesMs: 1_000,
  slowFilesMs: 60_000,
  disksMs: 5 * 60_000,
  scanMs: 60 * 60_000,
};

/** Sensors of a host, each with one newest reading; the oldest give way. */
const NEWEST_MAX = 16_384;

/** Reads everything at once, then each kind every period of its own, never twice at a time. */
export function watchSensors(
  { clock, disks, rounds, others = [], onEffect, baselines = [], pasts = new Map() }: WatchPorts,
  config: Config,
  periods: Periods = DEFAULT_PERIODS,
): Watch {
  let state = start(clock.nowMs(), pasts);
  let stopped = false;
  let waiting: Reading[] = [];
  const newest = new Map<string, { readonly reading: Reading; readonly atMs: number }>();

  const take = (readings: readonly Reading[]): void => {
    if (stopped || readings.length === 0) return;
    const atMs = clock.nowMs();
    for (const reading of readings) {
      newest.set(`${reading.component}/${reading.device}/${reading.signal}`, { reading, atMs });
    }
    for (const key of newest.keys()) {
      if (newest.size <= NEWEST_MAX) break;
      newest.delete(key);
    }
    advance({ type: "readings", atMs, readings });
  };
  const advance = (event: Event): void => {
    const [next, effects] = step(state, event, config);
    state = next;
    for (const effect of effects) onEffect(effect);
  };
  const acknowledge = (all: readonly Baseline[]): void => {
    advance({ type: "baselines", atMs: clock.nowMs(), baselines: all });
  };
  // Before the first reading: what was acknowledged shall not be found anew.
  acknowledge(baselines);
  const repeat = (periodMs: number, read: () => Promise<void>) => {
    let busy = false;
    const turn = async (): Promise<void> => {
      if (busy) return;
      busy = true;
      try {
        await read();
      } finally {
        busy = false;
      }
    };
    void turn();
    return clock.every(periodMs, () => void turn());
  };
  const round = async (): Promise<void> => {
    const told = waiting;
    waiting = [];
    take([...rounds.read(), ...told]);
  };
  const timers = [
    repeat(periods.slowFilesMs, () => rounds.readSlow()),
    repeat(periods.filesMs, round),
    repeat(periods.scanMs, async () => take(await disks.scan())),
    repeat(periods.disksMs, async () => take(await disks.read())),
    ...others.map(({ periodMs, read }) =>
      repeat(periodMs, async () => void waiting.push(...(await read()))),
    ),
  ];
  return {
    stop() {
      stopped = true;
      for (const timer of timers) timer.cancel();
    },
    state: () => state,
    newest(withinMs = Number.POSITIVE_INFINITY) {
      const sinceMs = clock.nowMs() - withinMs;
      return [...newest.values()].flatMap(({ reading, atMs }) => (atMs < sinceMs ? [] : [reading]));
    },
    acknowledge,
  };
}
