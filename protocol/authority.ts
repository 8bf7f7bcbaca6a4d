/**
 * Who may run a VM, and how that changes hands: coordinator and agents. Every message is
 * idempotent; a report carries the whole of what an agent has journalled for a VM, so that a
 * lost, repeated or late one does no harm.
 * @module
 */
import { z } from "zod";
import { frozenDefinition, guestDefinition } from "./definition.ts";
import {
  address,
  bootId,
  hostId,
  operationId,
  serverId,
  streamId,
  term,
  text,
  token,
  vmId,
} from "./ids.ts";
import { promotion, REPLICAS_MAX, replicaReport } from "./replication.ts";

/** Why a source may not run the VM again: it handed it over, or the guest is proven dead. */
export const releaseReason = z.enum(["moved", "died"]);
export type ReleaseReason = z.infer<typeof releaseReason>;

/**
 * What an agent's journal says of one VM.
 * - none: nothing of it may run here.
 * - active: this host runs it under `term`.
 * - incoming: conditional grant of `term`; runs only after the source's RELEASED.
 * - released: this host ran it under `term` and gave it up to `toTerm`.
 * - burnt: `term` was offered here and will never be used here.
 * - void: this host's grant of `term` ended with a reboot.
 * - stopped: the guest was ended by an operator or ended itself; `term` is still this host's.
 */
export const phase = z.enum(["none", "active", "incoming", "released", "burnt", "void", "stopped"]);
export type Phase = z.infer<typeof phase>;

export const guestState = z.enum(["absent", "starting", "running", "paused", "incoming", "loaded"]);
export type GuestState = z.infer<typeof guestState>;

export const vmReport = z.strictObject({
  vmId,
  /** Grows with every report of this agent about this VM; an older one is ignored. */
  version: z.int().nonnegative(),
  phase,
  term,
  /** The highest term this agent has heard of. */
  termSeen: term,
  /** The highest term that this agent, as a source, refused to hand over to. */
  refusedTerm: term,
  guest: guestState,
  definition: frozenDefinition.optional(),
  /** incoming: where the stream is received, once prepared. */
  address: address.optional(),
  stream: streamId.optional(),
  toTerm: term.optional(),
  releaseReason: releaseReason.optional(),
  /** released: the last epoch acknowledged; active after a move: the epoch it resumed from. */
  epoch: z.int().min(-1).optional(),
  /** active: the guest was seen to run. */
  verified: z.boolean(),
  /** The running migration out of this host, until it is released or refused. */
  outgoingTerm: term.optional(),
  /** Replicas of the VM that are kept here, newest stream last. */
  replicas: z.array(replicaReport).max(REPLICAS_MAX).optional(),
  /** active: the version of the newest `protect` that was taken. */
  protectVersion: z.int().positive().optional(),
  /** Why the last change happened, for people. */
  reason: text.optional(),
});
export type VmReport = z.infer<typeof vmReport>;

export const agentCapabilities = z.strictObject({
  qemuVersion: z.string().max(32),
  accelerator: z.enum(["tcg", "kvm"]),
  acceleratorReason: text,
  cpuFlags: z.array(z.string().max(32)).max(512),
  /** It listens beyond loopback, without encryption. */
  insecureNetwork: z.boolean().optional(),
});
export type AgentCapabilities = z.infer<typeof agentCapabilities>;

export const capacity = z.strictObject({
  /** Memory this host offers to guests, with their shadows, and what of it is taken. */
  memoryBytes: z.int().nonnegative(),
  memoryUsedBytes: z.int().nonnegative(),
  diskFreeBytes: z.int().nonnegative(),
});
export type Capacity = z.infer<typeof capacity>;

/** The whole of an agent's authority, at every connection. */
export const inventory = z.strictObject({
  type: z.literal("inventory"),
  hostId,
  serverId,
  bootId,
  agentVersion: z.string().max(32),
  capabilities: agentCapabilities,
  capacity,
  /** `host:port` of its data listener: where other hosts may look whether its kernel lives. */
  address: address.optional(),
  vms: z.array(vmReport).max(10_000),
});
export type Inventory = z.infer<typeof inventory>;

/** What changed for one VM, the moment it was durable. */
export const vmReportMessage = z.strictObject({
  type: z.literal("vm-report"),
  hostId,
  bootId,
  capacity,
  report: vmReport,
});

/** An agent did not do what it was told, and why; the command had no effect. */
export const refusal = z.strictObject({
  type: z.literal("refusal"),
  hostId,
  vmId,
  command: z.string().max(32),
  term,
  code: z.string().max(32),
  reason: text,
});
export type Refusal = z.infer<typeof refusal>;

