/**
 * Warm replicas: a VM's primary sends every cut to secondaries, each of which keeps the newest two
 * on disk. Every command is idempotent and answered by the whole of what an agent has journalled.
 * @module
 */
import { z } from "zod";
import { frozenDefinition } from "./definition.ts";
import { offByFence, offByWord } from "./fence.ts";
import { address, hostId, operationId, streamId, term, text, token, vmId } from "./ids.ts";

/** Secondaries that one VM may have. */
export const SECONDARIES_MAX = 3;
/** Replicas of one VM on one host: the one that is filled, and the one that it replaces. */
export const REPLICAS_MAX = 2;

/** What an operator asks for a VM. */
export const protectionPolicy = z.strictObject({
  /** async: RAM, disks and device state of one instant; what came after the newest is lost. */
  mode: z.literal("async"),
  /** From one cut to the next; the promised recovery point is twice that. */
  intervalMs: z.int().min(100).max(3_600_000),
  secondaries: z.int().min(1).max(SECONDARIES_MAX),
  /** No two copies on one of these. */
  apart: z.enum(["server", "rack"]),
  /** To each secondary; unlimited if absent. */
  bytesPerSecondMax: z.int().min(1_024).optional(),
});
export type ProtectionPolicy = z.infer<typeof protectionPolicy>;

/** Coordinator to secondary: take this stream of frames, and keep what it comes to. */
export const holdReplica = z.strictObject({
  type: z.literal("hold-replica"),
  vmId,
  /** The primary's; the stream's frames have it. */
  term,
  stream: streamId,
  primary: hostId,
  /** Good for every link of this stream. */
  token,
  definition: frozenDefinition,
});
export type HoldReplica = z.infer<typeof holdReplica>;

/** Coordinator to secondary: take nothing below `term` any more, and say what is there. */
export const sealReplica = z.strictObject({ type: z.literal("seal-replica"), vmId, term });
export type SealReplica = z.infer<typeof sealReplica>;

/** Coordinator to secondary: this replica is of no use any more. */
export const dropReplica = z.strictObject({
  type: z.literal("drop-replica"),
  vmId,
  term,
  stream: streamId,
});
export type DropReplica = z.infer<typeof dropReplica>;

export const secondary = z.strictObject({ hostId, stream: streamId, address, token });
export type Secondary = z.infer<typeof secondary>;

/** Coordinator to primary: whom to send cuts to, and how often. No secondaries: nobody. */
export const protect = z.strictObject({
  type: z.literal("protect"),
  vmId,
  /** Under which the primary runs the VM. */
  term,
  /** A later word of the coordinator has a higher one; an earlier one is ignored. */
  version: z.int().positive(),
  intervalMs: z.int().min(100).max(3_600_000),
  bytesPerSecondMax: z.int().min(1_024).optional(),
  secondaries: z.array(secondary).max(SECONDARIES_MAX),
});
export type Protect = z.infer<typeof protect>;

/** A restore point of a replica: cut number `cut` of the term of its stream. */
export const restorePoint = z.strictObject({
  epoch: z.int().nonnegative(),
  cut: z.int().nonnegative(),
});
export type RestorePoint = z.infer<typeof restorePoint>;

/** What an agent has journalled of one replica, and what it has found in it. */
export const replicaReport = z.strictObject({
  stream: streamId,
  term,
  primary: hostId,
  /** Nothing of a lower term is taken; 0 before the first seal. */
  sealed: term,
  /** opening: not looked at yet in this life of the agent. */
  state: z.enum(["opening", "ready", "broken"]),
  /** Where its stream is taken, once it is ready. */
  address: address.optional(),
  /**
   * The newest restore point. Exact once `settled` equals `sealed`: then the seal is durable and
   * no later point can come.
   */
  newest: restorePoint.optional(),
  settled: term,
  reason: text.optional(),
});
export type ReplicaReport = z.infer<typeof replicaReport>;

export const activation = z.strictObject({
  standby: z.enum(["cold", "warm"]),
  /** From the grant on: until the VM's turn came, and all together, until the guest ran. */
  waitMs: z.number().nonnegative(),
  totalMs: z.number().nonnegative(),
  /** Manifest and newest log were proven; cold: the guest's process was started. */
  proveMs: z.number().nonnegative(),
  applyMs: z.number().nonnegative(),
  loadMs: z.number().nonnegative(),
  continueMs: z.number().nonnegative(),
});
/** How long it took to bring a guest up from a replica, by the secondary's clock. */
export type Activation = z.infer<typeof activation>;

/** Secondary to coordinator: how fresh a replica is, by its own clock. A newer one replaces it. */
export const replicaStatus = z.strictObject({
  type: z.literal("replica-status"),
  hostId,
  vmId,
  stream: streamId,
  newest: restorePoint.optional(),
  /** The newest restore point is no older than this; absent: unknown. */
  lagMs: z.number().nonnegative().optional(),
  /** cold: restored from disk; warm: RAM is in memory and a stopped QEMU waits over it. */
  standby: z.enum(["cold", "warm"]),
  /** Why no standby could be made. */
  coldReason: text.optional(),
  /** Once, after a guest was brought up from it. */
  activation: activation.optional(),
  diskBytes: z.int().nonnegative(),
  logBytes: z.int().nonnegative(),
  memoryBytes: z.int().nonnegative(),
});
export type ReplicaStatus = z.infer<typeof replicaStatus>;

/**
 * connecting: no link; filling: it has no restore point yet; protected: it has the newest cut, or
 * is about to; behind: it has an older one, and catches up.
 */
export const secondaryState = z.enum(["connecting", "filling", "protected", "behind"]);
export type SecondaryState = z.infer<typeof secondaryState>;

