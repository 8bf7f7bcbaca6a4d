/**
 * What the coordinator knows: hosts, VMs, terms and sagas, which are durable, and the newest
 * report of each agent about each VM, which a new life of the coordinator hears again.
 * @module
 */
import { z } from "zod";
import type { Frozen, Inventory, MigrationProgress, Refusal } from "../protocol/authority.ts";
import {
  type agentCapabilities,
  type capacity,
  migrationLimits,
  type VmReport,
} from "../protocol/authority.ts";
import { frozenDefinition } from "../protocol/definition.ts";
import type { Detail, Migrate } from "../protocol/evacuation.ts";
import { hostOff } from "../protocol/fence.ts";
import {
  type BootId,
  type HostId,
  hostId,
  type OperationId,
  operationId,
  type ServerId,
  type StreamId,
  serverId,
  streamId,
  term,
  token,
  type VmId,
  vmId,
} from "../protocol/ids.ts";
import type { Message } from "../protocol/message.ts";
import type { Observed } from "../protocol/observe.ts";
import type { Failover, FailoverRecord } from "./failover-record.ts";
import {
  FENCE_DEFAULTS,
  type Fence,
  type FenceConfig,
  type PowerAnswered,
  type PowerAsk,
} from "./fence.ts";
import type {
  FreshIds,
  Protection,
  ProtectionRecord,
  Protections,
  Racks,
} from "./protection-record.ts";
import { SUSPICION_DEFAULTS, type Suspicion, type SuspicionConfig } from "./suspicion.ts";

export const hostRecord = z.preprocess(
  withOff,
  z.strictObject({
    hostId,
    serverId,
    cordoned: z.boolean(),
    /** Why its server counts as off; void once the host is heard again. */
    off: hostOff.optional(),
    /** Fences of it that were begun without an operator, and count for the limit a day. */
    automaticFences: z.int().positive().optional(),
  }),
);
export type HostRecord = z.infer<typeof hostRecord>;

/** A host as this life of the coordinator knows it. */
export interface Host extends HostRecord {
  /** Its inventory has come over the link that is up. */
  readonly connected: boolean;
  /** Its inventory has come since the coordinator started. */
  readonly heard: boolean;
  readonly bootId?: BootId;
  readonly capacity?: z.infer<typeof capacity>;
  readonly capabilities?: z.infer<typeof agentCapabilities>;
  /** `host:port` of its data listener, where its kernel can be looked at. */
  readonly address?: string;
  readonly reports: Readonly<{ [id: VmId]: VmReport }>;
}

export const vmRecord = z.strictObject({
  vmId,
  definition: frozenDefinition,
  /** The term in force and the host it was given to. */
  term,
  hostId,
  /** The highest term ever issued or heard of: the next one is above it. */
  termMax: term,
  desired: z.enum(["running", "stopped"]),
  /** Whether it ever ran: then only a host with its recorded disks may start it. */
  ran: z.boolean(),
});
export type VmRecord = z.infer<typeof vmRecord>;

export interface Vm extends VmRecord {
  /** Why nothing is done about a VM that does not run. */
  readonly held?: string;
  /** Grants since it last ran, and when the next may be given. */
  readonly attempts: number;
  readonly retryAtMs: number;
}

/**
 *   preparing --target ready--> moving --target ACTIVE--> verifying --runs--> retiring --> done
 *       |                         |                          |
 *       +--------+----------------+                          |
 *                v                v                          v
 *            aborting --REFUSED--> done     released and burnt, or died unverified:
 *                                           recovering --source ACTIVE again--> done
 *
 * Before the source's RELEASED every way leads to REFUSED; after it only to a higher term.
 */
export const sagaPhase = z.enum([
  "preparing",
  "moving",
  "aborting",
  "verifying",
  "recovering",
  "retiring",
  "done",
]);
export type SagaPhase = z.infer<typeof sagaPhase>;

export const sagaRecord = z.strictObject({
  sagaId: operationId,
  vmId,
  source: hostId,
  target: hostId,
  term,
  toTerm: term,
  stream: streamId,
  token,
  limits: migrationLimits,
  /** The stream is that of a replica on the target: a planned swap of roles. */
  replica: z.boolean().optional(),
  phase: sagaPhase,
  /** recovering: the term the source gets back. */
  returnTerm: term.optional(),
  outcome: z.enum(["moved", "failed", "cancelled"]).optional(),
  reason: z.string().max(1_024).optional(),
  lost: z.string().max(1_024).optional(),
});
export type SagaRecord = z.infer<typeof sagaRecord>;

