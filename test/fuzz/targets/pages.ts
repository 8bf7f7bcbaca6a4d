/**
 * Fuzz target: what a peer sends as guest memory. The payload decoder, the LZ4 decompressor and the
 * XBZRLE decoder take any bytes; the right answers are exact output, FRAME_CORRUPT or BASE_DIFFERS.
 * @module
 */
import assert from "node:assert/strict";
import { compressBytes, decodePages, decompressBytes, encodePages } from "../../../epochs/delta.ts";
import type { ReadInto } from "../../../epochs/guest-ram.ts";
import {
  Kernel,
  loadKernelModule,
  PAGE_BYTES,
  WINDOW_BYTES,
  WINDOW_PAGES,
} from "../../../epochs/kernel.ts";
import { parsePagesHeader } from "../../../epochs/pages-header.ts";
import { Shadow } from "../../../epochs/shadow.ts";
import { type ErrorCode, SystemError } from "../../../protocol/error.ts";
import { instantiate } from "../../unit/assembly/raw.ts";
import { bitmapOf, lz4Decode, lz4Encode } from "../../unit/assembly/reference.ts";
import { mixture } from "../../unit/assembly/samples.ts";
import { xbzrleDecode, xbzrleEncode } from "../../unit/assembly/xbzrle-reference.ts";

export const name = "pages";

const RAM_BYTES = 16 * WINDOW_BYTES;
const RAW_BYTES_MAX = 2 * WINDOW_BYTES;
/** Longest output that the slow scalar reference is asked to decode. */
const REFERENCE_BYTES_MAX = 100_000;
const GUARD = 0xa5;
const REFUSALS: readonly ErrorCode[] = ["FRAME_CORRUPT", "BASE_DIFFERS"];
const kernel = new Kernel(loadKernelModule(), WINDOW_BYTES);
// Window and shadow lie before and behind what the decoders may write, and hold the same.
guardWindow();
kernel.selectAll(WINDOW_PAGES);
kernel.updateShadow(0, WINDOW_PAGES);
const xbzrle = instantiate();
/** A window that the differences among the seeds are to: what the receiver has everywhere. */
const BASE = mixture(4, WINDOW_BYTES);

/** Sound payloads and blocks, as a start for mutations. The first byte says what the rest is. */
export function seeds(): Uint8Array[] {
  const change = {
    firstPage: 300,
    pages: 20,
    changed: bitmapOf([0, 1, 2, 7, 8, 19], 20),
    zero: bitmapOf([2, 19], 20),
    content: mixture(1, 4 * PAGE_BYTES),
  };
  const pages = encodePages(kernel, change);
  const bytes = compressBytes(kernel, mixture(2, 70_000));
  const block = lz4Encode(mixture(3, 3000));
  const page = BASE.subarray(0, PAGE_BYTES);
  return [
    Buffer.concat([Buffer.from([0]), differences()]),
    Buffer.concat([
      Buffer.from([3]),
      xbzrleEncode(page, changedBase().subarray(0, PAGE_BYTES), PAGE_BYTES)!,
    ]),
    Buffer.concat([Buffer.from([0]), pages]),
    Buffer.concat([Buffer.from([1]), bytes]),
    Buffer.concat([Buffer.from([2, 3000 & 0xff, 3000 >> 8, 0]), block]),
  ];
}

function changedBase(): Uint8Array {
  const current = Uint8Array.from(BASE);
  for (const at of [5, 200, 201, 3000, 4 * PAGE_BYTES, 19 * PAGE_BYTES + 4095]) current[at]! ^= 1;
  current.fill(0, 7 * PAGE_BYTES, 8 * PAGE_BYTES);
  current.set(mixture(5, PAGE_BYTES), 9 * PAGE_BYTES);
  return current;
}

/** A payload of differences to `BASE`, one of them in the first window. */
function differences(): Uint8Array {
  const shadow = new Shadow(loadKernelModule(), WINDOW_BYTES);
  const payloads = [BASE, changedBase()].map((ram) => {
    const readInto: ReadInto = (view) => {
      view.set(ram);
      return view.length;
    };
    const [found] = shadow.scanWindow(readInto, 0, WINDOW_BYTES, "delta");
    return shadow.encodeFound(found!);
  });
  return payloads[1]!;
}

