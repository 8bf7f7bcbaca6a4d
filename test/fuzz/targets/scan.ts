/**
 * Fuzz target: bitmaps and words of /proc/PID/pagemap, which the kernel of the host fills in. Every
 * way of reading them must agree with the scalar references.
 * @module
 */
import assert from "node:assert/strict";
import { instantiate, type RawInstance } from "../../unit/assembly/raw.ts";
import { bitsOf, pagemapOf, runsOf } from "../../unit/assembly/reference.ts";
import { mixture } from "../../unit/assembly/samples.ts";
import { type Guarded, guarded } from "../guarded.ts";
import type { Guide } from "../guide.ts";
import { traced } from "../wasm-guide.ts";

export const name = "scan";
export const inputBytesMax = 260;

const HEADER_BYTES = 4;
const BITMAP_BYTES_MAX = inputBytesMax + 8;
const NUMBERS_MAX = 8 * BITMAP_BYTES_MAX;
/** Runs and bitmaps are written in steps, up to so many bytes more than they hold. */
const SLACK = 32;
const MASKS = [
  1n << 55n,
  1n << 57n,
  1n << 62n,
  1n << 63n,
  (1n << 63n) | (1n << 62n),
  0xffn,
] as const;

interface Bench {
  readonly instance: RawInstance;
  readonly input: Guarded;
  readonly output: Guarded;
}

const reporting = traced();
const benches = [reporting.instance, instantiate()].map(
  (instance): Bench => ({
    instance,
    input: guarded(instance, instance.free, BITMAP_BYTES_MAX),
    output: guarded(instance, instance.free + 64 * 1024, NUMBERS_MAX * 8),
  }),
);

export function guide(): Guide {
  return reporting.guide;
}

export function seeds(): Uint8Array[] {
  const bitmaps = [mixture(1, 200), new Uint8Array(256), Buffer.alloc(256, 0xff), Buffer.of(1)];
  return bitmaps.flatMap((bitmap) =>
    [0, 1, 2].map((what) => Buffer.concat([Buffer.of(what, 0, 2, 9), bitmap])),
  );
}

/** What to do, bits cut from the end, a gap or mask, and where to begin; then the bitmap. */
export function run(bytes: Uint8Array): void {
  const [what = 0, cut = 0, option = 0, from = 0] = bytes;
  const bitmap = bytes.subarray(HEADER_BYTES);
  for (const bench of benches) {
    if (what % 3 === 0) runList(bench, bitmap, cut, from);
    else if (what % 3 === 1) runRuns(bench, bitmap, cut, from, option % 9);
    else runPagemap(bench, bitmap, MASKS[option % MASKS.length]!);
  }
}

function place({ input }: Bench, bitmap: Uint8Array): void {
  // Read in words of 8 bytes: what is behind the last one is not of the bitmap.
  input
    .prepare(bitmap.length + 8)
    .fill(0xff)
    .set(bitmap);
}

function runList(bench: Bench, bitmap: Uint8Array, cut: number, from: number): void {
  const { kernels, bytes } = bench.instance;
  const bits = Math.max(0, bitmap.length * 8 - cut);
  place(bench, bitmap);
  bench.output.prepare(0);
  const max = 1 + (cut % 64) * 8;
  const found = kernels.list(bench.input.address, bits, from, bench.output.address, max);
  bench.output.check(max * 4, 0);
  const expected = bitsOf(bitmap, bits).filter((bit) => bit >= from);
  assert.equal(found, Math.min(max, expected.length), "another count than the reference");
  const numbers = new Uint32Array(bytes.buffer, bench.output.address, found);
  assert.equal(
    numbers.every((bit, index) => bit === expected[index]),
    true,
    "other pages",
  );
  const words = bitmap.length - (bitmap.length % 8);
  const counted = kernels.popcount(bench.input.address, words);
  assert.equal(counted, bitsOf(bitmap, words * 8).length, "another population count");
}

function runRuns(bench: Bench, bitmap: Uint8Array, cut: number, from: number, gap: number): void {
  const { kernels, bytes } = bench.instance;
  const bits = Math.max(0, bitmap.length * 8 - cut);
  place(bench, bitmap);
  bench.output.prepare(0);
  const max = 1 + (cut % 16) * 16;
  const count = kernels.runs(bench.input.address, bits, from, gap, bench.output.address, max);
  bench.output.check(max * 8, SLACK);
  const set = bitsOf(bitmap, bits).filter((bit) => bit >= from);
  const expected = runsOf(set, gap).slice(0, max);
  assert.equal(count, expected.length, "another count than the reference");
  const pairs = new Uint32Array(bytes.buffer, bench.output.address, 2 * count);
  const same = expected.every(([start, length], at) => {
    return pairs[2 * at] === start && pairs[2 * at + 1] === length;
  });
  assert.equal(same, true, "other runs");
}

function runPagemap(bench: Bench, input: Uint8Array, mask: bigint): void {
  const { kernels, bytes } = bench.instance;
  const count = input.length >> 3;
  place(bench, input);
  bench.output.prepare(0);
  const set = kernels.pagemap(bench.input.address, count, mask, bench.output.address);
  bench.output.check((count + 7) >> 3, SLACK);
  const words = new BigUint64Array(Uint8Array.from(input.subarray(0, count * 8)).buffer);
  const expected = pagemapOf(words, mask);
  assert.equal(set, expected.length, "another count than the reference");
  const { address } = bench.output;
  const out = bytes.subarray(address, address + ((count + 7) >> 3));
  assert.deepEqual(bitsOf(out, count), expected, "other pages");
}
