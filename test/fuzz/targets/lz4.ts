/**
 * Fuzz target: an LZ4 block of any bytes. The right answers are an error, or exactly the bytes that
 * liblz4 and the scalar reference make of it; and what a compressor makes of the input must come
 * back. Nothing is written outside of what was asked for and the documented slack.
 * @module
 */
import assert from "node:assert/strict";
import { instantiate, type RawInstance } from "../../unit/assembly/raw.ts";
import { lz4Decode, lz4Encode } from "../../unit/assembly/reference.ts";
import { mixture } from "../../unit/assembly/samples.ts";
import { type Guarded, guarded } from "../guarded.ts";
import type { Guide } from "../guide.ts";
import { loadLiblz4 } from "../liblz4.ts";
import { traced } from "../wasm-guide.ts";

export const name = "lz4";
export const inputBytesMax = 3_000;

/** Three bytes before a block: what to do with it, and the length of its content. */
const HEADER_BYTES = 3;
const CONTENT_BYTES_MAX = 8 * 1024;
const BLOCK_BYTES_MAX = 2 * inputBytesMax + 64;
const SLACK = 15;
/** The scalar reference is slow: where liblz4 agrees, it is asked now and then. */
const REFERENCE_EVERY = 64;

interface Bench {
  readonly instance: RawInstance;
  readonly source: Guarded;
  readonly target: Guarded;
}

const reporting = traced();
const [core, trace] = [instantiate(), reporting.instance].map(
  (instance): Bench => ({
    instance,
    source: guarded(instance, instance.free, BLOCK_BYTES_MAX),
    target: guarded(instance, instance.free + 64 * 1024, CONTENT_BYTES_MAX),
  }),
) as [Bench, Bench];
const liblz4 = loadLiblz4();
let executions = 0;

export function guide(): Guide {
  return reporting.guide;
}

export function seeds(): Uint8Array[] {
  const contents = [
    mixture(1, 4096),
    new Uint8Array(4096),
    mixture(2, 100),
    Buffer.alloc(300, "ab"),
  ];
  const blocks = contents.map((content) => withHeader(0, content.length, lz4Encode(content)));
  return [
    ...blocks,
    withHeader(1, 0, mixture(3, 1_000)),
    withHeader(0, 13, Buffer.alloc(14, 0xf0)),
  ];
}

function withHeader(what: number, length: number, rest: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.of(what, length & 0xff, length >> 8), rest]);
}

/** Throws only on a bug. */
export function run(bytes: Uint8Array): void {
  const rest = bytes.subarray(HEADER_BYTES);
  const length = ((bytes[1] ?? 0) | ((bytes[2] ?? 0) << 8)) % (CONTENT_BYTES_MAX + 1);
  if ((bytes[0] ?? 0) % 8 === 1) runEncoder(rest);
  else runDecoder(rest, length);
}

function runDecoder(block: Uint8Array, length: number): void {
  decode(trace, block, length);
  const answer = decode(core, block, length);
  const expected = reference(block, length, answer !== undefined);
  assert.equal(answer === undefined, expected === undefined, "another verdict than the reference");
  if (answer !== undefined) assert.equal(Buffer.compare(answer, expected!), 0, "other bytes");
}

/**
 * By liblz4, and by the scalar reference where that says something else: liblz4 takes a distance of
 * 0, which the format forbids.
 */
function reference(block: Uint8Array, length: number, taken: boolean): Uint8Array | undefined {
  const answer = liblz4?.decompress(block, length);
  const agrees = liblz4 !== undefined && taken === (answer !== undefined);
  return agrees && ++executions % REFERENCE_EVERY !== 0 ? answer : lz4Decode(block, length);
}

function decode({ instance, source, target }: Bench, block: Uint8Array, length: number) {
  source.prepare(block.length).set(block);
  const view = target.prepare(length);
  const { decompress } = instance.kernels;
  const answer = decompress(source.address, block.length, target.address, length);
  target.check(length, SLACK);
  assert(answer === 0 || answer === -1, `answered ${answer}`);
  return answer === 0 ? view : undefined;
}

function runEncoder(content: Uint8Array): void {
  const { instance, source, target } = core;
  source.prepare(content.length).set(content);
  const block = target.prepare(0);
  const bound = content.length + Math.floor(content.length / 255) + 16;
  const length = instance.kernels.compress(source.address, content.length, target.address);
  target.check(bound, SLACK);
  assert(length <= bound, "longer than an LZ4 block can be");
  const made = instance.bytes.slice(block.byteOffset, block.byteOffset + length);
  const back = lz4Decode(made, content.length);
  assert(back !== undefined && Buffer.compare(back, content) === 0, "does not come back");
}
