/** LZ4 blocks against liblz4, byte for byte, and against what npm and Node have. */
import { type Arena, makeArena, type Region } from "./arena.ts";
import { difference, type KernelCase, type KernelEntry, type KernelGroup } from "./case.ts";
import { filledPages, filledStretch, PAGE, ramImage } from "./images.ts";
import type { Native } from "./native.ts";
import { compressors } from "./packages.ts";

const KIB = 1024;
const COMPRESS =
  "void peer_lz4_compress(const void *in, uint32_t block, uint32_t count, void *out, " +
  "uint32_t stride, void *sizes)";
const DECOMPRESS =
  "uint32_t peer_lz4_decompress(const void *in, uint32_t stride, const void *sizes, " +
  "uint32_t count, void *out, uint32_t block)";
const AIMS = { identical: 0.95, page: 1.05, decompress: 0.85, lossPercent: 1 };

export const lz4Group: KernelGroup = {
  kernels: ["LZ4 compress", "LZ4 page mode", "LZ4 page mode, ratio lost", "LZ4 decompress"],
  cases({ native }): KernelEntry[] {
    const pages = blocksOf(filledPages(2_048), PAGE, "4 KiB pages");
    const blocks = blocksOf(filledStretch(2_048), 64 * KIB, "64 KiB blocks");
    const large = blocksOf(filledStretch(4_096), 1024 * KIB, "1 MiB blocks");
    return [
      ...[pages, blocks, large].map((all) => compressCase(native, all)),
      ...pageModeCases(native, pages),
      ...[pages, blocks].map((all) => decompressCase(native, all)),
      ...[pages, blocks].flatMap(packageCases),
    ];
  },
};

interface Blocks {
  readonly arena: Arena;
  readonly input: string;
  readonly block: number;
  readonly count: number;
  readonly stride: number;
  readonly source: Region;
  readonly out: Region;
  readonly sizes: Uint32Array;
  readonly peerOut: Region;
  readonly peerSizes: Region;
}

function blocksOf(content: Buffer, block: number, name: string): Blocks {
  const count = Math.floor(content.length / block);
  const stride = block + Math.ceil(block / 255) + 64;
  const arena = makeArena(6 * content.length + 2 * count * stride + 4 * count);
  return {
    arena,
    input: `${name} of ${ramImage().name}`,
    block,
    count,
    stride,
    source: arena.put(content.subarray(0, count * block)),
    out: arena.take(count * stride),
    sizes: new Uint32Array(count),
    peerOut: arena.take(count * stride),
    peerSizes: arena.take(4 * count),
  };
}

function compressAll({ arena, source, out, sizes, block, count, stride }: Blocks): void {
  const { kernels } = arena;
  for (let one = 0; one < count; one++) {
    sizes[one] = kernels.compress(source.at + one * block, block, out.at + one * stride);
  }
}

function peerCompress({ find, lz4 }: Native, blocks: Blocks): (() => void) | undefined {
  const call = lz4 ? find(COMPRESS) : undefined;
  const { source, block, count, peerOut, stride, peerSizes } = blocks;
  if (call === undefined) return undefined;
  return () => void call(source.bytes, block, count, peerOut.bytes, stride, peerSizes.bytes);
}

function whyNot({ lz4, why }: Native): string {
  return lz4 ? why : "no liblz4.so.1, or no compiler";
}

function compressCase(native: Native, blocks: Blocks): KernelCase {
  const run = peerCompress(native, blocks);
  return {
    kernel: "LZ4 compress",
    input: blocks.input,
    bytes: blocks.source.bytes.length,
    ours: () => compressAll(blocks),
    peers: run === undefined ? [] : [{ name: "liblz4", run }],
    missing: run === undefined ? whyNot(native) : undefined,
    aim: { of: "ratio at least", target: AIMS.identical },
    check: () => identical(blocks),
  };
}

/** The same lengths and the same bytes. */
function identical({ count, stride, out, sizes, peerOut, peerSizes }: Blocks): string | undefined {
  const theirs = new Uint32Array(peerSizes.bytes.buffer, peerSizes.at, count);
  for (let one = 0; one < count; one++) {
    if (sizes[one] !== theirs[one]) return `block ${one}: ${sizes[one]}, not ${theirs[one]}`;
    const [from, to] = [one * stride, one * stride + sizes[one]!];
    const wrong = difference(out.bytes.subarray(from, to), peerOut.bytes.subarray(from, to));
    if (wrong !== undefined) return `block ${one}: ${wrong}`;
  }
  return undefined;
}

