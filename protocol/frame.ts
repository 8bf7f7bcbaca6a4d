/**
 * The epoch frame: what agents say on a data link (subprotocol lifeboat-epoch.v3), one frame a
 * WebSocket message. All integers are little-endian.
 *
 *   offset size
 *        0    4  magic "LBEF"
 *        4    2  version
 *        6    1  kind
 *        7    1  reserved, 0
 *        8   16  vm, the UUID's bytes
 *       24   16  stream
 *       40    8  term
 *       48    4  epoch
 *       52    4  sequence, from 0 in each epoch
 *       56    4  length of the payload
 *       60    4  length of the payload once decoded; 0 where it is not coded
 *       64    4  CRC-32 of the payload
 *       68    8  reserved, 0
 *       76    4  CRC-32 of bytes 0 to 75
 *       80       payload
 *
 * A frame is refused before anything is allocated for it.
 * @module
 */
import { crc32 } from "node:zlib";
import { SystemError } from "./error.ts";
import type { StreamId, Term, VmId } from "./ids.ts";
import { FRAME_VERSION_MAX, FRAME_VERSION_MIN } from "./version.ts";

export const HEADER_BYTES = 80;
/** A window of 1 MiB that did not compress, with its bitmaps and block lengths. */
export const PAYLOAD_BYTES_MAX = 1024 * 1024 + 65_536;
export const RAW_BYTES_MAX = 1024 * 1024;
export const FRAME_BYTES_MAX = HEADER_BYTES + PAYLOAD_BYTES_MAX;

const MAGIC = 0x4645424c;
const CRC_AT = 76;

/**
 * To the target: begin .. end, released, abort. To the source: ack, active, credit, abort; in a
 * `protect` stream also resume, first of all, and pulse.
 */
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
export type FrameKind = (typeof KINDS)[number];

export interface FrameHeader {
  readonly kind: FrameKind;
  readonly vmId: VmId;
  readonly stream: StreamId;
  readonly term: Term;
  readonly epoch: number;
  readonly sequence: number;
  /** Bytes that the payload decodes to; 0 for a payload that is not coded. */
  readonly rawBytes: number;
}

export interface Frame extends FrameHeader {
  /** A view of what was received, not a copy. */
  readonly payload: Uint8Array;
}

/** The header and payload as one message. The payload is copied once. */
export function encodeFrame(header: FrameHeader, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  frame.fill(0, 0, HEADER_BYTES);
  frame.writeUInt32LE(MAGIC, 0);
  frame.writeUInt16LE(FRAME_VERSION_MAX, 4);
  frame.writeUInt8(KINDS.indexOf(header.kind) + 1, 6);
  frame.write(header.vmId.replaceAll("-", ""), 8, 16, "hex");
  frame.write(header.stream, 24, 16, "hex");
  frame.writeBigUInt64LE(BigInt(header.term), 40);
  frame.writeUInt32LE(header.epoch, 48);
  frame.writeUInt32LE(header.sequence, 52);
  frame.writeUInt32LE(payload.length, 56);
  frame.writeUInt32LE(header.rawBytes, 60);
  frame.writeUInt32LE(crc32(payload), 64);
  frame.writeUInt32LE(crc32(frame.subarray(0, CRC_AT)), CRC_AT);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

/**
 * Reads one message as a frame.
 * @throws SystemError FRAME_CORRUPT (not a frame, or damaged), VERSION_UNSUPPORTED.
 */
export function parseFrame(bytes: Uint8Array): Frame {
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (frame.length < HEADER_BYTES) throw corrupt(`${frame.length} bytes are no header`);
  if (frame.readUInt32LE(0) !== MAGIC) throw corrupt("wrong magic");
  if (frame.readUInt32LE(CRC_AT) !== crc32(frame.subarray(0, CRC_AT))) {
    throw corrupt("header checksum differs");
  }
  const version = frame.readUInt16LE(4);
  if (version < FRAME_VERSION_MIN || version > FRAME_VERSION_MAX) {
    const window = `${FRAME_VERSION_MIN} to ${FRAME_VERSION_MAX}`;
    throw new SystemError("VERSION_UNSUPPORTED", `Frame version ${version}, not ${window}`);
  }
  const kind = KINDS[frame.readUInt8(6) - 1];
  if (kind === undefined) throw corrupt(`kind ${frame.readUInt8(6)} is unknown`);
  if (frame.readUInt8(7) !== 0 || frame.readBigUInt64LE(68) !== 0n) {
    throw corrupt("reserved bytes are not zero");
  }
  const length = frame.readUInt32LE(56);
  const rawBytes = frame.readUInt32LE(60);
  if (length > PAYLOAD_BYTES_MAX) throw corrupt(`payload of ${length} bytes is over its limit`);
  if (rawBytes > RAW_BYTES_MAX) throw corrupt(`${rawBytes} decoded bytes are over their limit`);
  if (length !== frame.length - HEADER_BYTES) throw corrupt("payload length differs");
  const payload = frame.subarray(HEADER_BYTES);
  if (frame.readUInt32LE(64) !== crc32(payload)) throw corrupt("payload checksum differs");
  const term = frame.readBigUInt64LE(40);
  if (term > BigInt(Number.MAX_SAFE_INTEGER)) throw corrupt("term is over its limit");
  return {
    kind,
    vmId: uuidOf(frame.toString("hex", 8, 24)),
    stream: frame.toString("hex", 24, 40) as StreamId,
    term: Number(term),
    epoch: frame.readUInt32LE(48),
    sequence: frame.readUInt32LE(52),
    rawBytes,
    payload,
  };
}

function uuidOf(hex: string): VmId {
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)];
  return `${parts.join("-")}-${hex.slice(20)}` as VmId;
}

function corrupt(reason: string): SystemError {
  return new SystemError("FRAME_CORRUPT", `Cannot read frame: ${reason}`);
}
