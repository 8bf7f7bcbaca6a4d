/**
 * What the agents and the NIC firmware say of their own server's health.
 * @module
 */
import { z } from "zod";
import { operationId, serverId, text } from "./ids.ts";

const EVIDENCE_MAX = 16;

/** One signal that moved: its value against the limit that it crossed. */
export const evidence = z.strictObject({
  signal: text,
  value: z.number(),
  threshold: z.number(),
  unit: z.string().max(32).optional(),
  text,
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

/** A server is likely to fail: move its guests while it still runs. */
export const prediction = z.strictObject({
  type: z.literal("prediction"),
  predictionId: operationId,
  serverId,
  source: z.enum(["agent", "nic"]),
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
});
export type Telemetry = z.infer<typeof telemetry>;
