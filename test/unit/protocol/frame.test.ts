import { crc32 } from "node:zlib";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SystemError } from "../../../protocol/error.ts";
import {
  encodeFrame,
  type FrameHeader,
  HEADER_BYTES,
  PAYLOAD_BYTES_MAX,
  parseFrame,
  RAW_BYTES_MAX,
} from "../../../protocol/frame.ts";
import { streamId, vmId } from "../../../protocol/ids.ts";

const header: FrameHeader = {
  kind: "pages",
  vmId: vmId.parse("0f0e9a52-5c3e-4b8e-9d59-3f3f6f0c1a11"),
  stream: streamId.parse("00ff".repeat(8)),
  term: 7,
  epoch: 3,
  sequence: 12,
  rawBytes: 4_096,
};
const payload = Buffer.from("some pages");
const frame = suite("frame");

function refuses(bytes: Uint8Array, code: string, what: string): void {
  assert.throws(
    () => parseFrame(bytes),
    (error: unknown) => error instanceof SystemError && error.code === code,
    what,
  );
}

/** A frame whose header was changed and its checksum made good again. */
function forged(change: (frame: Buffer) => void): Buffer {
  const bytes = encodeFrame(header, payload);
  change(bytes);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 76)), 76);
  return bytes;
}

frame("encodeFrame() lays the bytes out as documented", () => {
  const bytes = encodeFrame(header, payload);
  const expected = [
    "4c424546", // magic, "LBEF"
    "0100", // version
    "02", // kind
    "00",
    "0f0e9a525c3e4b8e9d593f3f6f0c1a11",
    "00ff".repeat(8),
    "0700000000000000", // term
    "03000000", // epoch
    "0c000000", // sequence
    "0a000000", // payload length
    "00100000", // decoded length
  ].join("");
  assert.is(bytes.toString("hex", 0, 64), expected);
  assert.is(bytes.length, HEADER_BYTES + payload.length);
});

frame("parseFrame() gives back what encodeFrame() was given", () => {
  const hex = (count: number) =>
    fc.uint8Array({ minLength: count, maxLength: count }).map((one) => Buffer.from(one));
  const kinds = ["begin", "pages", "extent", "state", "end", "ack", "released"] as const;
  const headers = fc.record(
    {
      kind: fc.constantFrom(...kinds, "active" as const, "credit" as const, "abort" as const),
      vmId: fc.uuid({ version: [1, 4, 7] }).map((id) => vmId.parse(id)),
      stream: hex(16).map((bytes) => streamId.parse(bytes.toString("hex"))),
      term: fc.maxSafeNat(),
      epoch: fc.nat(0xffffffff),
      sequence: fc.nat(0xffffffff),
      rawBytes: fc.nat(RAW_BYTES_MAX),
    },
    { noNullPrototype: true },
  );
  const property = fc.property(headers, fc.uint8Array({ maxLength: 300 }), (given, body) => {
    const { payload: read, ...rest } = parseFrame(encodeFrame(given, body));
    assert.equal(rest, given);
    assert.equal([...read], [...body]);
  });
  fc.assert(property, { numRuns: 500, seed: 1 });
});

frame("parseFrame() reads a frame inside a larger buffer", () => {
  const bytes = encodeFrame(header, payload);
  const larger = new Uint8Array(bytes.length + 13).fill(9);
  larger.set(bytes, 7);
  const view = larger.subarray(7, 7 + bytes.length);
  assert.is(Buffer.from(parseFrame(view).payload).toString(), "some pages");
});

frame("parseFrame() refuses a frame with any bit changed", () => {
  const bytes = encodeFrame(header, payload);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3] = changed[bit >> 3]! ^ (1 << (bit & 7));
    refuses(changed, "FRAME_CORRUPT", `bit ${bit}`);
  }
});

frame("parseFrame() refuses a frame cut anywhere, or with a byte too many", () => {
  const bytes = encodeFrame(header, payload);
  for (let size = 0; size < bytes.length; size++) {
    refuses(bytes.subarray(0, size), "FRAME_CORRUPT", `${size} bytes`);
  }
  refuses(Buffer.concat([bytes, Buffer.of(0)]), "FRAME_CORRUPT", "a byte too many");
});

const forgeries: Record<string, [change: (frame: Buffer) => void, code: string]> = {
  "version 0": [(bytes) => bytes.writeUInt16LE(0, 4), "VERSION_UNSUPPORTED"],
  "version 2": [(bytes) => bytes.writeUInt16LE(2, 4), "VERSION_UNSUPPORTED"],
  "kind 0": [(bytes) => bytes.writeUInt8(0, 6), "FRAME_CORRUPT"],
  "kind 13": [(bytes) => bytes.writeUInt8(13, 6), "FRAME_CORRUPT"],
  "kind 255": [(bytes) => bytes.writeUInt8(255, 6), "FRAME_CORRUPT"],
  "a reserved byte": [(bytes) => bytes.writeUInt8(1, 7), "FRAME_CORRUPT"],
  "reserved bytes at the end": [(bytes) => bytes.writeUInt8(1, 75), "FRAME_CORRUPT"],
  "a term above 2^53": [(bytes) => bytes.writeBigUInt64LE(1n << 53n, 40), "FRAME_CORRUPT"],
  "a length below": [(bytes) => bytes.writeUInt32LE(9, 56), "FRAME_CORRUPT"],
  "a length above": [(bytes) => bytes.writeUInt32LE(11, 56), "FRAME_CORRUPT"],
  "a length of 4 GiB": [(bytes) => bytes.writeUInt32LE(0xffffffff, 56), "FRAME_CORRUPT"],
  "a decoded length over its limit": [
    (bytes) => bytes.writeUInt32LE(RAW_BYTES_MAX + 1, 60),
    "FRAME_CORRUPT",
  ],
  "another payload's checksum": [(bytes) => bytes.writeUInt32LE(1, 64), "FRAME_CORRUPT"],
};
for (const [name, [change, code]] of Object.entries(forgeries)) {
  frame(`parseFrame() refuses ${name} under a good checksum`, () => {
    refuses(forged(change), code, name);
  });
}

frame("parseFrame() takes the largest payload and none larger", () => {
  const largest = encodeFrame(header, new Uint8Array(PAYLOAD_BYTES_MAX));
  assert.is(parseFrame(largest).payload.length, PAYLOAD_BYTES_MAX);
  const larger = encodeFrame(header, new Uint8Array(PAYLOAD_BYTES_MAX + 1));
  refuses(larger, "FRAME_CORRUPT", "a byte over the limit");
});

frame.run();