export interface Saga extends SagaRecord {
  /** When the phase began, when something last moved, and when its messages were last sent. */
  readonly sinceMs: number;
  readonly movedAtMs: number;
  readonly sentAtMs: number;
}

export interface NicLinks {
  readonly version: number;
  /** Infinite for who is heard. */
  readonly silentSinceMs: { readonly [id: ServerId]: number };
}

export const NO_NIC_LINKS: NicLinks = { version: -1, silentSinceMs: {} };

/** A definition on its way to being frozen by the host that shall run it. */
export interface PendingRun {
  readonly hostId: HostId;
  readonly vmId: VmId;
  readonly atMs: number;
}

export interface State {
  readonly hosts: Readonly<{ [id: HostId]: Host }>;
  readonly vms: Readonly<{ [id: VmId]: Vm }>;
  /** Unfinished ones, and the newest finished ones for who asks again. */
  readonly sagas: Readonly<{ [id: OperationId]: Saga }>;
  readonly pendingRuns: Readonly<{ [id: OperationId]: PendingRun }>;
  /** The one fence under way. It ends with this life: then nothing is proven. */
  readonly fence?: Fence | undefined;
  /** What the management server that is linked now has said of NIC firmware: heard, or silent. */
  readonly nicLinks: NicLinks;
  /** Hosts whose agents are silent, and what is seen of them. */
  readonly suspicion: Suspicion;
  /** Begun without an operator within a day, or before this life began. */
  readonly automaticFences: readonly AutomaticFence[];
  readonly protections: Protections;
  /** The unfinished one of each VM, or else its last. */
  readonly failovers: Readonly<{ [id: VmId]: Failover }>;
  /** Of the newest event: what was not heard of since grows older by it. */
  readonly nowMs: number;
  readonly told: Told;
}

/** What the management server was last told of protection, and whether there is more to tell. */
export interface Told {
  readonly atMs: number;
  readonly states: string;
  readonly fresh: boolean;
}

export interface AutomaticFence {
  readonly hostId: HostId;
  readonly atMs: number;
}

type At<Body> = Body & { readonly atMs: number };

export type Event = At<
  | Readonly<{ type: "agent-up"; hostId: HostId }>
  | Readonly<{ type: "agent-down"; hostId: HostId }>
  | Readonly<{ type: "management-up" | "management-down" }>
  /** `fresh`: random ids for replicas that begin by this tick, each for one. */
  | Readonly<{ type: "tick"; fresh?: readonly FreshIds[] }>
  | Inventory
  | Extract<Message, { type: "vm-report" }>
  | Refusal
  /** From whom it came is needed where the message does not say it. */
  | (Frozen & { readonly hostId: HostId })
  | (MigrationProgress & { readonly hostId: HostId })
  | Extract<Message, { type: "identify-host" | "cancel-saga" | "run-vm" | "end-vm" }>
  | Extract<Message, { type: "cordon" | "declare-off" | "fence" | "nic-links" }>
  | Extract<Message, { type: "protect-vm" | "failover" | "switch-over" }>
  | Extract<Message, { type: "replica-status" | "protection-status" }>
  | PowerAnswered
  /** From which host it came. */
  | (Observed & { readonly from: HostId })
  /** With fresh random ids for the stream and its one-use token. */
  | (Migrate & { readonly stream: StreamId; readonly token: string })
>;

/** Performed in order; what follows a `save` is performed only once that is durable. */
export type Effect = Readonly<
  | { type: "save-host"; host: HostRecord }
  | { type: "save-vm"; vm: VmRecord }
  | { type: "save-saga"; saga: SagaRecord }
  | { type: "save-protection"; protection: ProtectionRecord }
  | { type: "save-failover"; failover: FailoverRecord }
  | { type: "send-agent"; hostId: HostId; message: Message; causedBy?: OperationId }
  | { type: "send-management"; message: Message }
  | { type: "note"; text: string; vmId?: VmId; causedBy?: OperationId; detail?: Detail }
  | PowerAsk
>;

export type Step = readonly [state: State, effects: readonly Effect[]];

export interface Config {
  /** A target that is not ready by then, and a stream that does not move for so long, fail. */
  readonly prepareMs: number;
  readonly stallMs: number;
  /** How often an unanswered command is sent again. */
  readonly resendMs: number;
  /** How long a source may take to clear away what it kept. */
  readonly retireMs: number;
  /** Starts of a VM that keeps dying: the first pause, doubled each time, and how many. */
  readonly restartMs: number;
  readonly restartsMax: number;
  readonly sagasKept: number;
  readonly fence: FenceConfig;
  readonly suspicion: SuspicionConfig;
  readonly automaticFence: AutomaticFencePolicy;
  /** Whether what would be lost of a VM with its host is within what was promised. */
  readonly protectedWithinRpo: (state: State, id: VmId) => boolean;
  /** Servers with a service processor, and the UUID that it must show. */
  readonly servers: { readonly [id: ServerId]: { readonly uuid: string } };
  readonly replicas: ReplicaLimits;
  /** In which rack a server is. */
  readonly racks: Racks;
}

