/**
 * The WASM core without its wrapper, so that a test can put a kernel's input and output anywhere in
 * the memory, at any alignment, with guard bands around.
 * @module
 */
import { loadKernelModule } from "../../../epochs/kernel.ts";

/** What assembly/index.ts exports, as far as the tests call it. Numbers are addresses and u32. */
export interface RawKernels {
  readonly memory: WebAssembly.Memory;
  compare(current: number, shadow: number, count: number, out: number): number;
  zeroPages(pages: number, selected: number, count: number, out: number): number;
  copyPages(from: number, selected: number, count: number, to: number): void;
  gatherPages(from: number, selected: number, excepted: number, count: number, to: number): number;
  list(bitmap: number, bits: number, from: number, out: number, max: number): number;
  popcount(bitmap: number, bytes: number): number;
  pagemap(words: number, count: number, mask: bigint, out: number): number;
  runs(bitmap: number, bits: number, from: number, gap: number, out: number, max: number): number;
  compress(source: number, length: number, target: number): number;
  compressPage(source: number, length: number, target: number): number;
  decompress(source: number, length: number, target: number, targetLength: number): number;
  xbzrleEncode(
    old: number,
    current: number,
    length: number,
    target: number,
    limit: number,
    merge: number,
  ): number;
  xbzrleDecode(source: number, length: number, page: number, pageLength: number): number;
  /** Hashes are i64: negative where the top bit is set. */
  xxh64(source: number, length: number, seed: bigint): bigint;
  xxh64Pages(pages: number, count: number, out: number): void;
  xxh3(source: number, length: number): bigint;
  xxh3Pages(pages: number, count: number, out: number): void;
}

/** An instance, its whole memory, and where a test may put its things: 16 MiB from `free`. */
export interface RawInstance {
  readonly kernels: RawKernels;
  readonly bytes: Uint8Array;
  readonly free: number;
}

/** Without arguments the core as it is; or one that was made from it, with what that imports. */
export function instantiate(
  module: WebAssembly.Module = loadKernelModule(),
  imports: WebAssembly.Imports = {},
): RawInstance {
  const instance = new WebAssembly.Instance(module, imports);
  const kernels = instance.exports as unknown as RawKernels;
  const free = kernels.memory.grow(256) * 65536;
  return { kernels, bytes: new Uint8Array(kernels.memory.buffer), free };
}