export const secondaryProgress = z.strictObject({
  hostId,
  stream: streamId,
  state: secondaryState,
  /** The newest cut that it acknowledged; absent: none. */
  cut: z.int().nonnegative().optional(),
  /** How long ago that cut was taken. */
  ageMs: z.number().nonnegative().optional(),
  /** Of RAM and disks: what it still lacks, of how much; an estimate. */
  pendingBytes: z.int().nonnegative(),
  totalBytes: z.int().nonnegative(),
  sentBytes: z.int().nonnegative(),
  /** Over the last seconds. */
  bytesPerSecond: z.number().nonnegative(),
  reason: text.optional(),
});
export type SecondaryProgress = z.infer<typeof secondaryProgress>;

/** Primary to coordinator: how protection goes on. A newer one replaces an older one. */
export const protectionStatus = z.strictObject({
  type: z.literal("protection-status"),
  hostId,
  vmId,
  term,
  cuts: z.int().nonnegative(),
  /** Of the newest cut, and what of RAM and disks had changed. */
  pauseMs: z.number().nonnegative().optional(),
  changedBytes: z.int().nonnegative().optional(),
  /** Why no cut is taken, when none is. */
  reason: text.optional(),
  secondaries: z.array(secondaryProgress).max(SECONDARIES_MAX),
});
export type ProtectionStatus = z.infer<typeof protectionStatus>;

/** Why the primary cannot run the VM any more: the secondary looks at it again. */
export const promotionProof = z.discriminatedUnion("by", [
  offByWord.extend({ hostId }),
  offByFence.extend({ hostId }),
  /** Its agent journalled that the guest ended, or that it gave the VM up. */
  z.strictObject({ by: z.literal("agent"), hostId, phase: z.string().max(16), term }),
]);
export type PromotionProof = z.infer<typeof promotionProof>;

/** In a grant: the guest is made from a replica on this host. */
export const promotion = z.strictObject({
  stream: streamId,
  epoch: z.int().nonnegative(),
  proof: promotionProof,
});
export type Promotion = z.infer<typeof promotion>;

/** Management to coordinator: from now on the VM is protected so; without a policy, no more. */
export const protectVm = z.strictObject({
  type: z.literal("protect-vm"),
  operationId,
  vmId,
  policy: protectionPolicy.optional(),
  dryRun: z.boolean(),
});
export type ProtectVm = z.infer<typeof protectVm>;

/** Management to coordinator: bring the VM up from its newest replica; its host is proven off. */
export const failover = z.strictObject({
  type: z.literal("failover"),
  operationId,
  vmId,
  /** Also from a replica whose newest cut is older than promised. */
  allowStale: z.boolean(),
  dryRun: z.boolean(),
});
export type Failover = z.infer<typeof failover>;

/** Management to coordinator: swap roles with this secondary by one last epoch; nothing is lost. */
export const switchOver = z.strictObject({
  type: z.literal("switch-over"),
  operationId,
  vmId,
  target: hostId,
});
export type SwitchOver = z.infer<typeof switchOver>;

/** What a guest that was made from a replica must show, besides vCPUs that advance. */
export const drillCheck = z.strictObject({
  /** Written to its virtio-serial port, with a line feed, once it runs. */
  send: z.string().min(1).max(1_024).optional(),
  /** Plain text that its port or its console must say then. */
  expect: z.string().min(1).max(256).optional(),
  withinMs: z.int().min(100).max(600_000),
});
export type DrillCheck = z.infer<typeof drillCheck>;

/** Management to coordinator: boot a copy of a replica where it reaches nothing, and look at it. */
export const drill = z.strictObject({
  type: z.literal("drill"),
  operationId,
  vmId,
  /** Whose replica; the freshest if absent. */
  hostId: hostId.optional(),
  check: drillCheck,
});
export type Drill = z.infer<typeof drill>;

/** The same to the secondary. */
export const drillReplica = z.strictObject({
  type: z.literal("drill-replica"),
  operationId,
  vmId,
  stream: streamId,
  check: drillCheck,
});
export type DrillReplica = z.infer<typeof drillReplica>;

/** What became of a drill: secondary to coordinator to management. */
export const drillResult = z.strictObject({
  type: z.literal("drill-result"),
  operationId,
  hostId,
  vmId,
  stream: streamId,
  ok: z.boolean(),
  /** Why not. */
  reason: text.optional(),
  /** The restore point that was tried. */
  point: restorePoint.optional(),
  /** To read and prove the replica; from then until the guest had shown what it must. */
  restoreMs: z.number().nonnegative().optional(),
  runMs: z.number().nonnegative().optional(),
});
export type DrillResult = z.infer<typeof drillResult>;

/** How a VM is protected, for people and rules. */
export const protectionSummary = z.strictObject({
  policy: protectionPolicy,
  state: z.enum(["protected", "degraded", "unprotected"]),
  /** Why it is not protected as asked for. */
  reason: text.optional(),
  pauseMs: z.number().nonnegative().optional(),
});
export type ProtectionSummary = z.infer<typeof protectionSummary>;

export const replicaSummary = z.strictObject({
  hostId,
  stream: streamId,
  state: z.enum(["connecting", "filling", "protected", "behind", "failed"]),
  standby: z.enum(["cold", "warm"]).optional(),
  newest: restorePoint.optional(),
  /** By the secondary's own clock, and when nothing was heard since. */
  lagMs: z.number().nonnegative().optional(),
  progress: secondaryProgress.optional(),
  diskBytes: z.int().nonnegative().optional(),
  memoryBytes: z.int().nonnegative().optional(),
  reason: text.optional(),
});
export type ReplicaSummary = z.infer<typeof replicaSummary>;
