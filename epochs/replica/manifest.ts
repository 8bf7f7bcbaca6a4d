/**
 * The manifest of a replica: what of it is true. Two slots of 8 KiB, written in turn; the valid one
 * with the higher sequence holds. A write touches one slot, so a torn one leaves the other.
 *
 * One slot, little-endian:
 *
 *   offset size
 *        0    4  magic "LBRM"
 *        4    2  version, 2
 *        6    2  reserved, 0
 *        8    8  sequence, from 1
 *       16    4  length of the record
 *       20    4  reserved, 0
 *       24       the record as JSON, then zeros
 *     8160   32  SHA-256 of all before
 * @module
 */
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { z } from "zod";
import { rootHash } from "../../protocol/epoch.ts";
import { SystemError } from "../../protocol/error.ts";
import { streamId, term, vmId } from "../../protocol/ids.ts";
import { parseWith } from "../../protocol/message.ts";

export const SLOT_BYTES = 8_192;
export const MANIFEST_BYTES = 2 * SLOT_BYTES;
/** Epochs in the log; then no further one is begun until some are folded. */
export const LOG_EPOCHS_MAX = 24;
export const DISKS_MAX = 16;
export const IMAGE_BYTES_MAX = 16 * 1024 ** 4;

const MAGIC = 0x4d52424c;
const VERSION = 2;
const RECORD_AT = 24;
const SUM_AT = SLOT_BYTES - 32;

const epochNumber = z.int().min(0).max(0xffff_ffff);
const imageBytes = z.int().positive().max(IMAGE_BYTES_MAX);

const entry = z.strictObject({
  epoch: epochNumber,
  kind: z.enum(["fuzzy", "cut", "last"]),
  root: rootHash,
  /** The chain over what is in its log file: the root itself, but for epoch 0 (log.ts). */
  sum: rootHash,
  bytes: z.int().positive(),
  /** The cut's number, the same for all secondaries of a term; null for a fuzzy epoch. */
  cut: z.int().nonnegative().nullable(),
});
/** One epoch in the log. */
export type Entry = z.infer<typeof entry>;

const base = z.strictObject({
  epoch: epochNumber,
  root: rootHash,
  /** Which of the two files of checksums is that of the images, and the SHA-256 of it. */
  sums: z.union([z.literal(0), z.literal(1)]),
  digest: rootHash,
});
/** What the images hold. */
export type Base = z.infer<typeof base>;

const manifest = z.strictObject({
  vmId,
  term,
  stream: streamId,
  memoryBytes: imageBytes.multipleOf(4096),
  diskBytes: z.array(imageBytes).max(DISKS_MAX),
  /** Frames of a lower term are refused; 0 before the first seal. */
  sealed: term,
  /** Null until epoch 0 is whole. */
  base: base.nullable(),
  /** The epoch that the images are on the way to; the checksums are then those after it. */
  folding: epochNumber.nullable(),
  /** In order. Epoch 0 is here with its device state alone; its content is the base. */
  entries: z.array(entry).max(LOG_EPOCHS_MAX),
});
export type Manifest = z.infer<typeof manifest>;

export interface Slot {
  readonly sequence: number;
  readonly manifest: Manifest;
}

/** Both slots as they are on disk, and the number of the one that holds. */
export interface Slots {
  readonly slots: readonly [Slot | undefined, Slot | undefined];
  readonly newest: 0 | 1;
}

export function encodeSlot({ sequence, manifest }: Slot): Buffer {
  const record = Buffer.from(JSON.stringify(manifest));
  assert(RECORD_AT + record.length <= SUM_AT, `manifest of ${record.length} bytes`);
  const slot = Buffer.alloc(SLOT_BYTES);
  slot.writeUInt32LE(MAGIC, 0);
  slot.writeUInt16LE(VERSION, 4);
  slot.writeBigUInt64LE(BigInt(sequence), 8);
  slot.writeUInt32LE(record.length, 16);
  slot.set(record, RECORD_AT);
  slot.set(hash("sha256", slot.subarray(0, SUM_AT), "buffer"), SUM_AT);
  return slot;
}

/** A slot, or undefined if it is torn, damaged or of a version that is not ours. */
export function parseSlot(slot: Buffer): Slot | undefined {
  if (slot.length !== SLOT_BYTES || slot.readUInt32LE(0) !== MAGIC) return undefined;
  if (!hash("sha256", slot.subarray(0, SUM_AT), "buffer").equals(slot.subarray(SUM_AT))) {
    return undefined;
  }
  const sequence = slot.readBigUInt64LE(8);
  const length = slot.readUInt32LE(16);
  const sound =
    slot.readUInt16LE(4) === VERSION &&
    sequence > 0n &&
    sequence <= BigInt(Number.MAX_SAFE_INTEGER) &&
    RECORD_AT + length <= SUM_AT;
  if (!sound) return undefined;
  const text = slot.toString("utf8", RECORD_AT, RECORD_AT + length);
  try {
    const record = parseWith(manifest, text);
    return isConsistent(record) ? { sequence: Number(sequence), manifest: record } : undefined;
  } catch (thrown) {
    if (thrown instanceof SystemError) return undefined;
    throw thrown;
  }
}

/** @throws SystemError REPLICA_BROKEN if neither slot is valid, or if they contradict each other */
export function parseManifest(bytes: Buffer): Slots {
  const slots = [
    parseSlot(bytes.subarray(0, SLOT_BYTES)),
    parseSlot(bytes.subarray(SLOT_BYTES, MANIFEST_BYTES)),
  ] as const;
  const [first, second] = slots;
  if (first === undefined && second === undefined) throw broken("neither slot is valid");
  if (first !== undefined && second !== undefined) {
    if (first.sequence === second.sequence) throw broken("two slots of one sequence");
    if (!isSameReplica(first.manifest, second.manifest)) throw broken("slots of two replicas");
  }
  return { slots, newest: (second?.sequence ?? 0) > (first?.sequence ?? 0) ? 1 : 0 };
}

/** Whether both are of one VM, term, stream and geometry. */
export function isSameReplica(a: ReplicaIdentity, b: ReplicaIdentity): boolean {
  const same = a.vmId === b.vmId && a.term === b.term && a.stream === b.stream;
  const disks = a.diskBytes.length === b.diskBytes.length;
  return (
    same &&
    disks &&
    a.memoryBytes === b.memoryBytes &&
    a.diskBytes.every((bytes, disk) => bytes === b.diskBytes[disk])
  );
}

/** Which stream a replica is of, and how large its images are. */
export type ReplicaIdentity = Readonly<
  Pick<Manifest, "vmId" | "term" | "stream" | "memoryBytes"> & { diskBytes: readonly number[] }
>;

/** The log goes on from the base without a gap, and only its first epoch is being folded. */
function isConsistent({ base, folding, entries }: Manifest): boolean {
  if (base === null) return folding === null && entries.length === 0;
  const [first] = entries;
  const isOwn = first?.epoch === base.epoch;
  if (isOwn && (base.epoch !== 0 || folding !== null || first.root !== base.root)) return false;
  const from = isOwn ? base.epoch : base.epoch + 1;
  if (!entries.every(({ epoch }, index) => epoch === from + index)) return false;
  if (entries.some(({ epoch, root, sum }) => epoch !== 0 && root !== sum)) return false;
  if (entries.some(({ kind, cut }) => (kind === "fuzzy") !== (cut === null))) return false;
  return folding === null || folding === first?.epoch;
}

function broken(reason: string): SystemError {
  return new SystemError("REPLICA_BROKEN", `Cannot read manifest: ${reason}`);
}
