/**
 * What the predictor says: findings with the evidence a person can check.
 * @module
 */
import type { Absence, Component, Signal } from "./reading.ts";

/** One measured fact behind a prediction. `text` is a sentence; the numbers are for machines. */
export interface Evidence {
  readonly signal: Signal;
  readonly value: number;
  readonly threshold: number;
  readonly unit?: string;
  readonly text: string;
  /** Set once it leaves its finding. */
  readonly rule?: Rule;
}

/** "unknown" until a rule could see: a component that says nothing is not healthy. */
export type Risk = "unknown" | "healthy" | "suspect" | "failing";
const SEVERITY: Readonly<Record<Risk, number>> = { unknown: 0, healthy: 1, suspect: 2, failing: 3 };

export function isWorse(risk: Risk, than: Risk): boolean {
  return SEVERITY[risk] > SEVERITY[than];
}

export type Rule =
  | "two-of-five"
  | "drive-model"
  | "health"
  | "critical-warning"
  | "spare"
  | "wear"
  | "media-errors"
  | "media-error-rate"
  | "grown-defects"
  | "uncorrected-errors"
  | "io-errors"
  | "array-degraded"
  | "crc-errors"
  | "symbol-errors"
  | "fec-margin"
  | "fec-limit"
  | "fec-uncorrectable"
  | "fec-loss"
  | "carrier-losses"
  | "carrier-loss-rate"
  | "rx-power"
  | "temperature-limit"
  | "temperature-trend"
  | "temperature-shift"
  | "fan-limit"
  | "fan-drift"
  | "power-limit"
  | "memory-uncorrected"
  | "memory-corrected"
  | "pcie-uncorrected"
  | "pcie-corrected"
  | "status";

/** How likely, how soon, and where the figure comes from. */
export interface Outlook {
  readonly probability: number;
  readonly horizonMs: number;
  /** "measured": how often it came true in data. "assumed": nobody has published such data. */
  readonly basis: "measured" | "assumed";
}

/** What one rule sees now. `known` is false where its signals do not allow a verdict. */
export interface Finding {
  readonly rule: Rule;
  readonly known: boolean;
  readonly risk: Risk;
  readonly evidence: readonly Evidence[];
  /** Where the rule knows better than OUTLOOK in config.ts. */
  readonly outlook?: Outlook;
}

/** A rule that sees nothing wrong, or (`known` false) cannot see. */
export function quiet(rule: Rule, known = true): Finding {
  return { rule, known, risk: "healthy", evidence: [] };
}

/** A rule that fires on one fact. */
export function fires(rule: Rule, risk: "suspect" | "failing", ...evidence: Evidence[]): Finding {
  return { rule, known: true, risk, evidence };
}

/** A component is expected to fail within `horizonMs`, with `probability` (0 to 1). */
export interface Prediction {
  /** Run, component, device and sequence: the same prediction, once. An `operationId`. */
  readonly id: string;
  readonly component: Component;
  readonly device: string;
  readonly sequence: number;
  readonly atMs: number;
  readonly probability: number;
  readonly horizonMs: number;
  readonly basis: Outlook["basis"];
  readonly evidence: readonly Evidence[];
}

export type Effect = Readonly<
  | { type: "prediction"; prediction: Prediction }
  | {
      type: "risk";
      component: Component;
      device: string;
      from: Risk;
      to: Risk;
      atMs: number;
      evidence: readonly Evidence[];
    }
  | {
      type: "sensor";
      component: Component;
      device: string;
      signal: Signal;
      status: Absence | "ok";
      reason: string;
      atMs: number;
    }
>;
