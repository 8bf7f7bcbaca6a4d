/**
 * Fuzz target: what a peer sends as a disk extent, or as a piece of device state. The right answers
 * are a range within the disk or the state, or FRAME_CORRUPT.
 * @module
 */
import assert from "node:assert/strict";
import {
  decodeExtent,
  decodeStatePiece,
  encodeExtent,
  encodeState,
  STATE_BYTES_MAX,
} from "../../../epochs/extent.ts";
import { Kernel, loadKernelModule } from "../../../epochs/kernel.ts";
import { SystemError } from "../../../protocol/error.ts";
import { mixture } from "../../unit/assembly/samples.ts";

export const name = "extent";
export const inputBytesMax = 4_096;

const DISK_BYTES = [1024 * 1024, 64 * 1024];
const kernel = new Kernel(loadKernelModule());

export function seeds(): Uint8Array[] {
  const extent = { disk: 1, offset: 4_096, length: 2_048, bytes: mixture(1, 2_048) };
  const hole = { ...extent, disk: 0, length: 65_536, bytes: undefined };
  const [state] = encodeState(kernel, mixture(2, 900));
  return [
    Buffer.concat([Buffer.of(0), encodeExtent(kernel, extent)]),
    Buffer.concat([Buffer.of(0), encodeExtent(kernel, hole)]),
    Buffer.concat([Buffer.of(1), state!]),
  ];
}

/** The first byte says what the rest is. Throws only on a bug. */
export function run(bytes: Uint8Array): void {
  const rest = bytes.subarray(1);
  try {
    if ((bytes[0] ?? 0) % 2 === 0) {
      const { disk, offset, length, bytes: content } = decodeExtent(kernel, rest, DISK_BYTES);
      assert(offset >= 0 && length > 0 && offset + length <= DISK_BYTES[disk]!, "past the disk");
      assert(content === undefined || content.length === length);
    } else {
      const { offset, totalBytes, bytes: content } = decodeStatePiece(kernel, rest);
      assert(content.length > 0 && offset + content.length <= totalBytes);
      assert(totalBytes <= STATE_BYTES_MAX);
    }
  } catch (thrown) {
    if (!(thrown instanceof SystemError && thrown.code === "FRAME_CORRUPT")) throw thrown;
  }
}