/** Faster by a smaller table; what it costs in bytes has a row of its own. */
function pageModeCases(native: Native, blocks: Blocks): KernelEntry[] {
  const { arena, source, block, count, stride, out, sizes, input } = blocks;
  const run = peerCompress(native, blocks);
  const base = { kernel: "LZ4 page mode", input, bytes: source.bytes.length };
  const { kernels } = arena;
  const missing = arena.has("compressPage")
    ? run === undefined
      ? whyNot(native)
      : undefined
    : "the core has no compressPage";
  if (missing !== undefined || run === undefined) {
    const aim = { of: "ratio at least", target: AIMS.page } as const;
    return [{ ...base, ours: () => {}, peers: [], missing: missing ?? "no peer", aim }];
  }
  const ours = (): void => {
    for (let one = 0; one < count; one++) {
      sizes[one] = kernels.compressPage(source.at + one * block, block, out.at + one * stride);
    }
  };
  ours();
  run();
  const theirs = new Uint32Array(blocks.peerSizes.bytes.buffer, blocks.peerSizes.at, count);
  const lost = (1 - sum(theirs) / sum(sizes)) * 100;
  return [
    {
      ...base,
      ours,
      peers: [{ name: "liblz4", run }],
      aim: { of: "ratio at least", target: AIMS.page },
      check: () => roundTrip(native, blocks),
    },
    {
      row: {
        case: "LZ4 page mode, ratio lost",
        input,
        unit: "%",
        ours: lost,
        target: AIMS.lossPercent,
        reached: lost <= AIMS.lossPercent,
      },
    },
  ];
}

/** What liblz4 makes of our blocks again. */
function roundTrip({ find }: Native, blocks: Blocks): string | undefined {
  const { source, block, count, stride, out, sizes } = blocks;
  const plain = new Uint8Array(source.bytes.length);
  const bytes = new Uint8Array(sizes.buffer);
  const wrong = find(DECOMPRESS)?.(out.bytes, stride, bytes, count, plain, block);
  if (wrong !== 0) return `${wrong} blocks that liblz4 does not take`;
  return difference(source.bytes, plain);
}

function decompressCase(native: Native, blocks: Blocks): KernelCase {
  const { arena, source, block, count, stride, out, sizes, input } = blocks;
  const plain = arena.take(source.bytes.length);
  const peerPlain = arena.take(source.bytes.length);
  const packed = arena.take(out.bytes.length);
  const packedSizes = new Uint32Array(count);
  compressAll(blocks);
  packed.bytes.set(out.bytes);
  packedSizes.set(sizes);
  const call = native.lz4 ? native.find(DECOMPRESS) : undefined;
  const sizeBytes = new Uint8Array(packedSizes.buffer);
  const run = (): void =>
    void call?.(packed.bytes, stride, sizeBytes, count, peerPlain.bytes, block);
  const { kernels } = arena;
  return {
    kernel: "LZ4 decompress",
    input,
    bytes: source.bytes.length,
    ours() {
      for (let one = 0; one < count; one++) {
        const [from, to] = [packed.at + one * stride, plain.at + one * block];
        kernels.decompress(from, packedSizes[one]!, to, block);
      }
    },
    peers: call === undefined ? [] : [{ name: "LZ4_decompress_safe", run }],
    missing: call === undefined ? whyNot(native) : undefined,
    aim: { of: "ratio at least", target: AIMS.decompress },
    check: () =>
      difference(plain.bytes, source.bytes) ??
      (call === undefined ? undefined : difference(peerPlain.bytes, source.bytes)),
  };
}

/** A block a call, as a program would: no aim of ours, but what else there is. */
function packageCases(blocks: Blocks): KernelCase[] {
  const { source, block, count, sizes, input } = blocks;
  compressAll(blocks);
  const ratio = (source.bytes.length / sum(sizes)).toFixed(2);
  return compressors().map(({ name, compress, decompress }): KernelCase => {
    const each = (one: number): Uint8Array => source.bytes.subarray(one * block, (one + 1) * block);
    let packedBytes = 0;
    const run = (): void => {
      packedBytes = 0;
      for (let one = 0; one < count; one++) packedBytes += compress(each(one)).length;
    };
    run();
    const theirs = (source.bytes.length / packedBytes).toFixed(2);
    return {
      kernel: "LZ4 compress",
      input: `${input}, x${ratio}`,
      bytes: source.bytes.length,
      ours: () => compressAll(blocks),
      peers: [{ name: `${name}, x${theirs}`, run }],
      check: () => difference(each(0), decompress(compress(each(0)), block)),
    };
  });
}

function sum(sizes: Uint32Array): number {
  return sizes.reduce((total, size) => total + size, 0);
}
