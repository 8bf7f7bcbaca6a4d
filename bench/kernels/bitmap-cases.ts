/** Dirty bitmaps and pagemap words against native loops. A bitmap is that of a guest of 16 GiB. */
import { type Arena, makeArena, type Region } from "./arena.ts";
import { difference, type KernelCase, type KernelEntry, type KernelGroup } from "./case.ts";
import { noise } from "./images.ts";
import type { Contender } from "./measure.ts";
import type { Native } from "./native.ts";

const BITMAP_BYTES = 512 * 1024;
const BITS = BITMAP_BYTES * 8;
/** Per cent of the bits, at random. */
const DENSITIES = [0, 0.01, 0.1, 1, 3, 10, 25, 50, 75, 90, 99, 100];
const RUN_DENSITIES = [0, 1, 50];
const RUN_BITS = 16;
/** The issue's own limits, in microseconds, by density. */
const LIMIT_US: Readonly<Record<number, number>> = { 0: 20, 1: 500 };
const PAGEMAP_WORDS = 65_536;
/** Bits of a word of /proc/PID/pagemap. */
const USED = { name: "present or swapped", mask: (1n << 63n) | (1n << 62n) };
const SOFT_DIRTY = { name: "soft-dirty", mask: 1n << 55n };

export const bitmapGroup: KernelGroup = {
  kernels: ["bitmap to page list", "bitmap to runs", "popcount"],
  cases({ native }): KernelEntry[] {
    const made = [
      ...DENSITIES.map((percent) => ({ percent, bitmap: randomBits(percent) })),
      { percent: undefined, bitmap: randomRuns() },
    ];
    return [
      ...made.flatMap(({ percent, bitmap }) => listCases(native, bitmap, percent)),
      ...made
        .filter(({ percent }) => percent === undefined || RUN_DENSITIES.includes(percent))
        .map(({ percent, bitmap }) => runsCase(native, bitmap, percent)),
      ...popcountCases(native),
    ];
  },
};

function listCases(native: Native, bitmap: Uint8Array, percent: number | undefined): KernelCase[] {
  const list = native.find("uint32_t peer_list(const void *bitmap, uint32_t bits, void *out)");
  const arena = makeArena(BITMAP_BYTES + 2 * BITS * 4);
  const source = arena.put(bitmap);
  const [ours, theirs] = [arena.take(BITS * 4), arena.take(BITS * 4)];
  const { kernels } = arena;
  let found = 0;
  let expected = 0;
  const run = (): void => {
    expected = list?.(source.bytes, BITS, theirs.bytes) ?? 0;
  };
  const one: KernelCase = {
    kernel: "bitmap to page list",
    input: inputName(percent),
    bytes: BITMAP_BYTES,
    unit: "us",
    ours() {
      found = kernels.list(source.at, BITS, 0, ours.at, BITS);
    },
    peers: list === undefined ? [] : [{ name: "C ctz loop", run }],
    missing: missingOf(arena, "list", list, native),
    aim: { of: "ratio at least", target: 0.8 },
    check: () => counted(found, expected, 4, ours, theirs),
  };
  const limitUs = LIMIT_US[percent ?? -1];
  if (limitUs === undefined) return [one];
  return [one, { ...one, aim: { of: "ours at most", target: limitUs } }];
}

function runsCase(native: Native, bitmap: Uint8Array, percent: number | undefined): KernelCase {
  const runs = native.find("uint32_t peer_runs(const void *bitmap, uint32_t bits, void *out)");
  const arena = makeArena(BITMAP_BYTES + 2 * BITS * 8);
  const source = arena.put(bitmap);
  const [ours, theirs] = [arena.take(BITS * 8), arena.take(BITS * 8)];
  const { kernels } = arena;
  let found = 0;
  let expected = 0;
  const run = (): void => {
    expected = runs?.(source.bytes, BITS, theirs.bytes) ?? 0;
  };
  return {
    kernel: "bitmap to runs",
    input: inputName(percent),
    bytes: BITMAP_BYTES,
    unit: "us",
    ours() {
      found = kernels.runs(source.at, BITS, 0, 0, ours.at, BITS);
    },
    peers: runs === undefined ? [] : [{ name: "C ctz loop", run }],
    missing: missingOf(arena, "runs", runs, native),
    aim: { of: "ratio at least", target: 0.8 },
    check: () => counted(found, expected, 8, ours, theirs),
  };
}

