/**
 * A failover on record: which term seals the replicas, which of them was chosen, and why nothing
 * runs where the VM ran before.
 * @module
 */
import { z } from "zod";
import { hostId, operationId, streamId, term, vmId } from "../protocol/ids.ts";
import { promotionProof, restorePoint } from "../protocol/replication.ts";

/**
 *   sealing --the newest is known--> promoting --it runs--> verifying --it is verified--> done
 *      |  ^                              |                      |
 *      |  +--- it did not come up: -----+----------------------+
 *      |       a higher term, the next best
 *      +--nothing can be promoted--> held --a replica is heard of--> sealing
 *
 * Without a proof that the VM's host runs nothing, a failover ends and nothing was granted.
 */
export const failoverPhase = z.enum(["sealing", "held", "promoting", "verifying", "done"]);
export type FailoverPhase = z.infer<typeof failoverPhase>;

/** The replica that was chosen. */
export const chosenReplica = z.strictObject({
  hostId,
  stream: streamId,
  /** Of its stream, and the restore point in it. */
  term,
  point: restorePoint,
});
export type ChosenReplica = z.infer<typeof chosenReplica>;

export const failoverRecord = z.strictObject({
  failoverId: operationId,
  vmId,
  primary: hostId,
  /** Seals the replicas, and is granted to one of them. */
  term,
  phase: failoverPhase,
  /** Begun by the coordinator itself: nobody waits for an answer. */
  automatic: z.boolean(),
  allowStale: z.boolean(),
  chosen: chosenReplica.optional(),
  proof: promotionProof.optional(),
  /** Streams that did not come up, and hosts that were granted a term in this failover. */
  tried: z.array(streamId).max(64),
  granted: z.array(hostId).max(64),
  /** Hosts with a replica that could not be asked. */
  unheard: z.array(hostId).max(16),
  outcome: z.enum(["moved", "failed"]).optional(),
  reason: z.string().max(1_024).optional(),
  lost: z.string().max(1_024).optional(),
});
export type FailoverRecord = z.infer<typeof failoverRecord>;

export interface Failover extends FailoverRecord {
  /** When the phase began, and when its messages were last sent. */
  readonly sinceMs: number;
  readonly sentAtMs: number;
}

export function failoverOf(record: FailoverRecord, atMs: number): Failover {
  return { ...record, sinceMs: atMs, sentAtMs: Number.NEGATIVE_INFINITY };
}

export function failoverRecordOf(failover: Failover): FailoverRecord {
  const { sinceMs: _since, sentAtMs: _sent, ...record } = failover;
  return record;
}
