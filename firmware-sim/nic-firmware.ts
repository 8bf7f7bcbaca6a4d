/**
 * The firmware of a network adapter: it reads its own counters, predicts its own failure, and goes
 * on while the host's agent is dead. Whoever starts it gives it its link.
 * @module
 */
import type { Baseline } from "../predictor/accepted.ts";
import { type Config, DEFAULT_CONFIG } from "../predictor/config.ts";
import type { Effect } from "../predictor/evidence.ts";
import { type State, start, step } from "../predictor/predictor.ts";
import {
  absent,
  counterReading,
  type NicSignal,
  type Reading,
  type Sensor,
} from "../predictor/reading.ts";
import { reasonOf } from "../protocol/error.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Files } from "../runtime/files.ts";

export interface NicFirmwareOptions {
  /** The adapter it belongs to. */
  readonly device?: string;
  readonly periodMs?: number;
  readonly config?: Config;
}

export interface NicFirmware {
  stop(): void;
  /** The predictor's state, for a status display. */
  state(): State;
  /** All that an operator has acknowledged, in the place of what was said before. */
  acknowledge(baselines: readonly Baseline[]): void;
}

const PERIOD_MS = 1_000;

/** Reads the adapter every period until stopped, and hands on what the predictor makes of it. */
export function nicFirmware(
  files: Files,
  clock: Clock,
  onEffect: (effect: Effect) => void,
  options: NicFirmwareOptions = {},
): NicFirmware {
  const { device = "eth0", periodMs = PERIOD_MS, config = DEFAULT_CONFIG } = options;
  let state = start(clock.nowMs());
  let stopped = false;
  let reading = false;

  const poll = async (): Promise<void> => {
    if (reading) return;
    reading = true;
    try {
      const readings = await readRegisters(files, device);
      if (stopped) return;
      const [next, effects] = step(
        state,
        { type: "readings", atMs: clock.nowMs(), readings },
        config,
      );
      state = next;
      for (const effect of effects) onEffect(effect);
    } finally {
      reading = false;
    }
  };
  const timer = clock.every(periodMs, () => void poll());
  void poll();
  return {
    stop() {
      stopped = true;
      timer.cancel();
    },
    state: () => state,
    acknowledge(baselines) {
      [state] = step(state, { type: "baselines", atMs: clock.nowMs(), baselines }, config);
    },
  };
}

/**
 * The registers an adapter has of itself: no flags and no speed, which are the host's matter. A
 * simulated one shows some of them where the kernel would.
 */
const REGISTERS: Readonly<Partial<Record<NicSignal, (device: string) => string>>> = {
  "rx-packets": (device) => `/sys/class/net/${device}/statistics/rx_packets`,
  "rx-crc-errors": (device) => `/sys/class/net/${device}/statistics/rx_crc_errors`,
  carrier: (device) => `/sys/class/net/${device}/carrier`,
  "carrier-losses": (device) => `/sys/class/net/${device}/carrier_down_count`,
  "symbol-errors": (device) => `/registers/${device}/symbol_errors`,
  "fec-corrected": (device) => `/registers/${device}/fec_corrected`,
  "fec-uncorrectable": (device) => `/registers/${device}/fec_uncorrectable`,
};
const BOOT_ID = "/proc/sys/kernel/random/boot_id";
const IDENTITY_CHARACTERS_MAX = 64;

/** One reading a register; what cannot be read is absent, with its reason. Never throws. */
export async function readRegisters(files: Files, device: string): Promise<readonly Reading[]> {
  const bootId = (await files.read(BOOT_ID).catch(() => "")).trim();
  const instance = bootId.slice(0, IDENTITY_CHARACTERS_MAX);
  const readings = Object.entries(REGISTERS).map(async ([signal, path]): Promise<Reading> => {
    const source = path(device);
    const sensor: Sensor = {
      component: "nic",
      device,
      instance,
      signal: signal as NicSignal,
      source,
    };
    try {
      return counterReading(sensor, await files.read(source));
    } catch (thrown) {
      return absent(sensor, "missing", reasonOf(thrown));
    }
  });
  return Promise.all(readings);
}
