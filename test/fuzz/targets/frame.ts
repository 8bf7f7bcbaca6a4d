// Arbitrary bytes on a data link: a frame that encodes to the same bytes, or a refusal.
import assert from "node:assert/strict";
import { SystemError } from "../../../protocol/error.ts";
import { encodeFrame, type FrameHeader, parseFrame } from "../../../protocol/frame.ts";
import { streamId, vmId } from "../../../protocol/ids.ts";

export const name = "frame";
export const inputBytesMax = 1_024;

const header: FrameHeader = {
  kind: "pages",
  vmId: vmId.parse("0f0e9a52-5c3e-4b8e-9d59-3f3f6f0c1a11"),
  stream: streamId.parse("ab".repeat(16)),
  term: 2,
  epoch: 1,
  sequence: 0,
  rawBytes: 4_096,
};

export function seeds(): Uint8Array[] {
  return [
    encodeFrame(header, Buffer.from("pages")),
    encodeFrame({ ...header, kind: "end", rawBytes: 0 }, Buffer.from('{"frames":1}')),
    encodeFrame({ ...header, kind: "abort", term: Number.MAX_SAFE_INTEGER }, new Uint8Array()),
    new Uint8Array(),
  ];
}

/** Throws only on a bug. */
export function run(bytes: Uint8Array): void {
  try {
    const { payload, ...read } = parseFrame(bytes);
    assert.equal(Buffer.compare(encodeFrame(read, payload), bytes), 0);
  } catch (thrown) {
    if (!(thrown instanceof SystemError)) throw thrown;
    assert(thrown.code === "FRAME_CORRUPT" || thrown.code === "VERSION_UNSUPPORTED");
  }
}
