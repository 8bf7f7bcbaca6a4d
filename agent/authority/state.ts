/**
 * What an agent knows about its authority over VMs: the durable part, which its journal holds,
 * and the volatile part, which a new life of the agent finds out again.
 * @module
 */
import { z } from "zod";
import type {
  Burn,
  CancelMigration,
  Grant,
  GuestState,
  MigrateOut,
  Prepare,
  Released,
  Retire,
  StopVm,
  VmReport,
} from "../../protocol/authority.ts";
import { releaseReason } from "../../protocol/authority.ts";
import { frozenDefinition } from "../../protocol/definition.ts";
import type { BootId, HostId, StreamId, Term, VmId } from "../../protocol/ids.ts";
import { bootId, hostId, operationId, streamId, term, token, vmId } from "../../protocol/ids.ts";
import {
  type DropReplica,
  type HoldReplica,
  type Promotion,
  type Protect,
  protect,
  REPLICAS_MAX,
  type ReplicaReport,
  type SealReplica,
} from "../../protocol/replication.ts";

/**
 * A host's standing towards one VM. The arrows are the only ways; each is one journal record.
 *
 *   none, void, stopped, burnt, released --GRANTED--> active
 *   none, burnt --INCOMING--> incoming --ACTIVE--> active
 *                             incoming --BURNT--> burnt
 *   active --OUTGOING--> active --RELEASED--> released
 *                        active --REFUSED--> active
 *   active --STOPPED--> stopped      active --VOID--> void (the host booted anew)
 *   anything below the term of a retire --RETIRED--> none
 *   active --CUT--> active, about to be stopped --CONTINUED--> active
 *
 * Beside its standing a host may keep replicas of a VM (REPLICA, SEALED, DROPPED: replica.ts), and
 * one that is active may send cuts to others (PROTECT).
 */
export const stance = z.discriminatedUnion("phase", [
  z.strictObject({ phase: z.literal("none") }),
  z.strictObject({ phase: z.literal("active"), term, bootId, epoch: z.int() }),
  z.strictObject({
    phase: z.literal("incoming"),
    term,
    bootId,
    stream: streamId,
    sagaId: operationId,
    source: hostId,
  }),
  z.strictObject({
    phase: z.literal("released"),
    term,
    toTerm: term,
    stream: streamId,
    target: hostId,
    reason: releaseReason,
    epoch: z.int(),
  }),
  z.strictObject({ phase: z.literal("burnt"), term }),
  z.strictObject({ phase: z.literal("void"), term }),
  z.strictObject({ phase: z.literal("stopped"), term }),
]);
export type Stance = z.infer<typeof stance>;

/** A move out of this host that was accepted and neither released nor refused yet. */
export const outgoing = z.strictObject({
  sagaId: operationId,
  toTerm: term,
  stream: streamId,
  target: hostId,
});
export type Outgoing = z.infer<typeof outgoing>;

/** One image file of a disk; its number names QEMU's node and never comes again in a chain. */
export const diskLayer = z.strictObject({
  layer: z.int().nonnegative(),
  path: z.string(),
  format: z.enum(["raw", "qcow2"]),
});
/** Image files of one disk, lowest first. The last is written; the others never change. */
/** Moves that were refused leave layers behind; a record of more would not be read again. */
export const LAYERS_MAX = 64;
export const chain = z.array(diskLayer).min(1).max(LAYERS_MAX);
/** By disk id. Our own record: backing names inside image files decide nothing. */
export const chains = z.record(z.string(), chain);
export type Chains = z.infer<typeof chains>;

/** A replica of a VM that runs elsewhere; `whole`: it had a restore point once. */
export const durableReplica = z.strictObject({
  stream: streamId,
  term,
  primary: hostId,
  token,
  /** By the highest term that sealed it; 0: by none. */
  sealed: term,
  whole: z.boolean(),
});
export type DurableReplica = z.infer<typeof durableReplica>;

/** What the journal holds of one VM. */
export const durableVm = z.strictObject({
  vmId,
  /** The highest term heard of; every command, frame and connection of a lower one is refused. */
  termSeen: term,
  /** The highest term that this host, as a source, refused to hand over to. */
  refusedTerm: term,
  stance,
  outgoing: outgoing.optional(),
  /**
   * The guest stands, or is about to, because of this agent: for a cut, or until a grant is
   * carried out. Not known to be continued since; a new life of the agent continues it.
   */
  stoppedByAgent: z.boolean(),
  definition: frozenDefinition.optional(),
  chains: chains.optional(),
  /** Of the newest cut that was begun here; 0: of none. */
  cut: z.int().nonnegative().default(0),
  /** active: to whom cuts go. */
  protect: protect.optional(),
  /** Oldest first. */
  replicas: z.array(durableReplica).max(REPLICAS_MAX).default([]),
});
export type DurableVm = z.infer<typeof durableVm>;

