/**
 * Thresholds and probabilities, each with where it comes from.
 * @module
 */
import type { Rule } from "./evidence.ts";
import type { Component } from "./reading.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export interface Outlook {
  readonly probability: number;
  readonly horizonMs: number;
}

export interface Config {
  /** Put before every prediction's id, so that two runs never share one; 16 characters count. */
  readonly origin: string;
  /** The condition must stay away this long before a component goes one step towards healthy. */
  readonly clearMs: Readonly<Record<Component, number>>;
  /** CRC errors a frame, above which a link is failing, and for how long. */
  readonly crcErrorsPerFrame: number;
  readonly crcWindowMs: number;
  /** Fewer frames than this in the window say nothing about the link. */
  readonly framesMin: number;
  /** So many losses of carrier within the window mean a failing link. */
  readonly carrierLosses: number;
  readonly carrierWindowMs: number;
  /** An unchanged temperature this old is a stuck sensor. */
  readonly stuckMs: number;
}

/**
 * - crcErrorsPerFrame 1e-8 and crcWindowMs: corruption does not depend on load and is stable in
 *   time (Zhuo et al., SIGCOMM 2017), so the rate is tested, not the count.
 * - carrierLosses: three in ten minutes, as switches disable a flapping port.
 * - clearMs, framesMin and stuckMs are assumptions; no public data set holds them.
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
  crcErrorsPerFrame: 1e-8,
  crcWindowMs: MINUTE_MS,
  framesMin: 1_000,
  carrierLosses: 3,
  carrierWindowMs: 10 * MINUTE_MS,
  stuckMs: DAY_MS,
};

/**
 * How likely and how soon, by the rule that fired.
 *
 * - two-of-five, measured: replaying Backblaze's drives of 2016 (536 failures), 54.5 % of the new
 *   alarms of this rule were followed by the drive's failure within 60 days; the median lead was
 *   14 days. Three or more of five were not measured apart and get the same figure.
 * - health, measured on few: of 478 failed drives in Backblaze's 2019 set 9 were past a vendor
 *   threshold, and no healthy one was; the rule of succession makes (9 + 1) / (9 + 2) of it.
 *   The horizon is what smartctl prints with that verdict: less than 24 hours.
 * - critical-warning, assumed: no public data; the drive itself reports a loss of spare, of
 *   reliability, of writability or of cooling. Taken to weigh as much as a failed health.
 * - crc-errors and carrier-losses, assumed: no public failure data for adapters exists. Above one
 *   half, because the link already loses frames; an hour, because corruption does not heal.
 */
export const OUTLOOK: Readonly<Record<Rule, Outlook>> = {
  "two-of-five": { probability: 0.545, horizonMs: 60 * DAY_MS },
  health: { probability: 10 / 11, horizonMs: DAY_MS },
  "critical-warning": { probability: 10 / 11, horizonMs: DAY_MS },
  "crc-errors": { probability: 0.7, horizonMs: HOUR_MS },
  "carrier-losses": { probability: 0.7, horizonMs: HOUR_MS },
};
