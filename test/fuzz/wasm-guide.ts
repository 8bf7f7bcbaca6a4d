/**
 * Coverage of the WASM core, by a copy of it that tells where it goes: at the beginning of each
 * function, loop and branch, and at each return. New is a pair of places, one after the other, or
 * one of them far more often than ever.
 * @module
 */
import { readFileSync } from "node:fs";
import binaryen from "binaryen";
import { instantiate, type RawInstance } from "../unit/assembly/raw.ts";
import type { Guide, Look } from "./guide.ts";

const WASM = new URL("../../assembly/build/release.wasm", import.meta.url);
const PAIRS = 1 << 16;
/** Times a pair was passed, by what counts as far more often: AFL's classes, as bits. */
const CLASSES = Array.from({ length: 256 }, (_, count) => classOf(count));

/** A core that reports to its guide. Run it on the same input as the core itself. */
export interface Traced {
  readonly instance: RawInstance;
  readonly guide: Guide;
}

export function traced(): Traced {
  const { module, places } = instrumented();
  const hits = new Uint8Array(PAIRS);
  const touched: number[] = [];
  const passed = new Uint8Array(places);
  let before = 0;
  const log = (place: number): void => {
    passed[place] = 1;
    const pair = ((before << 9) ^ place) & (PAIRS - 1);
    before = place;
    const count = hits[pair]!;
    if (count === 0) touched.push(pair);
    if (count < 255) hits[pair] = count + 1;
  };
  const instance = instantiate(module, { env: { log_execution: log } });
  return { instance, guide: guideOf(hits, touched, passed, () => (before = 0)) };
}

function guideOf(
  hits: Uint8Array,
  touched: number[],
  places: Uint8Array,
  restart: () => void,
): Guide {
  const seen = new Uint8Array(PAIRS);
  const count = (bits: Uint8Array): number =>
    bits.reduce((sum, bit) => sum + (bit === 0 ? 0 : 1), 0);
  const clear = (): void => {
    for (const pair of touched) hits[pair] = 0;
    touched.length = 0;
    restart();
  };
  return {
    batch: 1,
    reset: clear,
    look(): Look {
      const passed = touched.map((pair): [number, number] => [pair, CLASSES[hits[pair]!]!]);
      clear();
      return {
        isNew: passed.some(([pair, bit]) => (seen[pair]! & bit) === 0),
        merge() {
          for (const [pair, bit] of passed) seen[pair]! |= bit;
        },
      };
    },
    get reached() {
      const all = `of ${places.length} in all kernels`;
      return `${count(places)} places reached ${all}, in ${count(seen)} pairs`;
    },
    [Symbol.dispose]() {},
  };
}

function classOf(count: number): number {
  const limits = [1, 2, 3, 7, 15, 31, 127];
  const found = limits.findIndex((limit) => count <= limit);
  return 1 << (found === -1 ? 7 : found);
}

function instrumented(): { module: WebAssembly.Module; places: number } {
  const core = binaryen.readBinary(readFileSync(WASM));
  core.setFeatures(binaryen.Features.All);
  core.runPasses(["log-execution"]);
  const text = core.emitText();
  core.dispose();
  // The pass leaves branches out; it numbers its places from 0.
  let places = text.match(/call \$log_execution/g)?.length ?? 0;
  const logged = text.replace(
    /\((?:then|else)\b/g,
    (arm) => `${arm} (call $log_execution (i32.const ${places++}))`,
  );
  const copy = binaryen.parseText(logged);
  copy.setFeatures(binaryen.Features.All);
  const bytes = Uint8Array.from(copy.emitBinary());
  copy.dispose();
  return { module: new WebAssembly.Module(bytes), places };
}
