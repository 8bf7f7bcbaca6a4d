/**
 * What the management server knows and has decided: predictions, evacuations and settings are
 * durable; the fleet is what the coordinator said last.
 * @module
 */
import { z } from "zod";
import type { Fleet, HostVms, MigrationResult } from "../protocol/evacuation.ts";
import {
  type HostId,
  hostId,
  type OperationId,
  operationId,
  type Principal,
  type ServerId,
  serverId,
  type VmId,
  vmId,
} from "../protocol/ids.ts";
import type { Message } from "../protocol/message.ts";
import { type Ask, mode } from "../protocol/operator.ts";
import {
  type Prediction,
  type PredictionCleared,
  prediction,
  predictionCleared,
} from "../protocol/prediction.ts";
import type { AlarmRecord, Alarms, FailureRecord, WordAsk } from "./alarm.ts";
import type { Acknowledge, BaselineRecord } from "./baseline.ts";
import type { PlaceRecord, Places } from "./place.ts";
import type { Review, RulesChange, RulesRecord } from "./rules/record.ts";
import type { AllRules } from "./rules/standing.ts";

export const predictionRecord = z.strictObject({
  prediction,
  from: z.string().max(80),
  /** Wall-clock time of its arrival, for people. */
  wallTime: z.string().max(32),
  /** What it led to; absent while its server's host is unknown, or not looked at yet. */
  decision: z.string().max(1_024).optional(),
  /** It holds no more: nothing follows from it. */
  cleared: z
    .strictObject({
      cause: predictionCleared.shape.cause,
      reason: z.string().max(1_024),
      wallTime: z.string().max(32),
    })
    .optional(),
});
export type PredictionRecord = z.infer<typeof predictionRecord>;

export const move = z.strictObject({
  vmId,
  name: z.string().max(64),
  memoryBytes: z.int().positive(),
  target: hostId.optional(),
  /** The operation id given to the coordinator; a new one for each attempt. */
  operationId: operationId.optional(),
  attempts: z.int().nonnegative(),
  state: z.enum(["pending", "running", "moved", "failed", "blocked", "cancelled"]),
  /** Why this target, or why none. */
  reason: z.string().max(1_024),
  lost: z.string().max(1_024).optional(),
});
export type Move = z.infer<typeof move>;

/**
 *   queued --one host at a time--> identifying --host-vms--> moving --every VM settled--> done
 *                                      |                        |
 *                                      +-- shadow: planned -----+--> done
 *
 * A coordinator that is away leaves it where it is; it goes on when the coordinator is back.
 */
export const evacuationRecord = z.strictObject({
  evacuationId: operationId,
  hostId,
  serverId,
  cause: z.enum(["prediction", "operator"]),
  predictionId: operationId.optional(),
  phase: z.enum(["queued", "identifying", "moving", "done"]),
  /** Plan and write down, but do nothing. */
  planOnly: z.boolean(),
  /** An operator wants it to end: nothing new is started, and what runs is to stop. */
  cancelled: z.boolean().optional(),
  vmIds: z.array(vmId).optional(),
  target: hostId.optional(),
  pauseMsMax: z.int().positive(),
  moves: z.array(move),
  outcome: z.enum(["evacuated", "partial", "failed", "planned", "cancelled", "nothing"]).optional(),
  reason: z.string().max(1_024),
});
export type EvacuationRecord = z.infer<typeof evacuationRecord>;

export interface Evacuation extends EvacuationRecord {
  /** When a blocked or failed move may be tried again. */
  readonly retryAtMs: number;
  /** Who waits for the plan of a dry run. */
  readonly askedBy?: OperationId;
}

export const settings = z.strictObject({
  mode,
  disarmed: z.boolean(),
  /** Which host runs on which server, as the coordinator said last. */
  hosts: z.record(z.string(), serverId),
});
export type Settings = z.infer<typeof settings>;

export interface ActivePrediction extends PredictionRecord {
  readonly atMs: number;
}

export interface State {
  readonly settings: Settings;
  /** The newest of each server, source and component. */
  readonly predictions: Readonly<{ [key: string]: ActivePrediction }>;
  readonly alarms: Alarms;
  readonly baselines: Readonly<{ [baselineId: string]: BaselineRecord }>;
  readonly evacuations: Readonly<{ [id: OperationId]: Evacuation }>;
  /** Of the VMs that have rules. */
  readonly rules: AllRules;
  /** Of the VMs that are protected. */
  readonly places: Places;
  readonly fleet: Fleet | undefined;
  readonly coordinatorUp: boolean;
}

