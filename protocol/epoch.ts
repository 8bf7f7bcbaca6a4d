/**
 * The records inside epoch frames that are not pages, extents or device state: JSON payloads.
 * @module
 */
import { z } from "zod";
import { releaseReason } from "./authority.ts";
import { text } from "./ids.ts";

/** SHA-256 of a whole epoch and, through its parent, of the stream up to it. */
export const rootHash = z.string().regex(/^[0-9a-f]{64}$/);
/** What the first epoch of a stream names as its parent. */
export const NO_PARENT = "0".repeat(64);

export const epochBegin = z.strictObject({
  /** full: every page; delta: what changed since the parent. */
  content: z.enum(["full", "delta"]),
  /**
   * fuzzy: read while the guest ran, so it is no restore point; cut: RAM, disk and device state
   * of one instant; last: a cut after which the source stays stopped.
   */
  kind: z.enum(["fuzzy", "cut", "last"]),
  parent: rootHash,
  memoryBytes: z.int().positive(),
  /** `protect` stream: the cut's number, the same for all secondaries of a term. */
  cut: z.int().nonnegative().optional(),
  /** `protect` stream: the newest pulse that was heard before the guest was stopped. */
  pulse: z.int().nonnegative().optional(),
});
export type EpochBegin = z.infer<typeof epochBegin>;

export const epochEnd = z.strictObject({ root: rootHash, frames: z.int().nonnegative() });

/** The epoch is applied whole; after the last one, loaded into the target's QEMU. */
export const epochAck = z.strictObject({
  root: rootHash,
  applyMs: z.number().nonnegative(),
});
export type EpochAck = z.infer<typeof epochAck>;

export const releasedRecord = z.strictObject({ reason: releaseReason });
export const activeRecord = z.strictObject({ activateMs: z.number().nonnegative() });
/** How many more payload bytes the target will take. */
export const creditRecord = z.strictObject({ bytes: z.int().positive() });
/** The newest whole epoch of a replica, from which its stream goes on; -1 and NO_PARENT: none. */
export const resumeRecord = z.strictObject({ epoch: z.int().min(-1), root: rootHash });
export type ResumeRecord = z.infer<typeof resumeRecord>;
/** Numbers the moments of the secondary's clock: what was cut after it is younger. */
export const pulseRecord = z.strictObject({ pulse: z.int().nonnegative() });
export const abortRecord = z.strictObject({ code: z.string().max(32), reason: text });
