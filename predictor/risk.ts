/**
 * From findings to the risk of one component.
 *
 *   unknown <--> healthy <--cleared-- suspect <--cleared-- failing
 *      |------------- a rule fires, at once, to the risk it names ---->
 *
 * Unknown is where a component begins, and where a healthy one goes while no rule can see.
 * Rule 1: up at once, down one step at a time, after the condition stayed away for `clearMs`.
 * Rule 2: a rule that cannot see holds the risk it raised: a sensor gone silent heals nothing.
 * Rule 3: a prediction is made when a component starts failing, and when evidence of a kind not
 * yet told joins; never because the same evidence is seen again.
 */
import { type Config, OUTLOOK } from "./config.ts";
import {
  type Effect,
  type Evidence,
  type Finding,
  isWorse,
  type Prediction,
  type Risk,
  type Rule,
} from "./evidence.ts";
import type { Component } from "./reading.ts";

export interface RiskState {
  readonly risk: Risk;
  /** Rules that raised the risk and have not been seen clear since. */
  readonly raisedBy: readonly Rule[];
  /** Signals already told in a prediction of this failing. */
  readonly told: readonly string[];
  /** Since when the condition has stayed away. */
  readonly clearSinceMs: number | undefined;
  /** Predictions made of this component. */
  readonly sequence: number;
}

export const UNKNOWN: RiskState = {
  risk: "unknown",
  raisedBy: [],
  told: [],
  clearSinceMs: undefined,
  sequence: 0,
};

export interface Subject {
  readonly component: Component;
  readonly device: string;
  readonly atMs: number;
}

export type RiskStep = readonly [state: RiskState, effects: readonly Effect[]];

export function assess(
  state: RiskState,
  findings: readonly Finding[],
  subject: Subject,
  config: Config,
): RiskStep {
  const seen = worst(findings);
  if (isWorse(state.risk, seen)) return lower(state, findings, subject, config);
  const raised = raise(state, seen, findings);
  const effects: Effect[] = [];
  if (raised.risk !== state.risk) effects.push(change(state.risk, raised.risk, findings, subject));
  if (seen !== "failing") return [raised, effects];
  const firing = findings.filter(({ risk }) => risk === "failing");
  const signals = firing.flatMap(({ evidence }) => evidence.map(({ signal }) => signal));
  const told = [...new Set([...raised.told, ...signals])];
  if (told.length === raised.told.length) return [raised, effects];
  const sequence = raised.sequence + 1;
  const prediction = predict(firing, sequence, subject, config);
  effects.push({ type: "prediction", prediction });
  return [{ ...raised, told, sequence }, effects];
}

function raise(state: RiskState, risk: Risk, findings: readonly Finding[]): RiskState {
  const firing = findings.filter((finding) => finding.risk === risk && risk !== "healthy");
  const before = risk === state.risk ? state.raisedBy : [];
  const raisedBy = [...new Set([...before, ...firing.map(({ rule }) => rule)])];
  const told = risk === "failing" ? state.told : [];
  return { ...state, risk, raisedBy, told, clearSinceMs: undefined };
}

function lower(
  state: RiskState,
  findings: readonly Finding[],
  subject: Subject,
  config: Config,
): RiskStep {
  if (state.risk === "healthy") {
    return [{ ...state, risk: "unknown" }, [change("healthy", "unknown", findings, subject)]];
  }
  const blind = findings.some(({ rule, known }) => !known && state.raisedBy.includes(rule));
  if (blind) return [{ ...state, clearSinceMs: undefined }, []];
  const clearSinceMs = state.clearSinceMs ?? subject.atMs;
  if (subject.atMs - clearSinceMs < config.clearMs[subject.component]) {
    return [{ ...state, clearSinceMs }, []];
  }
  const risk: Risk = state.risk === "failing" ? "suspect" : "healthy";
  const next = { ...state, risk, told: [], clearSinceMs: subject.atMs };
  return [next, [change(state.risk, risk, findings, subject)]];
}

function change(from: Risk, to: Risk, findings: readonly Finding[], subject: Subject): Effect {
  const evidence = evidenceOf(findings);
  return { type: "risk", ...subject, from, to, evidence };
}

/** The likeliest rule speaks for all: the rules are not independent, so nothing is multiplied. */
function predict(
  firing: readonly Finding[],
  sequence: number,
  { component, device, atMs }: Subject,
  config: Config,
): Prediction {
  const outlooks = firing.map(({ rule }) => OUTLOOK[rule]);
  const { probability, horizonMs } = outlooks.reduce((best, outlook) =>
    outlook.probability > best.probability ? outlook : best,
  );
  const id = `${config.origin}/${component}/${device}/${sequence}`;
  const evidence = evidenceOf(firing);
  return { id, component, device, sequence, atMs, probability, horizonMs, evidence };
}

function evidenceOf(findings: readonly Finding[]): readonly Evidence[] {
  return findings.flatMap(({ evidence }) => evidence);
}

/** A rule that cannot see says nothing, unless what little it sees is already evidence. */
function worst(findings: readonly Finding[]): Risk {
  return findings
    .filter(({ known, evidence }) => known || evidence.length > 0)
    .reduce<Risk>(
      (risk, finding) => (isWorse(finding.risk, risk) ? finding.risk : risk),
      "unknown",
    );
}
