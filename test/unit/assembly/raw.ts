/**
 * The WASM core without its wrapper, so that a test can put a kernel's input and output anywhere in
 * the memory, at any alignment, with guard bands around.
 * @module
 */
import type { RawKernels as MeasuredKernels } from "../../../bench/kernels/arena.ts";
import { loadKernelModule } from "../../../epochs/kernel.ts";

/** What assembly/index.ts exports, as far as the tests call it. Numbers are addresses and u32. */
export interface RawKernels extends MeasuredKernels {
  copyPages(from: number, selected: number, count: number, to: number): void;
  gatherPages(from: number, selected: number, excepted: number, count: number, to: number): number;
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
