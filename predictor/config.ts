/**
 * Thresholds and probabilities, each with where it comes from.
 * @module
 */
import type { Outlook, Rule } from "./evidence.ts";
import type { Component } from "./reading.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export interface Config {
  /** Put before every prediction's id, so that two runs never share one; 16 characters count. */
  readonly origin: string;
  /** The condition must stay away this long before a component goes one step towards healthy. */
  readonly clearMs: Readonly<Record<Component, number>>;
  /** What all statistical detectors of a host together may raise falsely. */
  readonly falseAlarmsPerHostYear: number;
  /** Samples of a counter further apart (a suspended host) are not compared. */
  readonly gapMs: number;
  /** A limit or an alarm bit must be seen this long: one reading is a spike. */
  readonly holdMs: number;
  /** How long emptying the host takes; what comes sooner is predicted while there is time. */
  readonly evacuationMs: number;
  /** So many losses of carrier within the window mean a failing link. */
  readonly carrierLosses: number;
  readonly carrierWindowMs: number;
  /** An unchanged temperature this old is a stuck sensor. */
  readonly stuckMs: number;
}

/**
 * - falseAlarmsPerHostYear: one in a hundred host-years, a tenth of what hosts really fail by.
 * - carrierLosses: three in ten minutes, as switches disable a flapping port.
 * - evacuationMs: what the demo needs for a host, with room to spare; set it to your own.
 * - clearMs, gapMs, holdMs and stuckMs are assumptions; no public data set holds them.
 */
export const DEFAULT_CONFIG: Config = {
  origin: "local",
  clearMs: {
    disk: DAY_MS,
    nic: 10 * MINUTE_MS,
    memory: DAY_MS,
    cpu: HOUR_MS,
    fan: HOUR_MS,
    power: HOUR_MS,
    temperature: 10 * MINUTE_MS,
    pcie: DAY_MS,
  },
  falseAlarmsPerHostYear: 0.01,
  gapMs: 5 * MINUTE_MS,
  holdMs: 2_000,
  evacuationMs: 15 * MINUTE_MS,
  carrierLosses: 3,
  carrierWindowMs: 10 * MINUTE_MS,
  stuckMs: DAY_MS,
};

function assumed(probability: number, horizonMs: number): Outlook {
  return { probability, horizonMs, basis: "assumed" };
}

function measured(probability: number, horizonMs: number): Outlook {
  return { probability, horizonMs, basis: "measured" };
}

/**
 * How likely and how soon, by the rule that fired. docs/prediction.md has the whole table.
 *
 * - two-of-five, measured: replaying Backblaze's drives of 2016 (536 failures), 54.5 % of the new
 *   alarms of this rule were followed by the drive's failure within 60 days; the median lead was
 *   14 days. Three or more of five were not measured apart and get the same figure.
 * - drive-model, measured: each finding has its own probability; this is that of its threshold.
 * - health, measured on few: of 478 failed drives in Backblaze's 2019 set 9 were past a vendor
 *   threshold, and no healthy one was; the rule of succession makes (9 + 1) / (9 + 2) of it.
 *   The horizon is what smartctl prints with that verdict: less than 24 hours.
 * - critical-warning and spare, assumed: the drive itself reports a loss of spare, of reliability,
 *   of writability or of cooling. Taken to weigh as much as a failed health.
 * - All others are assumed: no public failure data of adapters, fans, supplies and sensors exists.
 *   Above one half where the hardware already loses work (frames, words of memory, transactions)
 *   or says itself that it is beyond a limit; one half where a spare part still carries it.
 */
export const OUTLOOK: Readonly<Record<Rule, Outlook>> = {
  "two-of-five": measured(0.545, 60 * DAY_MS),
  "drive-model": measured(0.14, 30 * DAY_MS),
  health: measured(10 / 11, DAY_MS),
  "critical-warning": assumed(10 / 11, DAY_MS),
  spare: assumed(10 / 11, DAY_MS),
  wear: assumed(0.2, 60 * DAY_MS),
  "media-errors": assumed(0.2, 60 * DAY_MS),
  "media-error-rate": assumed(0.6, 7 * DAY_MS),
  "grown-defects": assumed(0.3, 60 * DAY_MS),
  "uncorrected-errors": assumed(0.5, 30 * DAY_MS),
  "io-errors": assumed(0.5, DAY_MS),
  "array-degraded": assumed(0.2, 7 * DAY_MS),
  "crc-errors": assumed(0.7, HOUR_MS),
  "symbol-errors": assumed(0.3, 7 * DAY_MS),
  "fec-margin": assumed(0.3, 7 * DAY_MS),
  "fec-limit": assumed(0.6, DAY_MS),
  "fec-uncorrectable": assumed(0.7, HOUR_MS),
  "fec-loss": assumed(0.2, DAY_MS),
  "carrier-losses": assumed(0.7, HOUR_MS),
  "carrier-loss-rate": assumed(0.5, DAY_MS),
  "rx-power": assumed(0.3, 7 * DAY_MS),
  "temperature-limit": assumed(0.8, 10 * MINUTE_MS),
  "temperature-trend": assumed(0.7, 15 * MINUTE_MS),
  "temperature-shift": assumed(0.2, 7 * DAY_MS),
  "fan-limit": assumed(0.5, DAY_MS),
  "fan-drift": assumed(0.2, 7 * DAY_MS),
  "power-limit": assumed(0.6, HOUR_MS),
  "memory-uncorrected": assumed(0.7, DAY_MS),
  "memory-corrected": assumed(0.15, 30 * DAY_MS),
  "pcie-uncorrected": assumed(0.6, HOUR_MS),
  "pcie-corrected": assumed(0.2, 7 * DAY_MS),
  status: assumed(0.7, HOUR_MS),
};
