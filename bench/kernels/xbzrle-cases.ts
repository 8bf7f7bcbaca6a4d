/** XBZRLE over the changed pages of real pairs, against the same in C and in plain TypeScript. */
import { type Arena, makeArena, type Region } from "./arena.ts";
import { difference, type KernelCase, type KernelEntry, type KernelGroup } from "./case.ts";
import { PAGE, type Pair, ramPairs } from "./images.ts";
import type { Contender } from "./measure.ts";
import type { Native } from "./native.ts";
import { decodeXbzrle, encodeXbzrle } from "./scalar.ts";

/** A page's encoding may be as long as the page; a kernel may touch a little behind it. */
const STRIDE = PAGE + 64;
const AIMS = { encode: 2.3, decode: 1.2 };

export const xbzrleGroup: KernelGroup = {
  kernels: ["XBZRLE encode", "XBZRLE encode, one-byte gaps merged", "XBZRLE decode"],
  cases: ({ native }): KernelEntry[] => ramPairs().flatMap((pair) => pairCases(native, pair)),
};

interface Encoded {
  readonly arena: Arena;
  readonly count: number;
  readonly old: Region;
  readonly current: Region;
  readonly out: Region;
  readonly sizes: Int32Array;
  readonly peerOut: Region;
  readonly peerSizes: Region;
}

function pairCases(native: Native, { name, old, current }: Pair): KernelCase[] {
  const count = old.length / PAGE;
  const arena = makeArena(4 * old.length + 2 * count * STRIDE + 4 * count);
  const encoded: Encoded = {
    arena,
    count,
    old: arena.put(old),
    current: arena.put(current),
    out: arena.take(count * STRIDE),
    sizes: new Int32Array(count),
    peerOut: arena.take(count * STRIDE),
    peerSizes: arena.take(count * 4),
  };
  const input = `${name}, ${count} pages`;
  const base = { input, bytes: old.length, ...missingOf(arena, native) };
  return [...encodeCases(native, encoded, base), ...decodeCases(native, encoded, base)];
}

type Base = Pick<KernelCase, "input" | "bytes" | "missing">;

function missingOf(arena: Arena, { find, why }: Native): Pick<KernelCase, "missing"> {
  if (!arena.has("xbzrleEncode")) return { missing: "the core has no xbzrleEncode" };
  return find(ENCODE) === undefined ? { missing: why } : {};
}

const ENCODE =
  "void peer_xbzrle_encode(const void *old, const void *current, uint32_t count, void *out, " +
  "uint32_t stride, void *sizes)";
const DECODE =
  "uint32_t peer_xbzrle_decode(const void *in, uint32_t stride, const void *sizes, " +
  "uint32_t count, void *pages)";

function encodeCases(native: Native, encoded: Encoded, base: Base): KernelCase[] {
  const { arena, count, old, current, out, sizes, peerOut, peerSizes } = encoded;
  const { kernels } = arena;
  const ours = (merge: number) => (): void => {
    for (let page = 0; page < count; page++) {
      const at = page * PAGE;
      const target = out.at + page * STRIDE;
      sizes[page] = kernels.xbzrleEncode(old.at + at, current.at + at, PAGE, target, PAGE, merge);
    }
  };
  const call = native.find(ENCODE);
  const inC: Contender = {
    name: "C -O3, scalar",
    run: () => void call?.(old.bytes, current.bytes, count, peerOut.bytes, STRIDE, peerSizes.bytes),
  };
  const inTypeScript: Contender = {
    name: "TypeScript, scalar",
    run: () => encodeAll(encoded),
  };
  const check = (): string | undefined => same(encoded);
  const one = { ...base, kernel: "XBZRLE encode", ours: ours(0), check };
  const scalar = inTypeScriptOnly(base, arena);
  return [
    {
      ...one,
      peers: call === undefined ? [] : [inC],
      aim: { of: "ratio at least", target: AIMS.encode },
    },
    {
      ...base,
      kernel: "XBZRLE encode, one-byte gaps merged",
      ours: ours(1),
      peers: call === undefined ? [] : [inC],
    },
    { ...one, missing: scalar, peers: scalar === undefined ? [inTypeScript] : [] },
  ];
}

