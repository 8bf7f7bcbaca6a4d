/** Page compare and zero pages against native loops over the same memory. */
import { type Arena, makeArena, type Region } from "./arena.ts";
import { difference, type KernelCase, type KernelEntry, type KernelGroup } from "./case.ts";
import { filledStretch, laterImage, noise, PAGE, ramImage } from "./images.ts";
import type { Contender } from "./measure.ts";
import type { Native } from "./native.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
/** What the hybrid gives to the host's own compare at once: 64 pages. */
const RANGE_PAGES = 64;
const COMPARE =
  "uint32_t peer_compare(const void *current, const void *shadow, uint32_t count, void *out)";
const ZERO = (name: string): string =>
  `uint32_t ${name}(const void *pages, const void *selected, uint32_t count, void *out)`;

interface Compared {
  readonly arena: Arena;
  readonly current: Region;
  readonly shadow: Region;
  readonly ours: Region;
  readonly theirs: Region;
  readonly pages: number;
}

export const compareGroup: KernelGroup = {
  kernels: ["page compare"],
  cases({ native }): KernelEntry[] {
    const { name } = ramImage();
    const window = compared(changedIn(filledStretch(128)), filledStretch(128));
    const whole = compared(laterImage(3).bytes, ramImage().bytes);
    const input = `256 MiB of ${name} 3 s apart`;
    return [
      compareCase(native, window, `window of 512 KiB, 4 pages changed`, 0.9),
      compareCase(native, whole, `${input}, WASM alone`, 0.6),
      {
        ...compareCase(native, whole, `${input}, hybrid`, 0.9),
        ours: () => hybrid(whole),
      },
    ];
  },
};

function compared(current: Uint8Array, shadow: Uint8Array): Compared {
  const arena = makeArena(2 * current.length + MIB);
  const pages = current.length / PAGE;
  return {
    arena,
    current: arena.put(current),
    shadow: arena.put(shadow),
    ours: arena.take(pages / 8),
    theirs: arena.take(pages / 8),
    pages,
  };
}

/** One byte in each of four pages. */
function changedIn(pages: Buffer): Buffer {
  const next = noise(4);
  for (const page of [7, 40, 77, 120]) pages[page * PAGE + (next() % PAGE)]! ^= 0x55;
  return pages;
}

function compareCase(
  { find, why }: Native,
  { arena, current, shadow, ours, theirs, pages }: Compared,
  input: string,
  target: number,
): KernelCase {
  const compare = find(COMPARE);
  const { kernels } = arena;
  const run = (): unknown => compare?.(current.bytes, shadow.bytes, pages, theirs.bytes);
  return {
    kernel: "page compare",
    input,
    bytes: pages * PAGE,
    ours: () => void kernels.compare(current.at, shadow.at, pages, ours.at),
    peers: compare === undefined ? [] : [{ name: "memcmp a page", run }],
    missing: compare === undefined ? why : undefined,
    aim: { of: "ratio at least", target },
    check: () => difference(ours.bytes, theirs.bytes),
  };
}

/** Ranges that are equal to the host's own compare, the pages of the others in WASM. */
function hybrid({ arena, current, shadow, ours, pages }: Compared): void {
  const a = Buffer.from(current.bytes.buffer, current.at, current.bytes.length);
  const b = Buffer.from(shadow.bytes.buffer, shadow.at, shadow.bytes.length);
  for (let page = 0; page < pages; page += RANGE_PAGES) {
    const at = page * PAGE;
    const end = at + RANGE_PAGES * PAGE;
    const out = ours.at + page / 8;
    if (a.compare(b, at, end, at, end) === 0) ours.bytes.fill(0, page / 8, (page + 64) / 8);
    else arena.kernels.compare(current.at + at, shadow.at + at, RANGE_PAGES, out);
  }
}

export const zeroGroup: KernelGroup = {
  kernels: ["zero page"],
  cases({ native }): KernelEntry[] {
    const { name, bytes } = ramImage();
    const stretch = bytes.subarray(bytes.length / 2, bytes.length / 2 + 16 * MIB);
    return [
      zeroCase(native, Buffer.alloc(512 * KIB), "512 KiB, all zero"),
      zeroCase(native, Buffer.from(stretch), `16 MiB of ${name}`),
    ];
  },
};

function zeroCase({ find, why }: Native, content: Uint8Array, input: string): KernelCase {
  const arena = makeArena(content.length + MIB);
  const count = content.length / PAGE;
  const pages = arena.put(content);
  const selected = arena.put(new Uint8Array(count / 8).fill(0xff));
  const [ours, theirs] = [arena.take(count / 8), arena.take(count / 8)];
  const peers = ["wide", "memcmp", "avx512"].flatMap((form): Contender[] => {
    const call = find(ZERO(`peer_zero_${form}`));
    if (call === undefined) return [];
    const run = (): void => void call(pages.bytes, selected.bytes, count, theirs.bytes);
    return [{ name: `C, ${form}`, run }];
  });
  return {
    kernel: "zero page",
    input,
    bytes: content.length,
    ours: () => void arena.kernels.zeroPages(pages.at, selected.at, count, ours.at),
    peers,
    missing: peers.length === 0 ? why : undefined,
    aim: { of: "ratio at least", target: 0.95 },
    check: () => difference(ours.bytes, theirs.bytes),
  };
}