type At<Body> = Body & { readonly atMs: number };

export type Event = At<
  | Readonly<{ type: "prediction"; from: Principal; prediction: Prediction; wallTime: string }>
  | Readonly<{ type: "prediction-cleared"; cleared: PredictionCleared; wallTime: string }>
  | Readonly<{ type: "coordinator-up" }>
  | Readonly<{ type: "coordinator-down" }>
  | Fleet
  | HostVms
  | MigrationResult
  | Readonly<{ type: "tick" }>
  /** An operator put a host back into service: what was predicted of its server is over. */
  | Readonly<{ type: "uncordoned"; hostId: HostId; wallTime: string }>
  | Acknowledge
  | Review
  | RulesChange
  | Readonly<{ type: "word"; operationId: OperationId; ask: WordAsk; wallTime: string }>
  | Readonly<{ type: "ask"; operationId: OperationId; ask: DecidedAsk }>
>;

/** What needs a decision; the rest is answered from the state or by the coordinator. */
export type DecidedAsk = Extract<Ask, { method: "mode" | "disarm" | "evacuate" | "cancel" }>;

/** Performed in order; what follows a `save` is performed only once that is durable. */
export type Effect = Readonly<
  | { type: "save-prediction"; record: PredictionRecord }
  | { type: "save-alarm"; alarm: AlarmRecord }
  | { type: "save-baseline"; record: BaselineRecord }
  | { type: "forget-baseline"; baselineId: string }
  /** All of a server's, to its agent. */
  | { type: "send-baselines"; serverId: ServerId }
  | { type: "save-failure"; failure: FailureRecord }
  | { type: "save-evacuation"; evacuation: EvacuationRecord }
  | { type: "save-rules"; record: RulesRecord }
  | { type: "forget-rules"; vmId: VmId }
  | { type: "save-settings"; settings: Settings }
  | { type: "save-place"; record: PlaceRecord }
  | { type: "forget-place"; vmId: string }
  /** By `keyOf`. */
  | { type: "forget-prediction"; key: string }
  | { type: "send-coordinator"; message: Message; causedBy: OperationId }
  | { type: "note"; message: string; subject: string; text: string; causedBy?: OperationId }
  | { type: "answer"; operationId: OperationId; result: unknown }
  | { type: "answer-error"; operationId: OperationId; code: string; reason: string }
>;

export type Step = readonly [state: State, effects: readonly Effect[]];

export interface Config {
  /** Below this a prediction is shown, and nothing is done. */
  readonly probabilityMin: number;
  /** At most max(1, this share) of hosts evacuate at once. */
  readonly hostsShareMax: number;
  readonly streamsMax: number;
  readonly attemptsMax: number;
  readonly retryMs: number;
  /** So many servers predicted to fail within the window are taken for a sensor fault. */
  readonly stampedeServers: number;
  readonly stampedeShare: number;
  readonly stampedeWindowMs: number;
  readonly pauseMsMax: number;
  readonly roundsMax: number;
  readonly evacuationsKept: number;
}

export const DEFAULTS: Config = {
  probabilityMin: 0.3,
  hostsShareMax: 0.05,
  streamsMax: 2,
  attemptsMax: 3,
  retryMs: 2_000,
  stampedeServers: 3,
  stampedeShare: 0.05,
  stampedeWindowMs: 600_000,
  pauseMsMax: 1_000,
  roundsMax: 20,
  evacuationsKept: 1_000,
};

type Subject = Pick<Prediction, "serverId" | "source" | "component" | "device">;

export function keyOf({ serverId: server, source, component, device }: Subject): string {
  return `${server}/${source}/${component}/${device}`;
}

export function putEvacuation(state: State, evacuation: Evacuation): State {
  const { evacuationId } = evacuation;
  return { ...state, evacuations: { ...state.evacuations, [evacuationId]: evacuation } };
}

export function save(evacuation: Evacuation): Effect {
  return { type: "save-evacuation", evacuation: recordOf(evacuation) };
}

/** What is kept of an evacuation, and told of it. */
export function recordOf(evacuation: Evacuation): EvacuationRecord {
  const { retryAtMs: _retry, askedBy: _asked, ...record } = evacuation;
  return record;
}

export function hostOfServer(state: State, server: ServerId): HostId | undefined {
  const entry = Object.entries(state.settings.hosts).find(([, on]) => on === server);
  return entry?.[0] as HostId | undefined;
}

export type { HostId, ServerId, VmId };
