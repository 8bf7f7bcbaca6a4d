/**
 * What a sensor said: the predictor's input, made by the agent's readers and by the NIC firmware.
 * A sensor that cannot be read is named with its reason; it is never zero and never a failure.
 * @module
 */

export type Component =
  | "disk"
  | "nic"
  | "memory"
  | "cpu"
  | "fan"
  | "power"
  | "temperature"
  | "pcie";

/** The counters of a disk that count towards "two of five", by ATA attribute id. */
export const DISK_COUNTERS = [
  "smart-5",
  "smart-187",
  "smart-188",
  "smart-197",
  "smart-198",
] as const;
export type DiskCounter = (typeof DISK_COUNTERS)[number];

/** What they are called for people. */
export const COUNTER_NAME: Readonly<Record<DiskCounter, string>> = {
  "smart-5": "Reallocated sectors (SMART 5)",
  "smart-187": "Reported uncorrectable errors (SMART 187)",
  "smart-188": "Command timeouts (SMART 188)",
  "smart-197": "Pending sectors (SMART 197)",
  "smart-198": "Offline uncorrectable sectors (SMART 198)",
};

export type DiskSignal =
  | DiskCounter
  | "scan"
  | "health"
  | "critical-warning"
  | "media-errors"
  | "percentage-used"
  | "temperature"
  | "available-spare"
  | "spare-threshold"
  | "grown-defects"
  | "uncorrected-errors"
  | "power-on-hours"
  | "io-errors"
  | "io-time"
  | "io-timeouts"
  | "io-now"
  | "io-time-weighted"
  | "reads"
  | "reads-merged"
  | "read-bytes"
  | "read-time"
  | "writes"
  | "writes-merged"
  | "written-bytes"
  | "write-time"
  | "discards"
  | "discards-merged"
  | "discarded-sectors"
  | "discard-time"
  | "flushes"
  | "flush-time"
  | "array-degraded"
  | "array-state"
  | "array-disks"
  | "array-disks-active"
  | "array-disks-failed"
  | "array-disks-spare"
  | "array-disks-down"
  | "array-blocks"
  | "array-blocks-synced"
  | "pressure"
  | "pressure-waiting"
  | "pressure-stalled"
  | "error-log-entries"
  | "power-cycles"
  | `smart-${number}`;

export type NicSignal =
  | "rx-packets"
  | "rx-crc-errors"
  | "carrier"
  | "carrier-changes"
  | "carrier-losses"
  | "admin-up"
  | "operstate"
  | "speed"
  | "rx-bytes"
  | "tx-bytes"
  | "tx-packets"
  | "rx-errors"
  | "tx-errors"
  | "rx-dropped"
  | "tx-dropped"
  | "rx-fifo-errors"
  | "rx-frame-errors"
  | "rx-compressed"
  | "multicast"
  | "tx-fifo-errors"
  | "collisions"
  | "tx-carrier-errors"
  | "tx-compressed"
  | "carrier-gains"
  | "mtu"
  | "fec-corrected"
  | "fec-uncorrectable"
  | "symbol-errors"
  /** In dBm. */
  | "rx-power"
  | "tx-power"
  | "temperature"
  | "health";

/** Counters of errors that the hardware has put right, and of those it has not. */
export type MemorySignal =
  | "corrected-errors"
  | "uncorrected-errors"
  | "corrected-errors-unplaced"
  | "uncorrected-errors-unplaced"
  | "pressure"
  | "pressure-waiting"
  | "pressure-stalled"
  | "health";
export type PcieSignal = "corrected-errors" | "nonfatal-errors" | "fatal-errors";
/** `load` is the share of all processors' time that is busy, 0 to 1. */
export type CpuSignal = "pressure" | "pressure-waiting" | "load" | "health";

