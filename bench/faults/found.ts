/**
 * What became of an injected fault.
 * @module
 */
import type { Rule } from "../../predictor/evidence.ts";
import type { State } from "../../predictor/predictor.ts";
import type { Component } from "../../predictor/reading.ts";

/** The rules that now hold a component worse than healthy. */
export function firingRules(state: State, component: Component, device: string): readonly Rule[] {
  const findings = state.components[`${component}/${device}`]?.findings ?? [];
  return findings
    .filter(({ risk }) => risk === "suspect" || risk === "failing")
    .map(({ rule }) => rule);
}

/** Why something cannot be tried on this machine. */
export interface Missing {
  readonly missing: string;
}

/** What three real adapters came to: see tap-worker.ts. */
export interface TapReport {
  readonly predictions: readonly {
    readonly device: string;
    readonly rules: readonly Rule[];
    readonly text: string;
    /** Since the carrier was lost for the third time. */
    readonly seconds: number;
  }[];
  /** Of carrier, as the sensors read them: flapping0, managed0, steady0. */
  readonly losses: readonly number[];
  /** Frames that managed0 dropped because it was down, and how many were handed to it then. */
  readonly received: { readonly dropped: number; readonly lost: number };
  /** Frames that steady0 dropped, and how many more were sent than its queue holds. */
  readonly sent: { readonly dropped: number; readonly overflown: number };
}
