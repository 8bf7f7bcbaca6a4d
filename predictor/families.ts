/**
 * Which rules look at which readings.
 *
 * The readings of one device may come from several sources, each at its own pace: a disk's from
 * smartctl and from the kernel. A family of rules belongs to one source: it judges when its
 * signals come, and what it found stands until they come again.
 * @module
 */
import { judgeDisk } from "./disk.ts";
import { type DriveWatch, judgeDrive, NO_DRIVE } from "./drive.ts";
import type { Finding, Rule } from "./evidence.ts";
import { FAN_SERIES, judgeFan, NO_FAN } from "./fan.ts";
import { judgeMemory, MEMORY_SERIES, NO_MEMORY } from "./memory.ts";
import { EMPTY_HISTORY, judgeNic, NIC_SERIES } from "./nic.ts";
import { judgePcie, NO_PCIE, PCIE_SERIES } from "./pcie.ts";
import { judgePower, NO_POWER } from "./power.ts";
import type { Component, Reading, Signal } from "./reading.ts";
import type { Situation } from "./situation.ts";
import { judgeStatus, NO_STATUS } from "./status.ts";
import { judgeArray, judgeErrors, NO_ERRORS } from "./storage.ts";
import { judgeTemperature, NO_TEMPERATURE, TEMPERATURE_SERIES } from "./temperature.ts";
import { DISK_SERIES, judgeWear, NO_WEAR, type WearHistory } from "./wear.ts";

export interface Family<History = unknown> {
  /** One of these signals, with or without a value, makes the family judge. */
  readonly speaks: (signal: Signal) => boolean;
  readonly start: History;
  /** What of a history must outlive the program, and how it is taken up again. */
  readonly past?: {
    of(history: History): DriveWatch;
    resume(history: History, past: DriveWatch): History;
  };
  /** A finding that is not given again stands. */
  judge(
    history: History,
    readings: readonly Reading[],
    situation: Situation,
  ): readonly [History, readonly Finding[]];
}

function family<History>(one: Family<History>): Family {
  return one;
}

const SMART: readonly Signal[] = [
  "health",
  "critical-warning",
  "media-errors",
  "percentage-used",
  "available-spare",
  "grown-defects",
  "uncorrected-errors",
];

const smart = family<{ readonly wear: WearHistory; readonly drive: DriveWatch }>({
  speaks: (signal) => SMART.includes(signal) || signal.startsWith("smart-"),
  start: { wear: NO_WEAR, drive: NO_DRIVE },
  past: { of: ({ drive }) => drive, resume: (history, drive) => ({ ...history, drive }) },
  judge(history, readings, situation) {
    const [wear, findings] = judgeWear(history.wear, readings, situation);
    const [drive, learnt] = judgeDrive(history.drive, readings, situation);
    return [{ wear, drive }, [...judgeDisk(readings, situation.accepted), learnt, ...findings]];
  },
});

const status = family({
  speaks: (signal) => signal === "health",
  start: NO_STATUS,
  judge: judgeStatus,
});

const isSensor = (signal: Signal): boolean => signal !== "health";
const isErrors = (signal: Signal): boolean => signal.endsWith("-errors");

/** What judges each component, and by how many statistical detectors. */
export const FAMILIES: Readonly<Record<Component, readonly Family[]>> = {
  disk: [
    smart,
    family({
      speaks: (signal) => signal === "io-errors",
      start: NO_ERRORS,
      judge: judgeErrors,
    }),
    family({
      speaks: (signal) => signal === "array-degraded",
      start: undefined,
      judge: judgeArray,
    }),
  ],
  nic: [family({ speaks: isSensor, start: EMPTY_HISTORY, judge: judgeNic }), status],
  memory: [family({ speaks: isErrors, start: NO_MEMORY, judge: judgeMemory }), status],
  temperature: [
    family({
      speaks: isSensor,
      start: NO_TEMPERATURE,
      judge: judgeTemperature,
    }),
    status,
  ],
  fan: [family({ speaks: isSensor, start: NO_FAN, judge: judgeFan }), status],
  power: [family({ speaks: isSensor, start: NO_POWER, judge: judgePower }), status],
  pcie: [family({ speaks: isErrors, start: NO_PCIE, judge: judgePcie }), status],
  cpu: [status],
};

export const SERIES: Readonly<Record<Component, number>> = {
  disk: DISK_SERIES,
  nic: NIC_SERIES,
  memory: MEMORY_SERIES,
  temperature: TEMPERATURE_SERIES,
  fan: FAN_SERIES,
  power: 0,
  pcie: PCIE_SERIES,
  cpu: 0,
};

/** The rules whose false alarms are bounded by the budget of a host, all together. */
export const STATISTICAL_RULES: readonly Rule[] = [
  "crc-errors",
  "symbol-errors",
  "fec-margin",
  "fec-limit",
  "fec-uncorrectable",
  "carrier-loss-rate",
  "rx-power",
  "memory-corrected",
  "pcie-corrected",
  "media-error-rate",
  "temperature-trend",
  "temperature-shift",
  "fan-drift",
];