/** `-alarm` and `-fault` are the chip's own verdicts, 0 or 1; the limits are the chip's too. */
export type TemperatureSignal =
  | "temperature"
  | "temperature-max"
  | "temperature-min"
  | "temperature-critical"
  | "temperature-emergency"
  | "temperature-max-hysteresis"
  | "temperature-critical-hysteresis"
  | "temperature-alarm"
  | "temperature-max-alarm"
  | "temperature-critical-alarm"
  | "temperature-fault"
  | "health";
/** `fan-duty` is in 255ths of what the fan can be driven at. */
export type FanSignal =
  | "fan-speed"
  | "fan-min"
  | "fan-max"
  | "fan-target"
  | "fan-duty"
  | "fan-alarm"
  | "fan-fault"
  | "health";
/** `redundancy`: "ok" or "lost", or how many supplies are to spare. */
export type PowerSignal =
  | "voltage"
  | "voltage-min"
  | "voltage-max"
  | "voltage-alarm"
  | "current"
  | "current-min"
  | "current-max"
  | "current-critical"
  | "current-alarm"
  | "power"
  | "power-max"
  | "power-critical"
  | "power-alarm"
  | "energy"
  | "redundancy"
  | "health";

export type Signal =
  | DiskSignal
  | NicSignal
  | MemorySignal
  | PcieSignal
  | CpuSignal
  | TemperatureSignal
  | FanSignal
  | PowerSignal;

/**
 * Why there is no value. "missing": not there, or not offered by the device. "unreadable": asked,
 * and the answer cannot be used. "asleep": not asked, so as not to wake it. "implausible" and
 * "stuck": a value came, and cannot be believed.
 */
export type Absence = "missing" | "unreadable" | "asleep" | "implausible" | "stuck";

export interface Sensor {
  readonly component: Component;
  /** The kernel's short name: "sda", "nvme0", "eth0". */
  readonly device: string;
  /** What tells this piece of hardware, in this boot, from another of the same name. */
  readonly instance?: string;
  readonly signal: Signal;
  /** What the hardware calls it: "Core 0", "CPU_SrcID#0_Ha#0_Chan#0_DIMM#0". */
  readonly label?: string;
  /** Where it was read: a path, or a command and its device. */
  readonly source: string;
}

export interface Measured extends Sensor {
  readonly status: "ok";
  /**
   * Counts that may pass 2^53 are bigint. `health` is "passed" or "failed" by a drive; "ok",
   * "warning" or "critical" by a service processor.
   */
  readonly value: number | bigint | string;
  readonly unit?: string;
}

export interface Unavailable extends Sensor {
  readonly status: Absence;
  readonly reason: string;
}

export type Reading = Measured | Unavailable;

const INTEGER = /^-?\d{1,20}$/;
const UINT64_MAX = 2n ** 64n - 1n;

/**
 * Reads one integer of sysfs or procfs, exactly, or `undefined`. Strict, because
 * `Number("")` is 0 and `parseInt("12abc")` is 12.
 */
export function parseInteger(text: string): bigint | undefined {
  const trimmed = text.trim();
  return INTEGER.test(trimmed) ? BigInt(trimmed) : undefined;
}

/** The reading of a file that holds one unsigned 64-bit counter. */
export function counterReading(sensor: Sensor, text: string): Reading {
  const value = parseInteger(text);
  if (value === undefined) return absent(sensor, "unreadable", `Not an integer: ${quote(text)}`);
  if (value < 0n || value > UINT64_MAX) {
    return absent(sensor, "implausible", `Outside an unsigned 64-bit counter: ${value}`);
  }
  return { ...sensor, status: "ok", value };
}

export function absent(sensor: Sensor, status: Absence, reason: string): Unavailable {
  return { ...sensor, status, reason };
}

const QUOTED_CHARACTERS_MAX = 40;

/** Hostile bytes made safe for a reason: escaped, and cut. */
export function quote(text: string): string {
  return JSON.stringify(text.slice(0, QUOTED_CHARACTERS_MAX));
}
