/**
 * What the coordinator keeps of a VM's protection: what was asked for and where its replicas are,
 * which is durable, and what primary and secondaries said last, which they say again.
 * @module
 */
import { z } from "zod";
import {
  address,
  hostId,
  type ServerId,
  type StreamId,
  streamId,
  term,
  token,
  type VmId,
  vmId,
} from "../protocol/ids.ts";
import {
  type ProtectionStatus,
  protectionPolicy,
  type ReplicaStatus,
} from "../protocol/replication.ts";

/** Replicas of one VM on record: those that are filled, and those that wait to be dropped. */
export const COPIES_MAX = 16;

/** A replica as it was asked for. */
export const copyRecord = z.strictObject({
  hostId,
  stream: streamId,
  token,
  /** Of the primary that fills it. */
  term,
  primary: hostId,
  /** Where its stream is taken, once it was ready. */
  address: address.optional(),
  /** Broken, away for too long, or one too many: no cuts go there any more. */
  leaving: z.boolean(),
});
export type CopyRecord = z.infer<typeof copyRecord>;

export const protectionRecord = z.strictObject({
  vmId,
  /** Absent: it is not to be protected any more, and its replicas go. */
  policy: protectionPolicy.optional(),
  /** Of the newest word to a primary. */
  version: z.int().nonnegative(),
  copies: z.array(copyRecord).max(COPIES_MAX),
});
export type ProtectionRecord = z.infer<typeof protectionRecord>;

interface Heard<Status> {
  readonly status: Status;
  readonly atMs: number;
}

export interface Protection extends ProtectionRecord {
  readonly replicas: Readonly<{ [stream: StreamId]: Heard<ReplicaStatus> }>;
  readonly primary?: Heard<ProtectionStatus>;
  /** Since when the host of a copy is not connected. */
  readonly awaySinceMs: Readonly<{ [stream: StreamId]: number }>;
  /** When a command was last sent, by what it was. */
  readonly sentAtMs: Readonly<{ [command: string]: number }>;
  /** Why there are fewer secondaries than asked for. */
  readonly lacking?: string;
}

/** Random ids for a replica that may begin now. */
export interface FreshIds {
  readonly stream: StreamId;
  readonly token: string;
}

export function protectionOf(record: ProtectionRecord): Protection {
  return { ...record, replicas: {}, awaySinceMs: {}, sentAtMs: {} };
}

export function protectionRecordOf(protection: Protection): ProtectionRecord {
  const { vmId: id, policy, version, copies } = protection;
  const record = { vmId: id, version, copies };
  return policy === undefined ? record : { ...record, policy };
}

export type Protections = Readonly<{ [id: VmId]: Protection }>;

/** In which rack a server is. */
export type Racks = Readonly<{ [id: ServerId]: string }>;