/** What would this definition be on your host, exactly? Answered by `frozen`; nothing changes. */
export const freeze = z.strictObject({
  type: z.literal("freeze"),
  operationId,
  definition: guestDefinition,
});
export type Freeze = z.infer<typeof freeze>;

export const frozen = z.strictObject({
  type: z.literal("frozen"),
  operationId,
  definition: frozenDefinition.optional(),
  code: z.string().max(32).optional(),
  reason: text.optional(),
});
export type Frozen = z.infer<typeof frozen>;

/** The right to run a VM here and now; starts or continues it. */
export const grant = z.strictObject({
  type: z.literal("grant"),
  vmId,
  term,
  hostId,
  bootId,
  /**
   * first: from the definition's own images; again: only from a chain recorded on this host;
   * replica: from a replica on this host, sealed by this term.
   */
  start: z.enum(["first", "again", "replica"]),
  definition: frozenDefinition,
  /** start: replica. */
  promotion: promotion.optional(),
});
export type Grant = z.infer<typeof grant>;

/** The conditional grant to a target, with what it must make ready. Answered by a report. */
export const prepare = z.strictObject({
  type: z.literal("prepare"),
  sagaId: operationId,
  vmId,
  /** The term the target gets, once the source has released. */
  term,
  stream: streamId,
  source: hostId,
  token,
  definition: frozenDefinition,
  /** The stream is that of a replica on this host, and one last epoch of it will come. */
  replica: z.boolean().optional(),
});
export type Prepare = z.infer<typeof prepare>;

/** Limits of one migration, from the policy or the operator. */
export const migrationLimits = z.strictObject({
  /** A last pause predicted above this is refused. */
  pauseMsMax: z.int().positive(),
  /** Rounds before the last that may be spent on making it small. */
  roundsMax: z.int().min(1).max(1_000),
});
export type MigrationLimits = z.infer<typeof migrationLimits>;

/** The same conditional grant to the source, which streams and then releases or refuses. */
export const migrateOut = z.strictObject({
  type: z.literal("migrate-out"),
  sagaId: operationId,
  vmId,
  /** The term under which the source runs the VM. */
  term,
  toTerm: term,
  stream: streamId,
  target: hostId,
  address,
  token,
  limits: migrationLimits,
  /** The stream is that of a secondary: its next epoch is the last. */
  replica: z.boolean().optional(),
});
export type MigrateOut = z.infer<typeof migrateOut>;

/** Refuse `toTerm` for good, unless it is released already. Answered by a report. */
export const cancelMigration = z.strictObject({
  type: z.literal("cancel-migration"),
  vmId,
  term,
  toTerm: term,
  reason: text,
});
export type CancelMigration = z.infer<typeof cancelMigration>;

/** The source's RELEASED, on its way to the target: from the source itself or relayed. */
export const released = z.strictObject({
  type: z.literal("released"),
  vmId,
  term,
  toTerm: term,
  stream: streamId,
  reason: releaseReason,
  epoch: z.int().min(-1),
});
export type Released = z.infer<typeof released>;

/** Never use `term` here, unless it is active already. Answered by a report. */
export const burn = z.strictObject({ type: z.literal("burn"), vmId, term, reason: text });
export type Burn = z.infer<typeof burn>;

/** Authority is elsewhere, at `term` or above: end what is kept of the VM below it. */
export const retire = z.strictObject({ type: z.literal("retire"), vmId, term });
export type Retire = z.infer<typeof retire>;

/** End the guest; the host keeps its term, so that it can be granted again. */
export const stopVm = z.strictObject({ type: z.literal("stop-vm"), vmId, term });
export type StopVm = z.infer<typeof stopVm>;

/** The parts of a last pause, in milliseconds of the source's clock. */
export const pauseParts = z.strictObject({
  stop: z.number().nonnegative(),
  scan: z.number().nonnegative(),
  state: z.number().nonnegative(),
  encode: z.number().nonnegative(),
  send: z.number().nonnegative(),
  apply: z.number().nonnegative(),
  release: z.number().nonnegative(),
  activate: z.number().nonnegative(),
});
export type PauseParts = z.infer<typeof pauseParts>;

/** How a move is going; a newer one replaces an older one. */
export const migrationProgress = z.strictObject({
  type: z.literal("migration-progress"),
  vmId,
  sagaId: operationId,
  round: z.int().nonnegative(),
  stage: z.enum(["full", "round", "last", "done"]),
  bytesRaw: z.int().nonnegative(),
  bytesSent: z.int().nonnegative(),
  memoryBytes: z.int().nonnegative(),
  /** Of the current round. */
  doneBytes: z.int().nonnegative(),
  expectedPauseMs: z.number().nonnegative().optional(),
  lastPauseMs: z.number().nonnegative().optional(),
  pauseParts: pauseParts.optional(),
});
export type MigrationProgress = z.infer<typeof migrationProgress>;