/** What was decided; the record holds the VM as it is from then on. */
export const act = z.enum([
  "GRANTED",
  "INCOMING",
  "ACTIVE",
  "BURNT",
  "OUTGOING",
  "RELEASED",
  "REFUSED",
  "STOPPED",
  "VOID",
  "RETIRED",
  "HEARD",
  "CUT",
  "CONTINUED",
  "CHAINS",
  "REPLICA",
  "SEALED",
  "DROPPED",
  "PROTECT",
]);
export type Act = z.infer<typeof act>;

export const record = z.discriminatedUnion("type", [
  /** A new life of the agent: the first record it writes. */
  z.strictObject({ type: z.literal("life"), life: z.int().positive(), bootId }),
  z.strictObject({ type: z.literal("vm"), act, vm: durableVm }),
]);
export type Record = z.infer<typeof record>;

/** One VM: the journalled part and what this life of the agent has found out. */
export interface VmState extends DurableVm {
  readonly version: number;
  readonly guest: GuestState;
  readonly verified: boolean;
  readonly reason?: string;
  /** incoming: the listener's address, the newest complete epoch, and what waits for its load. */
  readonly address?: string;
  readonly completeEpoch: number;
  /** incoming: that epoch is the last one, so that its load is under way or done. */
  readonly lastComplete: boolean;
  readonly awaitingLoad?: Released;
  /** What this life has found in the stores of replicas. */
  readonly found: Readonly<{ [stream: StreamId]: ReplicaFound }>;
}

/** Of a replica's store, as its shell found it. */
export type ReplicaFound = Pick<ReplicaReport, "state" | "address" | "newest" | "settled"> &
  Readonly<{ reason?: string }>;

export interface State {
  readonly hostId: HostId;
  readonly bootId: BootId;
  readonly life: number;
  readonly vms: Readonly<{ [id: VmId]: VmState }>;
}

/** What a guest's process was found doing when the agent started. */
export type Found = "running" | "paused" | "incoming";

export type Event =
  /** The first event of a life: what the journal held is in the state already. */
  | Readonly<{ type: "recovered"; found: Readonly<{ [id: VmId]: Found }> }>
  | Grant
  | Prepare
  | MigrateOut
  | CancelMigration
  | Released
  | Burn
  | Retire
  | StopVm
  | HoldReplica
  | SealReplica
  | DropReplica
  | Protect
  /** A replica's store was opened, got a restore point, was sealed, or broke. */
  | Readonly<{ type: "replica-found"; vmId: VmId; stream: StreamId; found: ReplicaFound }>
  /** The guest's process: begun and still stopped, running, ended. */
  | Readonly<{ type: "guest-running"; vmId: VmId }>
  | Readonly<{ type: "guest-verified"; vmId: VmId }>
  | Readonly<{ type: "guest-failed"; vmId: VmId; reason: string }>
  | Readonly<{ type: "guest-died"; vmId: VmId; reason: string }>
  /** The disks' files, as they are used from now on. */
  | Readonly<{ type: "chains"; vmId: VmId; chains: Chains }>
  /** Source: before a cut stops the guest, and after it was continued. */
  | Readonly<{ type: "cut"; vmId: VmId; chains: Chains }>
  | Readonly<{ type: "cut-over"; vmId: VmId }>
  /** Source: what the stream has come to. `last-acked` implies that the guest is stopped. */
  | Readonly<{ type: "epoch-acked"; vmId: VmId; stream: StreamId; epoch: number }>
  | Readonly<{ type: "last-acked"; vmId: VmId; stream: StreamId; epoch: number }>
  | Readonly<{ type: "stream-failed"; vmId: VmId; stream: StreamId; reason: string }>
  /** Target: ready for the stream, an epoch is whole, the state is in the guest's process. */
  | Readonly<{ type: "prepared"; vmId: VmId; stream: StreamId; address: string; chains: Chains }>
  | Readonly<{
      type: "epoch-complete";
      vmId: VmId;
      stream: StreamId;
      epoch: number;
      kind: "fuzzy" | "cut" | "last";
    }>
  | Readonly<{ type: "epoch-loaded"; vmId: VmId; stream: StreamId; epoch: number }>
  | Readonly<{ type: "incoming-failed"; vmId: VmId; stream: StreamId; reason: string }>
  /** The coordinator's link came up: it is told everything. */
  | Readonly<{ type: "report-all" }>;

