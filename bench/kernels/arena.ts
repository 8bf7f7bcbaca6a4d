/**
 * An instance of the WASM core with a large memory behind it, and its raw exports: kernels and
 * native peers are given addresses and views of the same bytes.
 * @module
 */
import assert from "node:assert/strict";
import { loadKernelModule } from "../../epochs/kernel.ts";

const MEMORY_PAGE_BYTES = 64 * 1024;
/** Regions begin at pages, as guest memory does, and none is next to another. */
const ALIGN_BYTES = 4096;
const SLACK_BYTES = 64;

/** What assembly/index.ts exports: numbers are addresses and u32. */
export interface RawKernels {
  readonly memory: WebAssembly.Memory;
  compare(current: number, shadow: number, count: number, out: number): number;
  zeroPages(pages: number, selected: number, count: number, out: number): number;
  runs(bitmap: number, bits: number, from: number, gap: number, out: number, max: number): number;
  list(bitmap: number, bits: number, from: number, out: number, max: number): number;
  popcount(bitmap: number, bytes: number): number;
  pagemap(words: number, count: number, mask: bigint, out: number): number;
  xbzrleEncode(
    old: number,
    current: number,
    length: number,
    target: number,
    limit: number,
    merge: number,
  ): number;
  xbzrleDecode(source: number, length: number, page: number, pageLength: number): number;
  compress(source: number, length: number, target: number): number;
  compressPage(source: number, length: number, target: number): number;
  decompress(source: number, length: number, target: number, targetLength: number): number;
  /** Hashes are i64: negative where the top bit is set. */
  xxh64(source: number, length: number, seed: bigint): bigint;
  xxh64Pages(pages: number, count: number, out: number): void;
  xxh3(source: number, length: number): bigint;
  xxh3Pages(pages: number, count: number, out: number): void;
}

/** Bytes of the memory: where they begin, and a view of them. */
export interface Region {
  readonly at: number;
  readonly bytes: Uint8Array;
}

export interface Arena {
  readonly kernels: RawKernels;
  /** The next `length` bytes, zeros; asserts that the arena was made large enough. */
  readonly take: (length: number) => Region;
  /** The same, filled. */
  readonly put: (bytes: Uint8Array) => Region;
  /** Whether the core has a kernel of this name. */
  readonly has: (name: keyof RawKernels) => boolean;
}

/** An instance of its own with room for regions of `bytes` in all; grown once, so views hold. */
export function makeArena(bytes: number, regions = 64): Arena {
  const instance = new WebAssembly.Instance(loadKernelModule());
  const kernels = instance.exports as unknown as RawKernels;
  const room = bytes + regions * (ALIGN_BYTES + SLACK_BYTES);
  let next = kernels.memory.grow(Math.ceil(room / MEMORY_PAGE_BYTES)) * MEMORY_PAGE_BYTES;
  const memory = new Uint8Array(kernels.memory.buffer);
  const take = (length: number): Region => {
    const at = next;
    next = Math.ceil((at + length + SLACK_BYTES) / ALIGN_BYTES) * ALIGN_BYTES;
    assert(next <= memory.length, `the arena of ${bytes} bytes is full`);
    return { at, bytes: memory.subarray(at, at + length) };
  };
  const put = (content: Uint8Array): Region => {
    const region = take(content.length);
    region.bytes.set(content);
    return region;
  };
  return { kernels, take, put, has: (name) => instance.exports[name] !== undefined };
}
