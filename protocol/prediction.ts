/**
 * What the agents and the NIC firmware say of their own server's health.
 * @module
 */
import { z } from "zod";
import { operationId, serverId, text } from "./ids.ts";
import { parameterValues } from "./parameters.ts";

const EVIDENCE_MAX = 16;

/** One signal that moved: its value against the limit that it crossed. */
export const evidence = z.strictObject({
  signal: text,
  value: z.number(),
  threshold: z.number(),
  unit: z.string().max(32).optional(),
  text,
  /** The rule that found it. */
  rule: z.string().max(32).optional(),
});
export type Evidence = z.infer<typeof evidence>;

export const component = z.enum([
  "disk",
  "nic",
  "memory",
  "cpu",
  "fan",
  "power",
  "temperature",
  "pcie",
]);
export type Component = z.infer<typeof component>;

/** Who says it: the host's agent, or a network adapter's own firmware. */
export const source = z.enum(["agent", "nic"]);
export type Source = z.infer<typeof source>;

/** A server is likely to fail: move its guests while it still runs. */
export const prediction = z.strictObject({
  type: z.literal("prediction"),
  predictionId: operationId,
  serverId,
  source,
  component,
  /** Which disk or port, as its reader names it. */
  device: text,
  /** The chance of a failure within `horizonMs`; its origin is in predictor/config.ts. */
  probability: z.number().min(0).max(1),
  horizonMs: z.int().positive(),
  /** Whether the probability was measured in data or is assumed. */
  basis: z.enum(["measured", "assumed"]).optional(),
  evidence: z.array(evidence).max(EVIDENCE_MAX),
});
export type Prediction = z.infer<typeof prediction>;

/** What was predicted of a device holds no more, by who had predicted it. */
export const predictionCleared = z.strictObject({
  type: z.literal("prediction-cleared"),
  /** The newest prediction of that device. */
  predictionId: operationId,
  serverId,
  source,
  component,
  device: text,
  /** It stayed well for long enough; other hardware is in its place; an operator accepted it. */
  cause: z.enum(["healed", "replaced", "acknowledged"]),
  reason: text,
});
export type PredictionCleared = z.infer<typeof predictionCleared>;

const risk = z.enum(["unknown", "healthy", "suspect", "failing"]);
export type Risk = z.infer<typeof risk>;

/** A device went into or out of a state that is not well. */
export const riskChange = z.strictObject({
  type: z.literal("risk-change"),
  serverId,
  source,
  component,
  device: text,
  from: risk,
  to: risk,
  evidence: z.array(evidence).max(EVIDENCE_MAX),
});
export type RiskChange = z.infer<typeof riskChange>;

/** A sensor that is absent, unreadable, stuck or implausible; never a failure, never a zero. */
export const sensorFault = z.strictObject({
  type: z.literal("sensor-fault"),
  serverId,
  sensor: text,
  status: z.string().max(32),
  reason: text,
});
export type SensorFault = z.infer<typeof sensorFault>;

/** The latest state of a server, for placement and for people; a newer one replaces it. */
export const telemetry = z.strictObject({
  type: z.literal("telemetry"),
  serverId,
  /** Highest probability of any component's failure. */
  risk: z.number().min(0).max(1),
  sensors: z.int().nonnegative(),
  sensorFaults: z.int().nonnegative(),
  /** The agent's own resident memory. */
  residentBytes: z.int().nonnegative(),
  /** An agent's operating parameters, those that are known now. */
  parameters: parameterValues.optional(),
});
export type Telemetry = z.infer<typeof telemetry>;

/** One server's. */
export const BASELINES_MAX = 256;

/** A value that an operator has acknowledged: up to it nothing is wrong. */
export const baseline = z.strictObject({
  baselineId: operationId,
  component,
  device: text,
  signal: text,
  value: z.number(),
});
export type Baseline = z.infer<typeof baseline>;

/** All that is acknowledged of a server, in the place of what was said before. */
export const baselines = z.strictObject({
  type: z.literal("baselines"),
  serverId,
  baselines: z.array(baseline).max(BASELINES_MAX),
});
export type Baselines = z.infer<typeof baselines>;

/** Which of them are durable at the agent, and which are of hardware that is not there any more. */
export const baselinesTaken = z.strictObject({
  type: z.literal("baselines-taken"),
  serverId,
  taken: z.array(operationId).max(BASELINES_MAX),
  lapsed: z.array(operationId).max(BASELINES_MAX),
});
export type BaselinesTaken = z.infer<typeof baselinesTaken>;

const DISKS_MAX = 256;

/** What a server is made of, to be compared with its peers; a newer one replaces it. */
export const serverComponents = z.strictObject({
  type: z.literal("server-components"),
  serverId,
  /** "" where nobody says. */
  model: text,
  disks: z.array(z.strictObject({ device: text, model: text })).max(DISKS_MAX),
});
export type ServerComponents = z.infer<typeof serverComponents>;