function inTypeScriptOnly(base: Base, arena: Arena): string | undefined {
  return arena.has("xbzrleEncode") ? undefined : base.missing;
}

function encodeAll({ count, old, current, peerOut, peerSizes }: Encoded): void {
  const sizes = new Int32Array(peerSizes.bytes.buffer, peerSizes.at, count);
  for (let page = 0; page < count; page++) {
    const at = page * PAGE;
    const target = peerOut.bytes.subarray(page * STRIDE, page * STRIDE + PAGE);
    const [before, after] = [old.bytes, current.bytes].map((all) => all.subarray(at, at + PAGE));
    sizes[page] = encodeXbzrle(before!, after!, target);
  }
}

/** Lengths and bytes of every page. */
function same({ count, out, sizes, peerOut, peerSizes }: Encoded): string | undefined {
  const theirs = new Int32Array(peerSizes.bytes.buffer, peerSizes.at, count);
  for (let page = 0; page < count; page++) {
    if (sizes[page] !== theirs[page]) return `page ${page}: ${sizes[page]}, not ${theirs[page]}`;
    const [from, to] = [page * STRIDE, page * STRIDE + Math.max(0, sizes[page]!)];
    const wrong = difference(out.bytes.subarray(from, to), peerOut.bytes.subarray(from, to));
    if (wrong !== undefined) return `page ${page}: ${wrong}`;
  }
  return undefined;
}

/** Decoded over the old pages; an encoding may be applied again, so each round finds work. */
function decodeCases(native: Native, encoded: Encoded, base: Base): KernelCase[] {
  const { arena, count, old, current, out, sizes, peerSizes } = encoded;
  const pages = arena.put(old.bytes);
  const peerPages = arena.put(old.bytes);
  const { kernels } = arena;
  const ours = (): void => {
    for (let page = 0; page < count; page++) {
      const size = sizes[page]!;
      if (size <= 0) continue;
      kernels.xbzrleDecode(out.at + page * STRIDE, size, pages.at + page * PAGE, PAGE);
    }
  };
  const call = native.find(DECODE);
  const check = (): string | undefined => decoded(pages, peerPages, current, sizes);
  const runs = {
    c: () => void call?.(out.bytes, STRIDE, peerSizes.bytes, count, peerPages.bytes),
    typescript: () => decodeAll(encoded, peerPages),
  };
  const one = { ...base, kernel: "XBZRLE decode", ours, check };
  const scalar = inTypeScriptOnly(base, arena);
  return [
    {
      ...one,
      peers: call === undefined ? [] : [{ name: "C -O3, scalar", run: runs.c }],
      aim: { of: "ratio at least", target: AIMS.decode },
    },
    {
      ...one,
      missing: scalar,
      peers: scalar === undefined ? [{ name: "TypeScript, scalar", run: runs.typescript }] : [],
    },
  ];
}

function decodeAll({ count, out, sizes }: Encoded, pages: Region): void {
  for (let page = 0; page < count; page++) {
    const [size, from] = [sizes[page]!, page * STRIDE];
    if (size <= 0) continue;
    const target = pages.bytes.subarray(page * PAGE, (page + 1) * PAGE);
    decodeXbzrle(out.bytes.subarray(from, from + size), target);
  }
}

/** Both have made the new page of the old one, wherever there is an encoding. */
function decoded(
  ours: Region,
  theirs: Region,
  current: Region,
  sizes: Int32Array,
): string | undefined {
  for (const [page, size] of sizes.entries()) {
    if (size <= 0) continue;
    const [from, to] = [page * PAGE, (page + 1) * PAGE];
    for (const { bytes } of [ours, theirs]) {
      const wrong = difference(bytes.subarray(from, to), current.bytes.subarray(from, to));
      if (wrong !== undefined) return `page ${page}: ${wrong}`;
    }
  }
  return undefined;
}
