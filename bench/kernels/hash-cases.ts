/** Page hashes against xxHash in C, on npm, and SHA-256 of Node. */
import { makeArena, type Region } from "./arena.ts";
import { difference, type KernelCase, type KernelEntry, type KernelGroup } from "./case.ts";
import { filledPages, PAGE } from "./images.ts";
import type { Contender } from "./measure.ts";
import type { Native } from "./native.ts";
import { sha256, xxhashWasm } from "./packages.ts";

const PAGES = 512;
const AIMS = { xxh64: 1, xxh3: 0.9, xxhashWasm: 2.5, sha256: 10 };

export const hashGroup: KernelGroup = {
  kernels: ["XXH64 of pages", "XXH3 of pages"],
  async cases({ native }): Promise<KernelEntry[]> {
    const arena = makeArena(PAGES * PAGE + 65_536);
    const pages = arena.put(filledPages(PAGES));
    const [ours, theirs] = [arena.take(PAGES * 8), arena.take(PAGES * 8)];
    const { kernels } = arena;
    const site = { native, pages, theirs };
    const base = { input: `${PAGES} pages of 4 KiB`, bytes: PAGES * PAGE };
    const check = (): string | undefined => difference(ours.bytes, theirs.bytes);
    const xxh64 = {
      ...base,
      kernel: "XXH64 of pages",
      ours: () => kernels.xxh64Pages(pages.at, PAGES, ours.at),
      absent: arena.has("xxh64Pages") ? undefined : "the core has no xxh64Pages",
    };
    const xxh3 = {
      ...base,
      kernel: "XXH3 of pages",
      ours: () => kernels.xxh3Pages(pages.at, PAGES, ours.at),
      absent: arena.has("xxh3Pages") ? undefined : "the core has no xxh3Pages",
    };
    const { h64Raw } = await xxhashWasm();
    const packed = (): void => eachPage(pages, (page, at) => put(theirs, at, h64Raw(page)));
    const digests = (): void => eachPage(pages, sha256);
    return [
      against(xxh64, nativePeer(site, "xxh64"), native, AIMS.xxh64, check),
      against(xxh64, nativePeer(site, "xxh64_inline"), native, AIMS.xxh64, check),
      against(xxh64, { name: "xxhash-wasm", run: packed }, native, undefined, check),
      against(xxh3, nativePeer(site, "xxh3"), native, AIMS.xxh3, check),
      against(xxh3, nativePeer(site, "xxh3_inline"), native, AIMS.xxh3, check),
      against(xxh3, { name: "xxhash-wasm XXH64", run: packed }, native, AIMS.xxhashWasm),
      against(xxh3, { name: "node:crypto SHA-256", run: digests }, native, AIMS.sha256),
    ];
  },
};

interface Site {
  readonly native: Native;
  readonly pages: Region;
  readonly theirs: Region;
}

type Ours = Pick<KernelCase, "kernel" | "input" | "bytes" | "ours"> & {
  readonly absent: string | undefined;
};

function nativePeer({ native, pages, theirs }: Site, name: string): Contender | undefined {
  const call = native.find(`void peer_${name}(const void *pages, uint32_t count, void *out)`);
  const inline = name.endsWith("inline");
  if (call === undefined || (!inline && !native.xxhash)) return undefined;
  return {
    name: inline ? "xxhash.h, cc -O3 -march=native" : "libxxhash",
    run: () => void call(pages.bytes, PAGES, theirs.bytes),
  };
}

function against(
  { absent, ...ours }: Ours,
  peer: Contender | undefined,
  { why }: Native,
  target: number | undefined,
  check?: () => string | undefined,
): KernelCase {
  const missing = absent ?? (peer === undefined ? `no libxxhash or xxhash.h (${why})` : undefined);
  return {
    ...ours,
    peers: peer === undefined || absent !== undefined ? [] : [peer],
    missing,
    ...(target === undefined ? {} : { aim: { of: "ratio at least", target } }),
    ...(check === undefined ? {} : { check }),
  };
}

function eachPage(pages: Region, take: (page: Uint8Array, index: number) => unknown): void {
  for (let page = 0; page < PAGES; page++) {
    take(pages.bytes.subarray(page * PAGE, (page + 1) * PAGE), page);
  }
}

/** Little-endian, as the kernels write it. */
function put({ bytes }: Region, index: number, value: bigint): void {
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).writeBigUInt64LE(value, index * 8);
}
