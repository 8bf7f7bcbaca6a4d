/**
 * What stands of a server's devices, and why, for people and for scripts.
 * @module
 */
import { OUTLOOK } from "../predictor/config.ts";
import type { Rule } from "../predictor/evidence.ts";
import type { ServerId } from "../protocol/ids.ts";
import type { Component, Evidence, Risk } from "../protocol/prediction.ts";
import type { PredictionRecord } from "./state.ts";
import type { RiskRecord } from "./store.ts";

export interface Subject {
  readonly serverId: ServerId;
  readonly component?: Component | undefined;
  readonly device?: string | undefined;
}

/** A device that is not well, or of which a failure was predicted. */
export interface Explanation {
  readonly serverId: ServerId;
  readonly source: "agent" | "nic";
  readonly component: Component;
  readonly device: string;
  /** Undefined where only the prediction is on record. */
  readonly risk: Risk | undefined;
  /** Since when, by the wall clock. */
  readonly since: string;
  readonly prediction: PredictionRecord | undefined;
  readonly reasons: readonly Reason[];
  /** How it came there, the oldest first. */
  readonly earlier: RiskRecord["earlier"];
}

/** One signal, and the rule that judged it. */
export interface Reason extends Evidence {
  /** How far beyond its limit: value over threshold; absent where the limit is nothing. */
  readonly times?: number;
  /** The rule's own probability and horizon, and where they come from. */
  readonly outlook?: {
    readonly probability: number;
    readonly horizonMs: number;
    readonly basis: "measured" | "assumed";
  };
}

const isAbout =
  ({ serverId, component, device }: Subject) =>
  (one: { serverId: ServerId; component: Component; device: string }): boolean =>
    one.serverId === serverId &&
    (component === undefined || one.component === component) &&
    (device === undefined || one.device === device);

/** All evidence that still holds of a subject. */
export function evidenceOf(
  subject: Subject,
  risks: readonly RiskRecord[],
  predictions: readonly PredictionRecord[],
): readonly Evidence[] {
  const about = isAbout(subject);
  const told = predictions.filter((one) => one.cleared === undefined && about(one.prediction));
  const unwell = risks.filter(({ change }) => about(change));
  return [
    ...told.flatMap(({ prediction }) => prediction.evidence),
    ...unwell.flatMap(({ change }) => change.evidence),
  ];
}

/** The newest first. */
export function explain(
  subject: Subject,
  risks: readonly RiskRecord[],
  predictions: readonly PredictionRecord[],
): readonly Explanation[] {
  const about = isAbout(subject);
  const told = predictions.filter(({ prediction }) => about(prediction));
  const unwell = risks.filter(({ change }) => about(change));
  const ofRisks = unwell.map(({ change, wallTime, earlier }): Explanation => {
    const prediction = told.find((one) => isSame(one, change));
    const evidence = [...(prediction?.prediction.evidence ?? []), ...change.evidence];
    return {
      ...bareOf(change),
      risk: change.to,
      since: wallTime,
      prediction,
      earlier,
      reasons: reasonsOf(evidence),
    };
  });
  const others = told.filter((one) => !unwell.some(({ change }) => isSame(one, change)));
  const ofPredictions = others.map(
    (one): Explanation => ({
      ...bareOf(one.prediction),
      risk: undefined,
      since: one.wallTime,
      prediction: one,
      earlier: [],
      reasons: reasonsOf(one.prediction.evidence),
    }),
  );
  return [...ofRisks, ...ofPredictions].sort((a, b) => (a.since < b.since ? 1 : -1));
}

type Bare = Pick<Explanation, "serverId" | "source" | "component" | "device">;

function bareOf({ serverId, source, component, device }: Bare): Bare {
  return { serverId, source, component, device };
}

function isSame({ prediction }: PredictionRecord, one: Bare): boolean {
  return (["serverId", "source", "component", "device"] as const).every(
    (field) => prediction[field] === one[field],
  );
}

/** Whose probability differs from finding to finding: the prediction has it. */
const OWN_OUTLOOK: readonly (string | undefined)[] = [undefined, "drive-model"];

/** Each signal of each rule once, the first time it was told. */
function reasonsOf(evidence: readonly Evidence[]): Reason[] {
  const seen = new Set<string>();
  return evidence.flatMap((one) => {
    const key = `${one.rule}/${one.signal}`;
    if (seen.has(key)) return [];
    seen.add(key);
    const outlook = OWN_OUTLOOK.includes(one.rule) ? undefined : OUTLOOK[one.rule as Rule];
    const beyond = one.threshold > 0 ? { times: one.value / one.threshold } : {};
    return [{ ...one, ...beyond, ...(outlook === undefined ? {} : { outlook }) }];
  });
}
