/**
 * Disk extents: what of a disk belongs to an epoch, and its bytes.
 *
 * A layer that was covered by an overlay in the pause is immutable: its allocated extents are one
 * epoch's writes. Epoch 0 is the whole visible content of the frozen chain. `qemu-img map` says
 * where the bytes are; they are read straight from the image file, except compressed ones.
 */
import { mkdtemp, open, rm } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { SystemError } from "../../protocol/error.ts";
import type { RunCommand } from "../../runtime/command.ts";
import { type Image, imageName, qemuImg } from "./disk-images.ts";

/** A range of a disk, in bytes of the guest's view. */
export type Extent = Readonly<{ disk: string; offset: number; length: number }> &
  (Readonly<{ zero: true }> | Readonly<{ zero: false; source: Source }>);

/** Where the bytes of an extent are. */
export type Source = Readonly<
  | { type: "file"; path: string; offset: number }
  /** Compressed: only qemu-img can read it, through the whole chain. */
  | { type: "image"; chain: readonly Image[] }
>;

/** A piece of an extent, as it is read: `bytes` is undefined for zeros. */
export interface Piece {
  readonly disk: string;
  readonly offset: number;
  readonly length: number;
  readonly bytes: Uint8Array | undefined;
}

/** The longest piece that carries bytes. Zeros take no room and come in one piece an extent. */
export const PIECE_BYTES_MAX = 1024 * 1024;
/** What one qemu-img decompresses at a time. */
const RANGE_BYTES_MAX = 64 * 1024 * 1024;

const mapped = z.array(
  z.object({
    start: z.int().nonnegative(),
    length: z.int().positive(),
    depth: z.int().nonnegative(),
    present: z.boolean(),
    zero: z.boolean(),
    data: z.boolean(),
    compressed: z.boolean().optional(),
    offset: z.int().nonnegative().optional(),
  }),
);
type Mapped = z.infer<typeof mapped>[number];

/**
 * The extents of one frozen layer alone, ascending: what was written while it was the top. Zeros
 * that the guest wrote or discarded are extents too, because they cover older content.
 * @throws SystemError DISK_INVALID
 */
export function mapLayer(run: RunCommand, disk: string, layer: Image): Promise<Extent[]> {
  return mapImages(run, disk, [layer]);
}

/**
 * The visible content of a frozen chain, base first: epoch 0 of a disk. What no layer ever held is
 * left out, so it must go to an image that is empty.
 * @throws SystemError DISK_INVALID
 */
export function mapChain(
  run: RunCommand,
  disk: string,
  chain: readonly Image[],
): Promise<Extent[]> {
  return mapImages(run, disk, chain);
}

async function mapImages(
  run: RunCommand,
  disk: string,
  chain: readonly Image[],
): Promise<Extent[]> {
  if (chain.length === 0) throw new SystemError("DISK_INVALID", `Disk ${disk} has no layer`);
  const text = await qemuImg(run, ["map", "--output=json", imageName(chain)]);
  const parsed = mapped.safeParse(JSON.parse(text));
  if (!parsed.success) {
    const message = `Cannot read the map of disk ${disk}`;
    throw new SystemError("DISK_INVALID", message, { cause: parsed.error });
  }
  const extents: Extent[] = [];
  for (const entry of parsed.data) {
    if (!entry.present) continue;
    append(extents, extentOf(disk, entry, chain));
  }
  return extents;
}

function extentOf(disk: string, entry: Mapped, chain: readonly Image[]): Extent {
  const { start: offset, length } = entry;
  if (entry.zero) return { disk, offset, length, zero: true };
  // Depth 0 is the top.
  const image = chain[chain.length - 1 - entry.depth];
  if (entry.compressed === true || entry.offset === undefined || image === undefined) {
    return { disk, offset, length, zero: false, source: { type: "image", chain } };
  }
  const source: Source = { type: "file", path: image.path, offset: entry.offset };
  return { disk, offset, length, zero: false, source };
}

/** Appends, joined to the extent before it where both are one run. */
function append(extents: Extent[], next: Extent): void {
  const last = extents.at(-1);
  if (last === undefined || !continues(last, next)) {
    extents.push(next);
    return;
  }
  extents[extents.length - 1] = { ...last, length: last.length + next.length };
}

function continues(last: Extent, next: Extent): boolean {
  if (last.offset + last.length !== next.offset) return false;
  if (last.zero || next.zero) return last.zero && next.zero;
  const { source: a } = last;
  const { source: b } = next;
  if (a.type === "image") return b.type === "image" && a.chain === b.chain;
  return b.type === "file" && a.path === b.path && a.offset + last.length === b.offset;
}

export interface ReadOptions {
  readonly run: RunCommand;
  /** Where decompressed ranges are put for a moment. */
  readonly temporaryFolder: string;
}

/**
 * The bytes of `extents`, in their order. Each piece's bytes are the caller's.
 * @throws SystemError FILE_FAILED or DISK_INVALID
 */
export async function* readExtents(
  extents: Iterable<Extent>,
  options: ReadOptions,
): AsyncGenerator<Piece> {
  for (const extent of extents) {
    const { disk, offset, length } = extent;
    if (extent.zero) yield { disk, offset, length, bytes: undefined };
    else if (extent.source.type === "file") {
      yield* readFile(extent, extent.source.path, extent.source.offset);
    } else yield* readImage(extent, extent.source.chain, options);
  }
}

/** What is asked of a file, and where it goes. */
interface Range {
  readonly disk: string;
  readonly offset: number;
  readonly length: number;
}

async function* readFile(
  { disk, offset, length }: Range,
  path: string,
  position: number,
): AsyncGenerator<Piece> {
  await using file = await openImage(path);
  for (let done = 0; done < length; done += PIECE_BYTES_MAX) {
    const size = Math.min(PIECE_BYTES_MAX, length - done);
    // Zeros: like QEMU, what is beyond the end of the file reads as zeros.
    const bytes = Buffer.alloc(size);
    for (let filled = 0; filled < size; ) {
      const { bytesRead } = await file.read(bytes, filled, size - filled, position + done + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    yield { disk, offset: offset + done, length: size, bytes };
  }
}

async function* readImage(
  { disk, offset, length }: Range,
  chain: readonly Image[],
  { run, temporaryFolder }: ReadOptions,
): AsyncGenerator<Piece> {
  const folder = await mkdtemp(join(temporaryFolder, "range-"));
  try {
    for (let done = 0; done < length; done += RANGE_BYTES_MAX) {
      const size = Math.min(RANGE_BYTES_MAX, length - done);
      const path = join(folder, "range");
      const name = imageName(chain, { offset: offset + done, size });
      await qemuImg(run, ["convert", "-q", "-O", "raw", name, path]);
      yield* readFile({ disk, offset: offset + done, length: size }, path, 0);
      await rm(path);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function openImage(path: string) {
  try {
    return await open(path, "r");
  } catch (cause) {
    throw new SystemError("FILE_FAILED", `Cannot open image ${path}`, { cause });
  }
}
