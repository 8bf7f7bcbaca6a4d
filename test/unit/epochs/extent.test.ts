import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  decodeExtent,
  decodeStatePiece,
  type ExtentPayload,
  encodeExtent,
  encodeState,
  STATE_BYTES_MAX,
} from "../../../epochs/extent.ts";
import { Kernel, loadKernelModule } from "../../../epochs/kernel.ts";
import { SystemError } from "../../../protocol/error.ts";
import { mixture } from "../assembly/samples.ts";

const kernel = new Kernel(loadKernelModule());
const extent = suite("extent");
const MIB = 1024 * 1024;
const DISKS = [8 * MIB, 4096];

/** FRAME_CORRUPT's sentence, or undefined; any other error is a failure. */
function faultOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (thrown) {
    assert.ok(thrown instanceof SystemError && thrown.code === "FRAME_CORRUPT", String(thrown));
    return (thrown as SystemError).message;
  }
}

const anyExtent = fc
  .tuple(fc.constantFrom(0, 1), fc.nat(), fc.nat(), fc.boolean())
  .map(([disk, from, size, zero]): ExtentPayload => {
    const offset = from % DISKS[disk]!;
    const length = 1 + (size % Math.min(MIB, DISKS[disk]! - offset));
    return { disk, offset, length, bytes: zero ? undefined : mixture(size, length) };
  });

extent("decodeExtent() gives back what encodeExtent() was given", () => {
  fc.assert(
    fc.property(anyExtent, (given) => {
      const { bytes, ...range } = decodeExtent(kernel, encodeExtent(kernel, given), DISKS);
      const { bytes: expected, ...expectedRange } = given;
      assert.equal(range, expectedRange);
      assert.is(bytes === undefined, expected === undefined);
      if (bytes !== undefined) assert.is(Buffer.compare(bytes, expected!), 0);
    }),
    { seed: 1, numRuns: 60 },
  );
});

extent("decodeExtent() takes a range of zeros of a whole disk", () => {
  const whole = { disk: 0, offset: 0, length: 8 * MIB, bytes: undefined };
  assert.equal(decodeExtent(kernel, encodeExtent(kernel, whole), DISKS), whole);
});

const sound = { disk: 1, offset: 512, length: 1024, bytes: mixture(1, 1024) };
const MUTATIONS: readonly [name: string, change: (payload: Buffer) => Buffer, reason: RegExp][] = [
  ["nothing", () => Buffer.alloc(0), /header cut short/],
  ["a header cut short", (payload) => payload.subarray(0, 23), /header cut short/],
  ["another version", (payload) => set(payload, 0, 2), /version/],
  ["a disk that is not there", (payload) => set(payload, 1, 2), /no disk 2/],
  ["an unknown kind", (payload) => set(payload, 2, 2), /kind/],
  ["reserved bytes", (payload) => set(payload, 7, 1), /reserved/],
  ["an offset past the disk", (payload) => set(payload, 9, 0x20), /outside/],
  ["an offset that overflows", (payload) => payload.fill(0xff, 8, 16), /outside/],
  ["a length of nothing", (payload) => payload.fill(0, 16, 24), /outside/],
  ["a length past the disk", (payload) => set(payload, 17, 0x0f), /outside/],
  ["a length that overflows", (payload) => payload.fill(0xff, 16, 24), /outside/],
  ["a length that is not its bytes'", (payload) => set(payload, 16, 1), /length/],
  ["zeros with bytes", (payload) => set(payload, 2, 1), /behind a range of zeros/],
  [
    "bytes behind its bytes",
    (payload) => Buffer.concat([payload, Buffer.of(0)]),
    /behind the last/,
  ],
  ["bytes cut short", (payload) => payload.subarray(0, -1), /cut short/],
];

function set(payload: Buffer, at: number, value: number): Buffer {
  payload[at] = value;
  return payload;
}

for (const [name, change, reason] of MUTATIONS) {
  extent(`decodeExtent() refuses ${name}`, () => {
    const payload = change(encodeExtent(kernel, sound));
    assert.match(faultOf(() => decodeExtent(kernel, payload, DISKS)) ?? "taken", reason);
  });
}

extent("decodeExtent() refuses more bytes than a frame may hold, before it decodes them", () => {
  const payload = encodeExtent(kernel, { ...sound, disk: 0 });
  payload.writeBigUInt64LE(BigInt(MIB + 1), 16);
  assert.match(faultOf(() => decodeExtent(kernel, payload, DISKS))!, /too long/);
});

extent("decodeExtent() never gives a range outside of its disk, whatever it is sent", () => {
  const payload = encodeExtent(kernel, sound);
  const changes = fc.array(fc.tuple(fc.nat(payload.length - 1), fc.nat(255)), { minLength: 1 });
  fc.assert(
    fc.property(changes, fc.nat(payload.length), (bytes, keep) => {
      const mutated = Buffer.from(payload);
      for (const [at, value] of bytes) mutated[at] = value;
      faultOf(() => {
        const cut = keep % 3 === 0 ? mutated.subarray(0, keep) : mutated;
        const { disk, offset, length, bytes: content } = decodeExtent(kernel, cut, DISKS);
        assert.ok(offset >= 0 && length > 0 && offset + length <= DISKS[disk]!);
        assert.ok(content === undefined || content.length === length);
      });
    }),
    { seed: 3, numRuns: 2_000 },
  );
});

extent("decodeStatePiece() gives back the pieces of encodeState(), each where it belongs", () => {
  for (const size of [1, 4096, MIB, MIB + 1, 3 * MIB - 1]) {
    const state = mixture(size, size);
    const whole = Buffer.alloc(size);
    const pieces = encodeState(kernel, state);
    assert.is(pieces.length, Math.ceil(size / MIB));
    for (const payload of pieces) {
      const { offset, totalBytes, bytes } = decodeStatePiece(kernel, payload);
      assert.is(totalBytes, size);
      whole.set(bytes, offset);
    }
    assert.is(Buffer.compare(whole, state), 0);
  }
  assert.equal(encodeState(kernel, new Uint8Array()), []);
});

extent("decodeStatePiece() refuses lengths that cannot be", () => {
  const [payload] = encodeState(kernel, mixture(1, 5_000));
  const with32 = (at: number, value: number): Buffer => {
    const copy = Buffer.from(payload!);
    copy.writeUInt32LE(value, at);
    return copy;
  };
  for (const [piece, reason] of [
    [payload!.subarray(0, 7), /cut short/],
    [with32(4, STATE_BYTES_MAX + 1), /too long/],
    [with32(4, 0), /outside of its length/],
    [with32(0, 5_000), /outside of its length/],
    [with32(0, 0xffff_ffff), /outside of its length/],
    [with32(4, 5_001), /wrong length/],
    [with32(0, 1), /./],
  ] as const) {
    assert.match(faultOf(() => decodeStatePiece(kernel, piece)) ?? "taken", reason);
  }
});

extent.run();