/** Throws only on a bug. */
export function run(bytes: Uint8Array): void {
  const rest = bytes.subarray(1);
  switch ((bytes[0] ?? 0) % 4) {
    case 0:
      runPages(rest);
      break;
    case 1:
      orCorrupt(() => {
        const raw = decompressBytes(kernel, rest, RAW_BYTES_MAX);
        assert(raw.length <= RAW_BYTES_MAX);
        assert(decompressBytes(kernel, compressBytes(kernel, raw), raw.length).equals(raw));
      });
      break;
    case 2:
      runBlock(rest);
      break;
    case 3:
      runXbzrle(rest);
      break;
  }
  assert.equal(kernel.compare(0, WINDOW_PAGES), 0, "the decoder wrote outside its region");
}

/** Every page in RAM, none twice, as many as the header says. */
function runPages(payload: Uint8Array): void {
  orCorrupt(() => {
    const pages = new Set<number>();
    let runs = 0;
    decodePages(kernel, payload, RAM_BYTES, readBase, ({ position, length, bytes }) => {
      assert(length > 0 && length % PAGE_BYTES === 0 && position % PAGE_BYTES === 0);
      assert(position >= 0 && position + length <= RAM_BYTES, "a run past the end of RAM");
      assert(bytes === "zero" || bytes.length === length);
      runs += length / PAGE_BYTES;
      for (let at = 0; at < length; at += PAGE_BYTES) pages.add(position + at);
    });
    assert.equal(pages.size, runs, "a page written twice");
    assert.equal(pages.size, parsePagesHeader(payload, RAM_BYTES).changedPages);
  });
  // Differences are made pages in the window.
  if (payload[1] === 1) guardWindow();
}

/** Three bytes of length, then an LZ4 block: the kernel and the scalar reference must agree. */
function runBlock(bytes: Uint8Array): void {
  const length =
    ((bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8) | ((bytes[2] ?? 0) << 16)) % REFERENCE_BYTES_MAX;
  const block = bytes.subarray(3);
  const expected = lz4Decode(block, length);
  const decoded = orCorrupt(() => kernel.decompress(block, length));
  assert.equal(decoded === undefined, expected === undefined, "kernel and reference disagree");
  if (decoded !== undefined) assert.equal(Buffer.compare(decoded, expected!), 0, "wrong bytes");
}

/** An encoding at the end of the memory, so that one byte read behind it is a trap. */
function runXbzrle(encoding: Uint8Array): void {
  const { kernels, bytes, free } = xbzrle;
  const old = BASE.subarray(0, PAGE_BYTES);
  const input = encoding.subarray(0, 2 * PAGE_BYTES);
  const source = bytes.length - input.length;
  bytes.set(input, source);
  bytes.fill(GUARD, free, free + 3 * PAGE_BYTES);
  bytes.set(old, free + PAGE_BYTES);
  const covered = kernels.xbzrleDecode(source, input.length, free + PAGE_BYTES, PAGE_BYTES);
  const expected = xbzrleDecode(input, old);
  assert.equal(covered, expected?.covered ?? -1, "kernel and reference disagree");
  const page = bytes.subarray(free + PAGE_BYTES, free + 2 * PAGE_BYTES);
  if (expected !== undefined) assert.equal(Buffer.compare(page, expected.page), 0, "wrong bytes");
  for (const band of [free, free + 2 * PAGE_BYTES]) {
    assert(
      bytes.subarray(band, band + PAGE_BYTES).every((byte) => byte === GUARD),
      "the decoder wrote outside its page",
    );
  }
}

/** The receiver has `BASE` in every window. */
function readBase(view: Uint8Array, position: number): number {
  const at = position % WINDOW_BYTES;
  const length = Math.min(view.length, WINDOW_BYTES - at);
  view.set(BASE.subarray(at, at + length));
  return length;
}

function guardWindow(): void {
  kernel.window.fill(GUARD);
}

function orCorrupt<Result>(decode: () => Result): Result | undefined {
  try {
    return decode();
  } catch (thrown) {
    if (thrown instanceof SystemError && REFUSALS.includes(thrown.code)) return undefined;
    throw thrown;
  }
}
