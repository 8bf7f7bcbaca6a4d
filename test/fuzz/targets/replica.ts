/**
 * Fuzz target: what a replica finds on its disk: its manifest, and the log of an epoch. The right
 * answers are a consistent manifest, frames in their order, or REPLICA_BROKEN.
 * @module
 */
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { addToLog, frameBytes, startLog } from "../../../epochs/replica/log.ts";
import {
  encodeSlot,
  type Manifest,
  parseManifest,
  parseSlot,
  SLOT_BYTES,
} from "../../../epochs/replica/manifest.ts";
import { entriesAbove, foldable, restorePoints } from "../../../epochs/replica/points.ts";
import { NO_PARENT } from "../../../protocol/epoch.ts";
import { type ErrorCode, SystemError } from "../../../protocol/error.ts";
import { encodeFrame, HEADER_BYTES, parseFrame } from "../../../protocol/frame.ts";
import { epochOf, IDENTITY, PAGES, RAM_BYTES, STATE } from "../../unit/epochs/frames.ts";

export const name = "replica";
export const inputBytesMax = 4_096;

const REFUSALS: readonly ErrorCode[] = ["REPLICA_BROKEN", "FRAME_CORRUPT", "VERSION_UNSUPPORTED"];
const ROOT = "5a".repeat(32);

const RECORD_AT = 24;
const MANIFEST: Manifest = {
  ...IDENTITY,
  memoryBytes: RAM_BYTES,
  diskBytes: [512],
  sealed: 3,
  base: { epoch: 3, root: ROOT, sums: 1, digest: ROOT },
  folding: 4,
  entries: [{ epoch: 4, kind: "cut", root: ROOT, sum: ROOT, bytes: 900, cut: 7 }],
};
const SOUND = encodeSlot({ sequence: 7, manifest: MANIFEST });

/** The first byte says what the rest is: two slots, the record of a sound slot, or a log. */
export function seeds(): Uint8Array[] {
  const { frames } = epochOf(0, "cut", NO_PARENT, [PAGES, STATE]);
  const log = frames.slice(0, -1).map((frame) => encodeFrame(frame, frame.payload));
  return [
    Buffer.concat([Buffer.of(0), SOUND.subarray(0, 1_000)]),
    Buffer.concat([Buffer.of(1), Buffer.from(JSON.stringify(MANIFEST))]),
    Buffer.concat([Buffer.of(2), ...log]),
  ];
}

/** Throws only on a bug. */
export function run(bytes: Uint8Array): void {
  const rest = Buffer.from(bytes.subarray(1));
  switch ((bytes[0] ?? 0) % 3) {
    case 0:
      return orBroken(() => look(parseManifest(padded(rest)).slots[0]?.manifest));
    case 1:
      return look(parseSlot(sealed(rest))?.manifest);
    case 2:
      return orBroken(() => readLog(rest));
  }
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(2 * SLOT_BYTES)]).subarray(0, 2 * SLOT_BYTES);
}

/** A slot whose checksum is right, whatever its record is. */
function sealed(record: Buffer): Buffer {
  const slot = Buffer.from(SOUND);
  const sumAt = SLOT_BYTES - 32;
  slot.fill(0, RECORD_AT, sumAt);
  slot.writeUInt32LE(record.length, 16);
  slot.set(record, RECORD_AT);
  slot.set(hash("sha256", slot.subarray(0, sumAt), "buffer"), sumAt);
  return slot;
}

/** What follows from a manifest that was taken. */
function look(manifest: Manifest | undefined): void {
  if (manifest === undefined) return;
  const folded = foldable(manifest);
  const above = entriesAbove(manifest, Number.POSITIVE_INFINITY);
  assert(folded === undefined || above[0]?.epoch === folded);
  if (manifest.folding === null && folded !== undefined) {
    assert(
      restorePoints(manifest)
        .slice(-2)
        .every(({ epoch }) => epoch > folded),
    );
  }
}

function readLog(bytes: Buffer): void {
  let cursor = startLog(IDENTITY, 0, NO_PARENT);
  while (cursor.bytes < bytes.length) {
    const header = bytes.subarray(cursor.bytes, cursor.bytes + HEADER_BYTES);
    const length = frameBytes(header, 0);
    const frame = parseFrame(bytes.subarray(cursor.bytes, cursor.bytes + length));
    const next = addToLog(cursor, IDENTITY, frame);
    assert(next.bytes === cursor.bytes + length && next.sequence > cursor.sequence);
    cursor = next;
  }
}

function orBroken(work: () => void): void {
  try {
    work();
  } catch (thrown) {
    if (!(thrown instanceof SystemError && REFUSALS.includes(thrown.code))) throw thrown;
  }
}
