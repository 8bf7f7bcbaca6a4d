/**
 * Payloads of disk extents and of device state.
 *
 * An extent, all integers little-endian:
 *
 *   offset size
 *        0    1  version, 1
 *        1    1  number of the disk in the definition
 *        2    1  1: a range of zeros without bytes; 0: bytes follow
 *        3    5  reserved, 0
 *        8    8  offset in the disk
 *       16    8  length
 *       24       the bytes, as delta.ts compresses them
 *
 * Device state travels in pieces of at most 1 MiB: u32 offset, u32 total length, the bytes.
 * @module
 */
import { SystemError } from "../protocol/error.ts";
import { RAW_BYTES_MAX } from "../protocol/frame.ts";
import { compressBytes, decompressBytes } from "./delta.ts";
import type { Kernel } from "./kernel.ts";

const VERSION = 1;
const HEADER_BYTES = 24;
const STATE_HEADER_BYTES = 8;
/** QEMU's device state without RAM is below 1 MiB; a gigabyte would be something else. */
export const STATE_BYTES_MAX = 64 * 1024 * 1024;

export interface ExtentPayload {
  readonly disk: number;
  readonly offset: number;
  readonly length: number;
  /** Undefined for a range of zeros. */
  readonly bytes: Uint8Array | undefined;
}

/** At most 1 MiB of bytes, or a range of zeros of any length. */
export function encodeExtent(kernel: Kernel, extent: ExtentPayload): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(VERSION, 0);
  header.writeUInt8(extent.disk, 1);
  header.writeUInt8(extent.bytes === undefined ? 1 : 0, 2);
  header.writeBigUInt64LE(BigInt(extent.offset), 8);
  header.writeBigUInt64LE(BigInt(extent.length), 16);
  if (extent.bytes === undefined) return header;
  return Buffer.concat([header, compressBytes(kernel, extent.bytes)]);
}

/**
 * Decodes an extent for disks of the given sizes.
 * @throws SystemError FRAME_CORRUPT, before anything is allocated for it
 */
export function decodeExtent(
  kernel: Kernel,
  payload: Uint8Array,
  diskBytes: readonly number[],
): ExtentPayload {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  check(bytes.length >= HEADER_BYTES, "header cut short");
  check(bytes.readUInt8(0) === VERSION, "unknown version");
  check(bytes.readUIntLE(3, 5) === 0, "reserved bytes set");
  const disk = bytes.readUInt8(1);
  const size = diskBytes[disk];
  if (size === undefined) throw corrupt(`there is no disk ${disk}`);
  const offset = bytes.readBigUInt64LE(8);
  const length = bytes.readBigUInt64LE(16);
  check(length > 0n && offset + length <= BigInt(size), "outside of the disk");
  const range = { disk, offset: Number(offset), length: Number(length) };
  const zero = bytes.readUInt8(2);
  check(zero <= 1, "unknown kind");
  if (zero === 1) {
    check(bytes.length === HEADER_BYTES, "bytes behind a range of zeros");
    return { ...range, bytes: undefined };
  }
  check(range.length <= RAW_BYTES_MAX, "too long");
  const content = decompressBytes(kernel, bytes.subarray(HEADER_BYTES), range.length);
  check(content.length === range.length, "wrong length");
  return { ...range, bytes: content };
}

/** The device state in pieces, in order. */
export function encodeState(kernel: Kernel, state: Uint8Array): Buffer[] {
  const pieces: Buffer[] = [];
  for (let offset = 0; offset < state.length; offset += RAW_BYTES_MAX) {
    const header = Buffer.alloc(STATE_HEADER_BYTES);
    header.writeUInt32LE(offset, 0);
    header.writeUInt32LE(state.length, 4);
    const piece = state.subarray(offset, offset + RAW_BYTES_MAX);
    pieces.push(Buffer.concat([header, compressBytes(kernel, piece)]));
  }
  return pieces;
}

export interface StatePiece {
  readonly offset: number;
  readonly totalBytes: number;
  readonly bytes: Uint8Array;
}

/** @throws SystemError FRAME_CORRUPT */
export function decodeStatePiece(kernel: Kernel, payload: Uint8Array): StatePiece {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  check(bytes.length >= STATE_HEADER_BYTES, "state cut short");
  const offset = bytes.readUInt32LE(0);
  const totalBytes = bytes.readUInt32LE(4);
  check(totalBytes <= STATE_BYTES_MAX, "state too long");
  const rest = Math.min(RAW_BYTES_MAX, totalBytes - offset);
  check(rest > 0, "state outside of its length");
  const content = decompressBytes(kernel, bytes.subarray(STATE_HEADER_BYTES), rest);
  check(content.length === rest, "state piece of a wrong length");
  return { offset, totalBytes, bytes: content };
}

function check(holds: boolean, reason: string): asserts holds {
  if (!holds) throw corrupt(reason);
}

function corrupt(reason: string): SystemError {
  return new SystemError("FRAME_CORRUPT", `Cannot read extent or state: ${reason}`);
}
