/**
 * Fuzz target: an XBZRLE encoding of any bytes onto a page, and what the encoder makes of two
 * pages. Both must do what the scalar references do, and write nothing outside of their ranges.
 * @module
 */
import assert from "node:assert/strict";
import { instantiate, type RawInstance } from "../../unit/assembly/raw.ts";
import { mixture } from "../../unit/assembly/samples.ts";
import { xbzrleDecode, xbzrleEncode } from "../../unit/assembly/xbzrle-reference.ts";
import { type Guarded, guarded } from "../guarded.ts";
import type { Guide } from "../guide.ts";
import { traced } from "../wasm-guide.ts";

export const name = "xbzrle";
export const inputBytesMax = 5_000;

const PAGE_BYTES = 4_096;
const SLACK = 15;
const OLD = mixture(1, PAGE_BYTES);

interface Bench {
  readonly instance: RawInstance;
  readonly page: Guarded;
  readonly target: Guarded;
}

const reporting = traced();
const [core, trace] = [instantiate(), reporting.instance].map(
  (instance): Bench => ({
    instance,
    page: guarded(instance, instance.free, PAGE_BYTES),
    target: guarded(instance, instance.free + 64 * 1024, PAGE_BYTES),
  }),
) as [Bench, Bench];

export function guide(): Guide {
  return reporting.guide;
}

export function seeds(): Uint8Array[] {
  const changed = Uint8Array.from(OLD);
  for (const at of [5, 200, 201, 203, 3_000, 4_095]) changed[at]! ^= 1;
  changed.set(mixture(2, 700), 1_000);
  const encoding = xbzrleEncode(OLD, changed, PAGE_BYTES)!;
  return [
    Buffer.concat([Buffer.of(0), encoding]),
    Buffer.concat([Buffer.of(1), changed]),
    Buffer.concat([Buffer.of(2), OLD.subarray(0, 300)]),
    Buffer.of(0, 0, 1, 7),
  ];
}

/** The first byte says what the rest is. Throws only on a bug. */
export function run(bytes: Uint8Array): void {
  const rest = bytes.subarray(1);
  if ((bytes[0] ?? 0) % 4 === 0) runDecoder(rest);
  else runEncoder(rest.subarray(0, PAGE_BYTES), bytes[0]! % 4 === 1);
}

function runDecoder(encoding: Uint8Array): void {
  decode(trace, encoding);
  const { covered, page } = decode(core, encoding);
  const expected = xbzrleDecode(encoding, OLD);
  assert.equal(covered, expected?.covered ?? -1, "another verdict than the reference");
  if (expected !== undefined) assert.equal(Buffer.compare(page, expected.page), 0, "other bytes");
}

/** The encoding ends where the memory ends, so that one byte read behind it is a trap. */
function decode({ instance, page }: Bench, encoding: Uint8Array) {
  const { bytes, kernels } = instance;
  const source = bytes.length - encoding.length;
  bytes.set(encoding, source);
  const view = page.prepare(PAGE_BYTES);
  view.set(OLD);
  const covered = kernels.xbzrleDecode(source, encoding.length, page.address, PAGE_BYTES);
  page.check(PAGE_BYTES, 0);
  return { covered, page: view };
}

/** Of a page that begins with `content`, old behind it; a limit makes it overflow at times. */
function runEncoder(content: Uint8Array, exact: boolean): void {
  const current = Uint8Array.from(OLD);
  current.set(content);
  const limit = content.length % 3 === 0 ? content.length : PAGE_BYTES;
  const { instance, page, target } = core;
  const old = instance.free + 128 * 1024;
  instance.bytes.set(OLD, old);
  page.prepare(PAGE_BYTES).set(current);
  target.prepare(limit);
  const { xbzrleEncode: encode } = instance.kernels;
  const length = encode(old, page.address, PAGE_BYTES, target.address, limit, exact ? 0 : 1);
  target.check(limit, SLACK);
  assert(length >= -1 && length <= limit, `answered ${length}`);
  const made = instance.bytes.slice(target.address, target.address + Math.max(0, length));
  const plain = xbzrleEncode(OLD, current, limit);
  if (exact) assert.equal(length, plain?.length ?? -1, "another length than the reference");
  if (length <= 0) return;
  const back = xbzrleDecode(made, OLD);
  assert(back !== undefined && Buffer.compare(back.page, current) === 0, "does not come back");
  if (exact) assert.equal(Buffer.compare(made, plain!), 0, "other bytes");
}
