/**
 * The log file of one epoch: its frames as they came, `begin` first, without `end`. What is on disk
 * can so be proven by the chain of root.ts, from the parent's root to its own.
 *
 * Of epoch 0, whose pages and extents go straight to the images, the log holds `begin` and the
 * device state; its chain is over these alone, and the manifest has it beside the root.
 * @module
 */
import { SystemError } from "../../protocol/error.ts";
import { type Frame, HEADER_BYTES, PAYLOAD_BYTES_MAX } from "../../protocol/frame.ts";
import type { StatePiece } from "../extent.ts";
import { rootAdd, rootBegin } from "../root.ts";
import type { ReplicaIdentity } from "./manifest.ts";

/** Where the reading, or the writing, of a log has come to. */
export interface LogCursor {
  readonly epoch: number;
  /** Of the frame before; -1 at the start. */
  readonly sequence: number;
  readonly sum: string;
  readonly bytes: number;
}

export function startLog(
  identity: Pick<ReplicaIdentity, "vmId" | "term" | "stream">,
  epoch: number,
  parent: string,
): LogCursor {
  return { epoch, sequence: -1, sum: rootBegin(parent, { ...identity, epoch }), bytes: 0 };
}

/**
 * The cursor behind one more frame.
 * @throws SystemError REPLICA_BROKEN: of another stream or epoch, or out of order
 */
export function addToLog(
  cursor: LogCursor,
  identity: Pick<ReplicaIdentity, "vmId" | "term" | "stream">,
  frame: Frame,
): LogCursor {
  const { epoch, sequence } = cursor;
  const { vmId, term, stream } = identity;
  if (frame.vmId !== vmId || frame.term !== term || frame.stream !== stream) {
    throw damaged(epoch, "a frame of another stream");
  }
  const isDue =
    sequence === -1
      ? frame.kind === "begin" && frame.sequence === 0
      : isContent(frame) && (epoch === 0 || frame.sequence === sequence + 1);
  if (frame.epoch !== epoch || !isDue || frame.sequence <= sequence) {
    throw damaged(epoch, `a ${frame.kind} frame out of its place`);
  }
  return {
    epoch,
    sequence: frame.sequence,
    sum: rootAdd(cursor.sum, frame, frame.payload),
    bytes: cursor.bytes + HEADER_BYTES + frame.payload.length,
  };
}

/** How long the frame is that begins with this header. @throws SystemError REPLICA_BROKEN */
export function frameBytes(header: Buffer, epoch: number): number {
  if (header.length < HEADER_BYTES) throw damaged(epoch, "a header cut short");
  const length = header.readUInt32LE(56);
  if (length > PAYLOAD_BYTES_MAX) throw damaged(epoch, `a payload of ${length} bytes`);
  return HEADER_BYTES + length;
}

/** How much of the device state has come; nothing at `NO_STATE`. */
export interface StateProgress {
  readonly bytes: number;
  readonly totalBytes: number;
}

export const NO_STATE: StateProgress = { bytes: 0, totalBytes: 0 };

/** Pieces come in their order, and none is missing. @throws SystemError FRAME_CORRUPT */
export function addPiece(progress: StateProgress, piece: StatePiece): StateProgress {
  const { offset, totalBytes, bytes } = piece;
  if (offset !== progress.bytes || (offset > 0 && totalBytes !== progress.totalBytes)) {
    throw new SystemError("FRAME_CORRUPT", "Pieces of different device states");
  }
  return { bytes: offset + bytes.length, totalBytes };
}

/** @throws SystemError FRAME_CORRUPT */
export function assertStateWhole({ bytes, totalBytes }: StateProgress): void {
  if (bytes === totalBytes) return;
  throw new SystemError("FRAME_CORRUPT", "The device state is not whole");
}

/** A log that does not hold what the manifest says. */
export function damaged(epoch: number, reason: string, cause?: unknown): SystemError {
  const detail = { epoch };
  return new SystemError("REPLICA_BROKEN", `The log of epoch ${epoch} is damaged: ${reason}`, {
    detail,
    cause,
  });
}

function isContent({ kind }: Frame): boolean {
  return kind === "pages" || kind === "extent" || kind === "state";
}