/** Performed in order; what follows a `journal` is performed only once the record is durable. */
export type Effect = Readonly<
  | { type: "journal"; record: Record }
  | { type: "start-guest"; vmId: VmId; term: Term; definition: Definition; chains?: Chains }
  /** Makes the guest from a replica that is here, stopped; then as `start-guest`. */
  | {
      type: "restore-guest";
      vmId: VmId;
      term: Term;
      definition: Definition;
      promotion: Promotion;
    }
  | { type: "continue-guest"; vmId: VmId }
  | { type: "end-guest"; vmId: VmId }
  | { type: "verify-guest"; vmId: VmId }
  /** Removes RAM files and images of our own making; images that an operator gave stay. */
  | { type: "sweep"; vmId: VmId; chains?: Chains; quarantine: boolean }
  | { type: "receive"; prepare: Prepare }
  | { type: "load-epoch"; vmId: VmId; stream: StreamId; epoch: number }
  | { type: "end-receive"; vmId: VmId; stream: StreamId; reason: string }
  | { type: "stream"; migrateOut: MigrateOut }
  | { type: "end-stream"; vmId: VmId; stream: StreamId; reason: string }
  /** On the data link, straight to the other end; the coordinator hears by the report. */
  | { type: "send-ack"; vmId: VmId; stream: StreamId; epoch: number }
  | { type: "send-released"; released: Released }
  | { type: "send-active"; vmId: VmId; stream: StreamId; term: Term }
  /** Takes the frames of a replica's stream, from where its store is; nothing if it does. */
  | { type: "hold-replica"; vmId: VmId; replica: DurableReplica; definition: Definition }
  | { type: "seal-replicas"; vmId: VmId; term: Term }
  | { type: "drop-replica"; vmId: VmId; stream: StreamId }
  /** Cuts go to whom the state says, from now on; to nobody if it does not say. */
  | { type: "protect"; vmId: VmId }
  | { type: "report"; report: VmReport }
  | { type: "refuse"; vmId: VmId; command: string; term: Term; code: RefusalCode; reason: string }
>;

export type RefusalCode = "TERM_STALE" | "STATE_CONFLICT" | "HOST_UNKNOWN";
type Definition = NonNullable<DurableVm["definition"]>;

export type Step = readonly [state: State, effects: readonly Effect[]];

/** The newest durable state of each VM, and the last life: a fold over the journal. */
export function replay(records: readonly Record[]): {
  readonly life: number;
  readonly vms: readonly DurableVm[];
} {
  const vms = new Map<VmId, DurableVm>();
  let life = 0;
  for (const entry of records) {
    if (entry.type === "life") life = entry.life;
    else vms.set(entry.vm.vmId, entry.vm);
  }
  return { life, vms: [...vms.values()] };
}

/** A VM as a new life of the agent begins with it. */
export function fromDurable(vm: DurableVm, life: number): VmState {
  return {
    ...vm,
    version: life * VERSIONS_A_LIFE,
    guest: "absent",
    verified: false,
    completeEpoch: -1,
    lastComplete: false,
    found: {},
  };
}

/** Versions of reports grow over lives of the agent, so that a late report of an earlier one is
 * known for what it is. */
export const VERSIONS_A_LIFE = 1_000_000;

export function unknownVm(id: VmId, life: number): VmState {
  return fromDurable(
    {
      vmId: id,
      termSeen: 0,
      refusedTerm: 0,
      stance: { phase: "none" },
      stoppedByAgent: false,
      cut: 0,
      replicas: [],
    },
    life,
  );
}

export function durableOf(vm: VmState): DurableVm {
  const { vmId: id, termSeen, refusedTerm, stance: at, stoppedByAgent } = vm;
  return {
    vmId: id,
    termSeen,
    refusedTerm,
    stance: at,
    stoppedByAgent,
    ...(vm.outgoing === undefined ? {} : { outgoing: vm.outgoing }),
    ...(vm.definition === undefined ? {} : { definition: vm.definition }),
    ...(vm.chains === undefined ? {} : { chains: vm.chains }),
    cut: vm.cut,
    ...(vm.protect === undefined ? {} : { protect: vm.protect }),
    replicas: vm.replicas,
  };
}
