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
  type Outlook,
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
  /** Of failing, by the likeliest rule that fired; 0 for any other risk. */
  readonly probability: number;
}

export const UNKNOWN: RiskState = {
  risk: "unknown",
  raisedBy: [],
  told: [],
  clearSinceMs: undefined,
  probability: 0,
};

/** What is left of a risk whose cause was acknowledged: it may go down at the next look. */
export function forgiven(state: RiskState): RiskState {
  return { ...state, clearSinceMs: Number.NEGATIVE_INFINITY };
}

export interface Subject {
  readonly component: Component;
  readonly device: string;
  readonly atMs: number;
  /** The number of its next prediction. */
  readonly sequence: number;
}

export type RiskStep = readonly [state: RiskState, effects: readonly Effect[]];

export function assess(
  state: RiskState,
  findings: readonly Finding[],
  subject: Subject,
  config: Config,
): RiskStep {
  const seen = worstOf(findings);
  if (isWorse(state.risk, seen)) return lower(state, findings, subject, config);
  const raised = raise(state, seen, findings);
  const effects: Effect[] = [];
  if (raised.risk !== state.risk) effects.push(change(state.risk, raised.risk, findings, subject));
  if (seen !== "failing") return [raised, effects];
  const firing = findings.filter(({ risk }) => risk === "failing");
  const signals = firing.flatMap(({ evidence }) => evidence.map(({ signal }) => signal));
  if (signals.every((signal) => raised.told.includes(signal))) return [raised, effects];
  const told = [...new Set([...raised.told, ...signals])];
  effects.push({ type: "prediction", prediction: predict(firing, subject, config) });
  return [{ ...raised, told }, effects];
}

function raise(state: RiskState, risk: Risk, findings: readonly Finding[]): RiskState {
  if (risk === "healthy" && state.risk === "healthy") return state;
  const firing = findings.filter((finding) => finding.risk === risk && risk !== "healthy");
  const before = risk === state.risk ? state.raisedBy : [];
  const raisedBy = [...new Set([...before, ...firing.map(({ rule }) => rule)])];
  const told = risk === "failing" ? state.told : [];
  const now = risk === "failing" ? outlookOf(firing).probability : 0;
  const probability = risk === state.risk ? Math.max(now, state.probability) : now;
  return { risk, raisedBy, told, clearSinceMs: undefined, probability };
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
  const next = { ...state, risk, told: [], clearSinceMs: subject.atMs, probability: 0 };
  return [next, [change(state.risk, risk, findings, subject)]];
}

function change(from: Risk, to: Risk, findings: readonly Finding[], subject: Subject): Effect {
  const { component, device, atMs } = subject;
  return { type: "risk", component, device, atMs, from, to, evidence: evidenceOf(findings) };
}

function predict(firing: readonly Finding[], subject: Subject, config: Config): Prediction {
  const { component, device, atMs, sequence } = subject;
  const outlook = outlookOf(firing);
  const id = idOf(config.origin, subject);
  return { id, component, device, sequence, atMs, ...outlook, evidence: evidenceOf(firing) };
}

/** The likeliest rule speaks for all: the rules are not independent, so nothing is multiplied. */
function outlookOf(firing: readonly Finding[]): Outlook {
  return firing
    .map(({ rule, outlook }) => outlook ?? OUTLOOK[rule])
    .reduce((best, outlook) => (outlook.probability > best.probability ? outlook : best));
}

const ORIGIN_CHARACTERS_MAX = 16;
const DEVICE_CHARACTERS_MAX = 24;

/** Fits `operationId`. The sequence alone makes it unique in a run; the rest is for people. */
function idOf(origin: string, { component, device, sequence }: Subject): string {
  const plain = (text: string, most: number): string =>
    text
      .toLowerCase()
      .replace(/[^a-z0-9-]/g, "-")
      .slice(0, most);
  const run = plain(origin, ORIGIN_CHARACTERS_MAX);
  return `${run}-${component}-${plain(device, DEVICE_CHARACTERS_MAX)}-${sequence}`;
}

function evidenceOf(findings: readonly Finding[]): readonly Evidence[] {
  return findings.flatMap(({ rule, evidence }) => evidence.map((one) => ({ ...one, rule })));
}

/** A rule that cannot see says nothing, unless what little it sees is already evidence. */
function worstOf(findings: readonly Finding[]): Risk {
  let worst: Risk = "unknown";
  for (const { risk, known, evidence } of findings) {
    if ((known || evidence.length > 0) && isWorse(risk, worst)) worst = risk;
  }
  return worst;
}
