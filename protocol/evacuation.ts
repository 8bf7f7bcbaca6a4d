/**
 * P1's exchange: the management server asks the coordinator who runs on a failing host, and has
 * it migrate them.
 * @module
 */
import { z } from "zod";
import { agentCapabilities, capacity, migrationLimits, phase } from "./authority.ts";
import { frozenDefinition, guestDefinition } from "./definition.ts";
import { hostOff } from "./fence.ts";
import { hostId, operationId, serverId, term, text, vmId } from "./ids.ts";
import { protectionSummary, replicaSummary } from "./replication.ts";
import { suspicion } from "./suspicion.ts";

/** Which host is meant: the coordinator answers with its VMs. */
export const identifyHost = z.strictObject({
  type: z.literal("identify-host"),
  operationId,
  hostId,
});

export const vmSummary = z.strictObject({
  vmId,
  name: text,
  memoryBytes: z.int().positive(),
  hostId: hostId.optional(),
  term,
  phase,
  guest: z.string().max(16),
  /** The running saga, if any. */
  sagaId: operationId.optional(),
  /** Why nothing runs, when nothing does. */
  held: text.optional(),
  definition: frozenDefinition,
  protection: protectionSummary.optional(),
  replicas: z.array(replicaSummary).max(16).optional(),
});
export type VmSummary = z.infer<typeof vmSummary>;

export const hostSummary = z.strictObject({
  hostId,
  serverId,
  connected: z.boolean(),
  /** Heard since the coordinator started; of others nothing may be assumed. */
  heard: z.boolean(),
  cordoned: z.boolean(),
  /** Why its server counts as off, until the host is heard again. */
  off: hostOff.optional(),
  /** What is thought of it while its agent is silent. */
  suspicion: suspicion.optional(),
  capacity: capacity.optional(),
  capabilities: agentCapabilities.optional(),
});
export type HostSummary = z.infer<typeof hostSummary>;

/** The VMs that a host runs, by the coordinator's record. */
export const hostVms = z.strictObject({
  type: z.literal("host-vms"),
  operationId,
  hostId,
  known: z.boolean(),
  vms: z.array(vmSummary).max(10_000),
});
export type HostVms = z.infer<typeof hostVms>;

/** Move one VM; the saga takes the operation's id. */
export const migrate = z.strictObject({
  type: z.literal("migrate"),
  operationId,
  vmId,
  target: hostId,
  limits: migrationLimits,
});
export type Migrate = z.infer<typeof migrate>;

/** End a migration before its point of no return. */
export const cancelSaga = z.strictObject({
  type: z.literal("cancel-saga"),
  operationId,
  reason: text,
});

/** What became of one `migrate`. */
export const migrationResult = z.strictObject({
  type: z.literal("migration-result"),
  operationId,
  vmId,
  outcome: z.enum(["moved", "failed", "cancelled"]),
  reason: text,
  from: hostId,
  to: hostId,
  /** The term now in force. */
  term,
  /** What was lost, when the newest complete epoch was promoted or the guest cold-booted. */
  lost: text.optional(),
});
export type MigrationResult = z.infer<typeof migrationResult>;

export const cordon = z.strictObject({
  type: z.literal("cordon"),
  operationId,
  hostId,
  cordoned: z.boolean(),
});

/**
 * An operator's word that a server is off and stays off until it is heard of again: who typed its
 * name has looked. It is the proof that nothing runs there.
 */
export const declareOff = z.strictObject({
  type: z.literal("declare-off"),
  operationId,
  hostId,
  /** As typed by the operator; it must be the host's. */
  serverId,
  reason: text,
});

export const runVm = z.strictObject({
  type: z.literal("run-vm"),
  operationId,
  hostId,
  definition: guestDefinition,
});

export const endVm = z.strictObject({ type: z.literal("end-vm"), operationId, vmId });

/** Text of a guest's serial console from an offset; negative counts from the end. */
export const readConsole = z.strictObject({
  type: z.literal("read-console"),
  operationId,
  vmId,
  offset: z.int(),
});

export const CONSOLE_BYTES_MAX = 32_768;

export const consoleText = z.strictObject({
  type: z.literal("console-text"),
  operationId,
  vmId,
  /** Where `base64` begins and the log ends, in bytes. */
  offset: z.int().nonnegative(),
  size: z.int().nonnegative(),
  base64: z.string().max(Math.ceil((CONSOLE_BYTES_MAX * 4) / 3) + 4),
});
export type ConsoleText = z.infer<typeof consoleText>;

const detail = z.record(z.string(), z.json());
/** What a program adds for scripts, and for whoever reads the time line closely. */
export type Detail = z.infer<typeof detail>;

/** The answer to an operation that has no answer of its own. */
export const operationResult = z.strictObject({
  type: z.literal("operation-result"),
  operationId,
  ok: z.boolean(),
  code: z.string().max(32).optional(),
  reason: text.optional(),
  /** What was asked for, or what came of it; its shape by the question: docs/protocol.md. */
  detail: detail.optional(),
});
export type OperationResult = z.infer<typeof operationResult>;

/** Hosts and VMs as the coordinator has them; a newer one replaces an older one. */
export const fleet = z.strictObject({
  type: z.literal("fleet"),
  hosts: z.array(hostSummary).max(10_000),
  vms: z.array(vmSummary).max(100_000),
  /** The coordinator listens beyond loopback, without encryption. */
  insecureNetwork: z.boolean().optional(),
});
export type Fleet = z.infer<typeof fleet>;

/** A message the coordinator sent or took, or a state it entered, for the event stream. */
export const trace = z.strictObject({
  type: z.literal("trace"),
  message: z.string().max(64),
  from: z.string().max(80),
  to: z.string().max(80),
  causedBy: operationId.optional(),
  vmId: vmId.optional(),
  text: text.optional(),
  detail: detail.optional(),
});
export type Trace = z.infer<typeof trace>;
