/**
 * Fencing: a host's server is switched off by its service processor, and what proves that it is.
 * @module
 */
import { z } from "zod";
import { type HostId, hostId, operationId, serverId, text } from "./ids.ts";

/** Switch a host's server off, and prove it. Answered when it has ended, with the proof. */
export const fence = z.strictObject({
  type: z.literal("fence"),
  operationId,
  hostId,
  /** As typed by the operator; it must be the host's. */
  serverId,
  /** Its agent speaks, and it shall be switched off all the same. */
  evenIfConnected: z.boolean(),
  /** Guests are believed to run there, and they shall end. */
  guestsWillStop: z.boolean(),
  /** Say what would be done, and do nothing. */
  dryRun: z.boolean(),
});

/**
 * Whose NIC firmware the management server hears, the whole of it at every change. A server that
 * was in a list and is missing in the next has fallen silent; of others nothing is known.
 */
export const nicLinks = z.strictObject({
  type: z.literal("nic-links"),
  /** Grows with each list of one life of the management server; an older one is ignored. */
  version: z.int().nonnegative(),
  up: z.array(serverId).max(10_000),
  /** Of those that were lost: how long ago something was heard last. A loss is noticed late. */
  lost: z
    .array(z.strictObject({ serverId, silentMs: z.number().nonnegative() }))
    .max(10_000)
    .optional(),
});

/** What besides the service processor says that the server is off. */
export const offSign = z.enum(["agent-silent", "nic-firmware-silent", "peer-silent"]);

const offRead = z.strictObject({
  /** Milliseconds of the coordinator's clock since the service processor took `ForceOff`. */
  afterMs: z.number().nonnegative(),
  uuid: z.string().max(64),
  power: z.literal("Off"),
});
export type OffRead = z.infer<typeof offRead>;

/** That a server was off: kept with its host, and whole in the time line. */
export const offProof = z.strictObject({
  operationId,
  hostId,
  serverId,
  /** Of the machine, by its service processor and by the configuration. */
  uuid: z.string().max(64),
  /** automatic: the coordinator suspected the host, and its policy allows it. */
  by: z.enum(["operator", "automatic"]),
  reads: z.array(offRead).min(1).max(100),
  signs: z.array(offSign).min(1),
});
export type OffProof = z.infer<typeof offProof>;

/** Somebody has looked. */
export const offByWord = z.strictObject({ by: z.literal("operator"), reason: text });
export const offByFence = z.strictObject({
  by: z.literal("fence"),
  reason: text,
  proof: offProof,
});

/** Why nothing can run on a host: void once the host is heard of again. */
export const hostOff = z.discriminatedUnion("by", [offByWord, offByFence]);
export type HostOff = z.infer<typeof hostOff>;

/** Reads of `Off` that a proof has at least, and the time between the first and the last. */
export const OFF_READS_MIN = 3;
export const OFF_READS_MS_MIN = 2_000;

/** What a proof lacks to prove that this host is off; undefined: nothing. */
export function offProofFault(proof: OffProof, hostId: HostId): string | undefined {
  if (proof.hostId !== hostId) return `The proof is of ${proof.hostId}, not of ${hostId}`;
  const { reads, uuid } = proof;
  const other = reads.find((read) => read.uuid !== uuid);
  if (other !== undefined) return `A read is of machine ${other.uuid}, not of ${uuid}`;
  if (reads.length < OFF_READS_MIN) return `${reads.length} reads of Off are no proof`;
  const times = reads.map(({ afterMs }) => afterMs);
  if (times.some((time, index) => index > 0 && time <= times[index - 1]!)) {
    return "The reads are not one after the other";
  }
  const spanMs = times.at(-1)! - times[0]!;
  if (spanMs < OFF_READS_MS_MIN) return `Reads within ${spanMs} ms are no proof`;
  if (!proof.signs.some((sign) => sign !== "agent-silent")) {
    return "A service processor alone proves nothing: there is no independent sign";
  }
  return undefined;
}
