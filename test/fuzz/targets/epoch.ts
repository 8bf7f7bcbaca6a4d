/**
 * Fuzz target: what a peer sends on a data link once its token is proven. Frames go through the
 * parser, the receiver and the decoders; the right answers are an effect within the guest's RAM and
 * disks, a dropped frame, or an end.
 * @module
 */
import assert from "node:assert/strict";
import { decodePages, encodePages } from "../../../epochs/delta.ts";
import {
  decodeExtent,
  decodeStatePiece,
  encodeExtent,
  encodeState,
  STATE_BYTES_MAX,
} from "../../../epochs/extent.ts";
import { Kernel, loadKernelModule, PAGE_BYTES } from "../../../epochs/kernel.ts";
import { type Effect, startReceiving, step } from "../../../epochs/receiver.ts";
import { type ErrorCode, SystemError } from "../../../protocol/error.ts";
import { encodeFrame, type Frame, parseFrame } from "../../../protocol/frame.ts";
import { bitmapOf } from "../../unit/assembly/reference.ts";
import { mixture } from "../../unit/assembly/samples.ts";
import { frameOf, IDENTITY, RAM_BYTES, streamOf } from "../../unit/epochs/frames.ts";

export const name = "epoch";

const DISK_BYTES = [1024 * 1024];
const kernel = new Kernel(loadKernelModule());
/** In the compact form a frame is its kind, epoch and sequence, u16 length, payload. */
const COMPACT_BYTES = 5;
const KINDS = [
  "begin",
  "pages",
  "extent",
  "state",
  "end",
  "ack",
  "released",
  "active",
  "credit",
  "abort",
  "resume",
  "pulse",
] as const;

const REFUSALS: readonly ErrorCode[] = ["FRAME_CORRUPT", "BASE_DIFFERS", "VERSION_UNSUPPORTED"];

/** Sequences of frames: as they travel, and without checksums so that mutations get further. */
export function seeds(): Uint8Array[] {
  const change = {
    firstPage: 3,
    pages: 20,
    changed: bitmapOf([0, 2, 7, 19], 20),
    zero: bitmapOf([2], 20),
    content: mixture(1, 3 * PAGE_BYTES),
  };
  const pages = { kind: "pages", payload: encodePages(kernel, change) } as const;
  const written = { disk: 0, offset: 4096, length: 2048, bytes: mixture(2, 2048) };
  const extent = { kind: "extent", payload: encodeExtent(kernel, written) } as const;
  const zeros = { ...written, bytes: undefined };
  const hole = { kind: "extent", payload: encodeExtent(kernel, zeros) } as const;
  const state = { kind: "state", payload: encodeState(kernel, mixture(3, 900))[0]! } as const;
  const frames = streamOf([
    { kind: "fuzzy", contents: [pages, extent] },
    { kind: "cut", contents: [pages, hole, state] },
    { kind: "last", contents: [state] },
  ]);
  frames.push(frameOf("released", 2, 0, { reason: "moved" }));
  const abort = frameOf("abort", 0, 0, { code: "CANCELLED", reason: "enough" });
  return [
    Buffer.concat([Buffer.of(0), ...frames.map(travelling)]),
    Buffer.concat([Buffer.of(1), ...frames.map(compact)]),
    Buffer.concat([Buffer.of(1), ...[...frames.slice(0, 3), abort].map(compact)]),
  ];
}

/** Throws only on a bug. */
export function run(bytes: Uint8Array): void {
  let state = startReceiving({ ...IDENTITY, memoryBytes: RAM_BYTES });
  let ended = false;
  let begun = -1;
  for (const frame of framesOf(Buffer.from(bytes.subarray(1)), (bytes[0] ?? 0) % 2 === 1)) {
    const [next, effects] = step(state, frame);
    state = next;
    for (const effect of effects) {
      assert(!ended, "an effect after the end");
      if (effect.type === "begin") assert.equal(effect.epoch, ++begun, "an epoch out of order");
      if (effect.type === "complete") assert.equal(effect.epoch, begun);
      if (effect.type === "ended") ended = true;
      if (effect.type === "content") orCorrupt(() => decode(effect));
    }
  }
}

function decode({ kind, payload }: Extract<Effect, { type: "content" }>): void {
  if (kind === "pages") {
    const readInto = (view: Uint8Array): number => view.fill(0).length;
    decodePages(kernel, payload, RAM_BYTES, readInto, ({ position, length, bytes }) => {
      assert(position >= 0 && length > 0 && position + length <= RAM_BYTES, "past the end of RAM");
      assert(bytes === "zero" || bytes.length === length);
    });
  } else if (kind === "extent") {
    const { disk, offset, length, bytes } = decodeExtent(kernel, payload, DISK_BYTES);
    assert(offset >= 0 && length > 0 && offset + length <= DISK_BYTES[disk]!, "past the disk");
    assert(bytes === undefined || bytes.length === length);
  } else {
    const { offset, totalBytes, bytes } = decodeStatePiece(kernel, payload);
    assert(offset + bytes.length <= totalBytes && totalBytes <= STATE_BYTES_MAX);
  }
}

function travelling(frame: Frame): Buffer {
  const encoded = encodeFrame(frame, frame.payload);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(encoded.length);
  return Buffer.concat([length, encoded]);
}

function compact({ kind, epoch, sequence, payload }: Frame): Buffer {
  const header = Buffer.of(KINDS.indexOf(kind), epoch, sequence, 0, 0);
  header.writeUInt16LE(payload.length, 3);
  return Buffer.concat([header, payload]);
}

/** What can be read as frames, up to the first that cannot. */
function* framesOf(bytes: Buffer, isCompact: boolean): Generator<Frame> {
  for (let at = 0; at + COMPACT_BYTES <= bytes.length; ) {
    const header = isCompact ? COMPACT_BYTES : 4;
    const length = isCompact ? bytes.readUInt16LE(at + 3) : bytes.readUInt32LE(at);
    const body = bytes.subarray(at + header, at + header + length);
    if (isCompact) {
      const kind = KINDS[bytes[at]! % KINDS.length]!;
      const made = frameOf(kind, bytes[at + 1]!, bytes[at + 2]!, body);
      yield parseFrame(encodeFrame(made, body));
    } else {
      const frame = orCorrupt(() => parseFrame(body));
      if (frame === undefined) return;
      yield frame;
    }
    at += header + length;
  }
}

function orCorrupt<Result>(work: () => Result): Result | undefined {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof SystemError)) throw thrown;
    assert(REFUSALS.includes(thrown.code));
    return undefined;
  }
}
