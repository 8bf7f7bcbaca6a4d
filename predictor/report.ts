/**
 * What the predictor found, in the words of the protocol.
 * @module
 */
import type { OperationId, ServerId } from "../protocol/ids.ts";
import type { Reliable } from "../protocol/message.ts";
import type { Telemetry } from "../protocol/prediction.ts";
import type { Effect, Evidence, Prediction } from "./evidence.ts";
import { risks, type State } from "./predictor.ts";

export interface Reporter {
  readonly serverId: ServerId;
  readonly source: "agent" | "nic";
}

/** The bounds of protocol/prediction.ts; a report beyond them would be refused for ever. */
const TEXT_CHARACTERS_MAX = 1_024;
const EVIDENCE_MAX = 16;

/** What to deliver of an effect. */
export function reportOf(effect: Effect, reporter: Reporter): Reliable {
  switch (effect.type) {
    case "prediction":
      return predictionReport(effect.prediction, reporter);
    case "sensor": {
      const { component, device, signal, status, reason } = effect;
      const sensor = cut(`${component}/${device}/${signal}`);
      const { serverId } = reporter;
      return { type: "sensor-fault", serverId, sensor, status, reason: cut(reason) };
    }
    case "risk": {
      const { component, device, from, to, evidence } = effect;
      const subject = { ...reporter, component, device: cut(device) };
      return { type: "risk-change", ...subject, from, to, evidence: evidenceReport(evidence) };
    }
  }
}

function evidenceReport(evidence: readonly Evidence[]): Evidence[] {
  return evidence
    .slice(0, EVIDENCE_MAX)
    .map(({ text, ...measured }) => ({ ...measured, text: cut(text) }));
}

function predictionReport(
  { id, component, device, probability, horizonMs, basis, evidence }: Prediction,
  reporter: Reporter,
): Reliable {
  return {
    type: "prediction",
    predictionId: id as OperationId,
    ...reporter,
    component,
    device: cut(device),
    probability,
    horizonMs,
    basis,
    evidence: evidenceReport(evidence),
  };
}

/** The newest state of a server, as its predictor sees it. */
export function telemetryOf(state: State, serverId: ServerId, residentBytes: number): Telemetry {
  const sensors = Object.values(state.components).flatMap((one) => Object.values(one.sensors));
  return {
    type: "telemetry",
    serverId,
    risk: Math.max(0, ...risks(state).map(({ probability }) => probability)),
    sensors: sensors.length,
    sensorFaults: sensors.filter(({ status }) => status !== "ok").length,
    residentBytes,
  };
}

/** Text within the protocol's bound. */
export function cut(text: string): string {
  return text.slice(0, TEXT_CHARACTERS_MAX);
}