/** When a host's server is fenced without an operator. */
export interface AutomaticFencePolicy {
  readonly enabled: boolean;
  /** Begun in a day, whatever came of them. */
  readonly perDayMax: number;
}

export interface ReplicaLimits {
  /** A secondary that is away for so long is replaced, if another host can. */
  readonly replaceMs: number;
  /** A replica of which nothing was heard for so long does not count as fresh. */
  readonly statusMs: number;
  /** How long a failover waits for seals of hosts that are connected, and of those that are not. */
  readonly sealMs: number;
  readonly sealAwayMs: number;
  /** How long a host may take to begin with a promotion. */
  readonly promoteMs: number;
}

export const REPLICA_LIMITS: ReplicaLimits = {
  replaceMs: 300_000,
  statusMs: 5_000,
  sealMs: 10_000,
  sealAwayMs: 2_000,
  promoteMs: 60_000,
};

export const DEFAULTS: Config = {
  prepareMs: 60_000,
  stallMs: 60_000,
  resendMs: 2_000,
  retireMs: 10_000,
  restartMs: 1_000,
  restartsMax: 5,
  sagasKept: 1_000,
  fence: FENCE_DEFAULTS,
  suspicion: SUSPICION_DEFAULTS,
  automaticFence: { enabled: false, perDayMax: 2 },
  protectedWithinRpo: () => false,
  servers: {},
  replicas: REPLICA_LIMITS,
  racks: {},
};

/** Stores of version 0.1 have an operator's word as a text of its own. */
function withOff(record: unknown): unknown {
  if (typeof record !== "object" || record === null || !("declaredOff" in record)) return record;
  const { declaredOff: reason, ...rest } = record;
  return { ...rest, off: { by: "operator", reason } };
}

export function hostOf(record: HostRecord): Host {
  return { ...record, connected: false, heard: false, reports: {} };
}

export function vmOf(record: VmRecord): Vm {
  return { ...record, attempts: 0, retryAtMs: 0 };
}

export function sagaOf(record: SagaRecord, atMs: number): Saga {
  return { ...record, sinceMs: atMs, movedAtMs: atMs, sentAtMs: Number.NEGATIVE_INFINITY };
}

export function hostRecordOf(host: Host): HostRecord {
  const { hostId: id, serverId: server, cordoned, off, automaticFences } = host;
  return {
    hostId: id,
    serverId: server,
    cordoned,
    ...(off === undefined ? {} : { off }),
    ...(automaticFences === undefined ? {} : { automaticFences }),
  };
}

export function vmRecordOf(vm: Vm): VmRecord {
  const { vmId: id, definition, term: now, hostId: host, termMax, desired, ran } = vm;
  return { vmId: id, definition, term: now, hostId: host, termMax, desired, ran };
}

export function sagaRecordOf(saga: Saga): SagaRecord {
  const { sinceMs: _since, movedAtMs: _moved, sentAtMs: _sent, ...record } = saga;
  return record;
}

/** The unfinished saga of a VM: there is one at most. */
export function sagaFor(state: State, id: VmId): Saga | undefined {
  return Object.values(state.sagas).find((saga) => saga.vmId === id && saga.phase !== "done");
}

/** The unfinished failover of a VM: there is one at most, and no saga beside it. */
export function failoverFor(state: State, id: VmId): Failover | undefined {
  const failover = state.failovers[id];
  return failover?.phase === "done" ? undefined : failover;
}

/** Whether something moves the VM, or brings it up elsewhere. */
export function busy(state: State, id: VmId): boolean {
  return sagaFor(state, id) !== undefined || failoverFor(state, id) !== undefined;
}

export function reportFrom(state: State, host: HostId, vm: VmId): VmReport | undefined {
  return state.hosts[host]?.reports[vm];
}

export function putSaga(state: State, saga: Saga): State {
  return { ...state, sagas: { ...state.sagas, [saga.sagaId]: saga } };
}

export function putVm(state: State, vm: Vm): State {
  return { ...state, vms: { ...state.vms, [vm.vmId]: vm } };
}

export function putProtection(state: State, protection: Protection): State {
  return { ...state, protections: { ...state.protections, [protection.vmId]: protection } };
}

export function putFailover(state: State, failover: Failover): State {
  return { ...state, failovers: { ...state.failovers, [failover.vmId]: failover } };
}
