/**
 * Fuzz target: what a peer sends as guest memory, or as compressed bytes. The right answers are
 * exact output, FRAME_CORRUPT or BASE_DIFFERS.
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
import { bitmapOf } from "../../unit/assembly/reference.ts";
import { mixture } from "../../unit/assembly/samples.ts";
import { StrayWrite } from "../guarded.ts";

export const name = "pages";
export const inputBytesMax = 16 * 1024;

const RAM_BYTES = 16 * WINDOW_BYTES;
const RAW_BYTES_MAX = 2 * WINDOW_BYTES;
const GUARD = 0xa5;
/** Looking at the whole of it costs more than most executions. */
const GUARD_LOOKS_EVERY = 64;
const REFUSALS: readonly ErrorCode[] = ["FRAME_CORRUPT", "BASE_DIFFERS"];
const kernel = new Kernel(loadKernelModule(), WINDOW_BYTES);
// Window and shadow lie before and behind what the decoders may write, and hold the same.
guardWindow();
kernel.selectAll(WINDOW_PAGES);
kernel.updateShadow(0, WINDOW_PAGES);
/** A window that the differences among the seeds are to: what the receiver has everywhere. */
const BASE = mixture(4, WINDOW_BYTES);
let executions = 0;

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
  const bytes = compressBytes(kernel, mixture(2, 4_000));
  return [
    Buffer.concat([Buffer.from([0]), differences()]),
    Buffer.concat([Buffer.from([0]), pages]),
    Buffer.concat([Buffer.from([1]), bytes]),
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
    return shadow.encodeFound(found!).payload;
  });
  return payloads[1]!;
}

/** Throws only on a bug. */
export function run(bytes: Uint8Array): void {
  const rest = bytes.subarray(1);
  if ((bytes[0] ?? 0) % 2 === 0) runPages(rest);
  else runBytes(rest);
  if (++executions % GUARD_LOOKS_EVERY === 0) lookAtGuard();
}

function runBytes(encoded: Uint8Array): void {
  orCorrupt(() => {
    const raw = decompressBytes(kernel, encoded, RAW_BYTES_MAX);
    assert(raw.length <= RAW_BYTES_MAX);
    assert(decompressBytes(kernel, compressBytes(kernel, raw), raw.length).equals(raw));
  });
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
  if (payload[1] === 1) guardWindow((payload[2] ?? 0) | ((payload[3] ?? 0) << 8));
}

/** The receiver has `BASE` in every window. */
function readBase(view: Uint8Array, position: number): number {
  const at = position % WINDOW_BYTES;
  const length = Math.min(view.length, WINDOW_BYTES - at);
  view.set(BASE.subarray(at, at + length));
  return length;
}

function guardWindow(pages = WINDOW_PAGES): void {
  kernel.window.fill(GUARD, 0, pages * PAGE_BYTES);
}

/** Window and shadow still hold the same. */
function lookAtGuard(): void {
  if (kernel.compare(0, WINDOW_PAGES) !== 0) throw new StrayWrite("A decoder wrote elsewhere");
}

function orCorrupt<Result>(decode: () => Result): Result | undefined {
  try {
    return decode();
  } catch (thrown) {
    if (thrown instanceof SystemError && REFUSALS.includes(thrown.code)) return undefined;
    throw thrown;
  }
}
