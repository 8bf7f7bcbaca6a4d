// Readings for tests: what a disk and an adapter say.
import { DEFAULT_CONFIG } from "../../../predictor/config.ts";
import type {
  Component,
  DiskSignal,
  NicSignal,
  Reading,
  Signal,
} from "../../../predictor/reading.ts";
import type { Situation } from "../../../predictor/situation.ts";

type Value = number | bigint | string;

/** Readings of one disk: a value, or the reason for none. */
export function diskReadings(
  values: { readonly [signal in DiskSignal]?: Value | { missing: string } | undefined },
  instance = "model/serial",
  device = "sda",
): Reading[] {
  return Object.entries(values).flatMap(([signal, value]): Reading[] => {
    if (value === undefined) return [];
    const sensor = { component: "disk", device, instance, source: "test" } as const;
    const about = { ...sensor, signal: signal as DiskSignal };
    return typeof value === "object"
      ? [{ ...about, status: "missing", reason: value.missing }]
      : [{ ...about, status: "ok", value }];
  });
}

/** A disk with nothing to complain of. */
export const WELL = {
  health: "passed",
  "smart-5": 0,
  "smart-187": 0,
  "smart-188": 0,
  "smart-197": 0,
  "smart-198": 0,
} as const;

/** Readings of one adapter. */
export function nicReadings(
  values: Partial<Record<NicSignal, Value>>,
  instance = "boot/2/02:00",
): Reading[] {
  return Object.entries(values).map(([signal, value]) => ({
    component: "nic",
    device: "eth0",
    instance,
    signal: signal as NicSignal,
    source: "test",
    status: "ok",
    value,
  }));
}

/** Readings of any one device. */
export function readingsOf(
  component: Component,
  device: string,
  values: { readonly [signal in Signal]?: Value | undefined },
  instance = "boot",
): Reading[] {
  return Object.entries(values).flatMap(([name, value]): Reading[] => {
    const sensor = { component, device, instance, signal: name as Signal, source: "test" };
    return value === undefined ? [] : [{ ...sensor, status: "ok", value }];
  });
}

/** The situation of a rule at `atMs`, on a host with 64 statistical detectors. */
export function situationAt(atMs: number, own: Partial<Situation> = {}): Situation {
  const { falseAlarmsPerHostYear, gapMs } = DEFAULT_CONFIG;
  return {
    atMs,
    config: DEFAULT_CONFIG,
    allowance: { falseAlarmsPerHostYear, series: 64, gapMs },
    load: undefined,
    others: 0,
    othersBad: 0,
    accepted: {},
    ...own,
  };
}