function popcountCases(native: Native): KernelCase[] {
  const arena = makeArena(BITMAP_BYTES);
  const source = arena.put(randomBits(50));
  const { kernels } = arena;
  return ["", "_wide"].map((form): KernelCase => {
    const call = native.find(`uint32_t peer_popcount${form}(const void *bitmap, uint32_t bytes)`);
    let found = 0;
    let expected = 0;
    const run = (): void => {
      expected = call?.(source.bytes, BITMAP_BYTES) ?? 0;
    };
    const name = form === "" ? "C popcnt" : "C popcnt, vectors";
    return {
      kernel: "popcount",
      input: "512 KiB",
      bytes: BITMAP_BYTES,
      ours() {
        found = kernels.popcount(source.at, BITMAP_BYTES);
      },
      peers: call === undefined ? [] : [{ name, run }],
      missing: missingOf(arena, "popcount", call, native),
      ...(form === "" ? { aim: { of: "ratio at least", target: 1 } } : {}),
      check: () => (found === expected ? undefined : `${found} bits, not ${expected}`),
    };
  });
}

export const pagemapGroup: KernelGroup = {
  kernels: ["pagemap to bitmap"],
  cases({ native }): KernelEntry[] {
    const arena = makeArena(PAGEMAP_WORDS * 9 + 65_536);
    const words = arena.take(PAGEMAP_WORDS * 8);
    const next = noise(3);
    const filled = new BigUint64Array(words.bytes.buffer, words.at, PAGEMAP_WORDS);
    for (let at = 0; at < filled.length; at++) {
      const flags = next() % 20 === 0 ? 1n << 55n : 0n;
      filled[at] = flags | (next() % 3 === 0 ? 0n : 1n << 63n) | BigInt(next());
    }
    return [USED, SOFT_DIRTY].flatMap((wanted) => [
      pagemapCase(native, arena, words, wanted, "avx512", native.avx512 ? 0.85 : undefined),
      pagemapCase(native, arena, words, wanted, "", native.avx512 ? undefined : 5),
    ]);
  },
};

function pagemapCase(
  native: Native,
  arena: Arena,
  words: Region,
  { name, mask }: typeof USED,
  form: "" | "avx512",
  target: number | undefined,
): KernelCase {
  const [ours, theirs] = [arena.take(PAGEMAP_WORDS / 8), arena.take(PAGEMAP_WORDS / 8)];
  const symbol = form === "" ? "peer_pagemap" : `peer_pagemap_${form}`;
  const call = native.find(
    `uint32_t ${symbol}(const void *words, uint32_t count, uint64_t mask, void *out)`,
  );
  const run = (): void => void call?.(words.bytes, PAGEMAP_WORDS, mask, theirs.bytes);
  const peers: Contender[] =
    call === undefined ? [] : [{ name: form === "" ? "C scalar" : "C AVX-512", run }];
  return {
    kernel: "pagemap to bitmap",
    input: `64 Ki words, ${name}`,
    bytes: PAGEMAP_WORDS * 8,
    ours: () => void arena.kernels.pagemap(words.at, PAGEMAP_WORDS, mask, ours.at),
    peers,
    missing: missingOf(arena, "pagemap", call, native),
    ...(target === undefined ? {} : { aim: { of: "ratio at least", target } }),
    check: () => difference(ours.bytes, theirs.bytes),
  };
}

function missingOf(
  arena: Arena,
  kernel: Parameters<Arena["has"]>[0],
  peer: unknown,
  { why }: Native,
): string | undefined {
  if (!arena.has(kernel)) return `the core has no ${kernel}`;
  return peer === undefined ? why : undefined;
}

function counted(
  found: number,
  expected: number,
  unitBytes: number,
  ours: Region,
  theirs: Region,
): string | undefined {
  if (found !== expected) return `${found} found, not ${expected}`;
  const bytes = found * unitBytes;
  return difference(ours.bytes.subarray(0, bytes), theirs.bytes.subarray(0, bytes));
}

function inputName(percent: number | undefined): string {
  if (percent === undefined) return `16 GiB guest, 1 % in runs of ${RUN_BITS}`;
  return `16 GiB guest, ${percent === 0 ? "empty" : `${percent} %`}`;
}

function randomBits(percent: number): Uint8Array {
  const bitmap = new Uint8Array(BITMAP_BYTES);
  const next = noise(11);
  const below = (percent / 100) * 2 ** 32;
  for (let bit = 0; bit < BITS; bit++) if (next() < below) bitmap[bit >> 3]! |= 1 << (bit & 7);
  return bitmap;
}

function randomRuns(): Uint8Array {
  const bitmap = new Uint8Array(BITMAP_BYTES);
  const next = noise(12);
  for (let run = 0; run < BITS / 100 / RUN_BITS; run++) {
    const start = next() % (BITS - RUN_BITS);
    for (let bit = start; bit < start + RUN_BITS; bit++) bitmap[bit >> 3]! |= 1 << (bit & 7);
  }
  return bitmap;
}
