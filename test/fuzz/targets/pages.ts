/**
 * Fuzz target: what a peer sends as guest memory. The payload decoder and the LZ4 decompressor take
 * any bytes; the right answers are exact output or FRAME_CORRUPT.
 * @module
 */
import assert from "node:assert/strict";
import {
  compressBytes,
  decodePages,
  decompressBytes,
  encodePages,
  parsePagesHeader,
} from "../../../epochs/delta.ts";
import {
  Kernel,
  loadKernelModule,
  PAGE_BYTES,
  WINDOW_BYTES,
  WINDOW_PAGES,
} from "../../../epochs/kernel.ts";
import { SystemError } from "../../../protocol/error.ts";
import { bitmapOf, lz4Decode, lz4Encode } from "../../unit/assembly/reference.ts";
import { mixture } from "../../unit/assembly/samples.ts";

export const name = "pages";

const RAM_BYTES = 16 * WINDOW_BYTES;
const RAW_BYTES_MAX = 2 * WINDOW_BYTES;
/** Longest output that the slow scalar reference is asked to decode. */
const REFERENCE_BYTES_MAX = 100_000;
const GUARD = 0xa5;
const kernel = new Kernel(loadKernelModule(), WINDOW_BYTES);
// Window and shadow lie before and behind what the decoders may write, and hold the same.
kernel.window.fill(GUARD);
kernel.selectAll(WINDOW_PAGES);
kernel.updateShadow(0, WINDOW_PAGES);

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
  return [
    Buffer.concat([Buffer.from([0]), pages]),
    Buffer.concat([Buffer.from([1]), bytes]),
    Buffer.concat([Buffer.from([2, 3000 & 0xff, 3000 >> 8, 0]), block]),
  ];
}

/** Throws only on a bug. */
export function run(bytes: Uint8Array): void {
  const rest = bytes.subarray(1);
  switch ((bytes[0] ?? 0) % 3) {
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
  }
  assert.equal(kernel.compare(0, WINDOW_PAGES), 0, "the decoder wrote outside its region");
}

/** Every page in RAM, none twice, as many as the header says. */
function runPages(payload: Uint8Array): void {
  orCorrupt(() => {
    const pages = new Set<number>();
    let runs = 0;
    decodePages(kernel, payload, RAM_BYTES, ({ position, length, bytes }) => {
      assert(length > 0 && length % PAGE_BYTES === 0 && position % PAGE_BYTES === 0);
      assert(position >= 0 && position + length <= RAM_BYTES, "a run past the end of RAM");
      assert(bytes === "zero" || bytes.length === length);
      runs += length / PAGE_BYTES;
      for (let at = 0; at < length; at += PAGE_BYTES) pages.add(position + at);
    });
    assert.equal(pages.size, runs, "a page written twice");
    assert.equal(pages.size, parsePagesHeader(payload, RAM_BYTES).changedPages);
  });
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

function orCorrupt<Result>(decode: () => Result): Result | undefined {
  try {
    return decode();
  } catch (thrown) {
    if (thrown instanceof SystemError && thrown.code === "FRAME_CORRUPT") return undefined;
    throw thrown;
  }
}
