/**
 * What an epoch does to the images, chunk by chunk of 1 MiB. Image 0 is the guest's RAM, the others
 * are its disks.
 *
 * Rule: a window of RAM comes once in an epoch, and begins at a whole MiB. Differences are to the
 * pages of the epoch before; of two differences to one page the first could not be made again over
 * the second, and redo by replay would end there.
 * @module
 */
import { SystemError } from "../../protocol/error.ts";
import { decodePages } from "../delta.ts";
import { decodeExtent, type ExtentPayload } from "../extent.ts";
import { type Kernel, PAGE_BYTES, WINDOW_BYTES, WINDOW_PAGES } from "../kernel.ts";
import { parsePagesHeader } from "../pages-header.ts";
import type { ReplicaIdentity } from "./manifest.ts";

export const CHUNK_BYTES = WINDOW_BYTES;
/** Chunks that one epoch may touch, each as often as it does: bounds the memory of its index. */
export const EPOCH_EDITS_MAX = 262_144;

export type Geometry = Pick<ReplicaIdentity, "memoryBytes" | "diskBytes">;
export type EditKind = "pages" | "extent";

/** Where in an image a payload writes: bytes. */
export interface Place {
  readonly image: number;
  readonly offset: number;
  readonly length: number;
}

/** Where in the log a frame is that writes into a chunk: bytes. */
export interface Edit {
  readonly position: number;
  readonly length: number;
}

/** The sizes of the images, RAM first. */
export function imageSizes({ memoryBytes, diskBytes }: Geometry): number[] {
  return [memoryBytes, ...diskBytes];
}

/** @throws SystemError FRAME_CORRUPT: no payload of this guest, or not one that can be replayed */
export function placeOf(
  kernel: Kernel,
  kind: EditKind,
  payload: Uint8Array,
  { memoryBytes, diskBytes }: Geometry,
): Place {
  if (kind === "extent") {
    const { disk, offset, length } = decodeExtent(kernel, payload, diskBytes);
    return { image: disk + 1, offset, length };
  }
  const { firstPage, pages } = parsePagesHeader(payload, memoryBytes);
  if (firstPage % WINDOW_PAGES !== 0) throw corrupt("a window that begins inside a MiB");
  return { image: 0, offset: firstPage * PAGE_BYTES, length: pages * PAGE_BYTES };
}

/** Whether a payload of pages is to be applied to those that are there now. */
export function needsBase(payload: Uint8Array, { memoryBytes }: Geometry): boolean {
  return parsePagesHeader(payload, memoryBytes).differences !== undefined;
}

/** The chunks that one epoch writes into, and by which frames. */
export class EpochEdits {
  private readonly images = new Map<number, Map<number, Edit[]>>();
  private total = 0;

  /** One for each chunk that a frame touches. */
  get count(): number {
    return this.total;
  }

  /** @throws SystemError FRAME_CORRUPT (a window again), NO_SPACE (over EPOCH_EDITS_MAX) */
  add({ image, offset, length }: Place, edit: Edit): void {
    const first = Math.floor(offset / CHUNK_BYTES);
    const last = Math.floor((offset + length - 1) / CHUNK_BYTES);
    if (this.total + last - first + 1 > EPOCH_EDITS_MAX) {
      throw new SystemError("NO_SPACE", "The epoch touches more than a replica keeps account of");
    }
    const chunks = this.images.get(image) ?? new Map<number, Edit[]>();
    this.images.set(image, chunks);
    if (image === 0 && chunks.has(first)) throw corrupt("a window of RAM twice in an epoch");
    for (let chunk = first; chunk <= last; chunk++) {
      const edits = chunks.get(chunk);
      if (edits === undefined) chunks.set(chunk, [edit]);
      else edits.push(edit);
    }
    this.total += last - first + 1;
  }

  /** What writes into a chunk, in order. */
  of(image: number, chunk: number): readonly Edit[] {
    return this.images.get(image)?.get(chunk) ?? [];
  }

  /** Every chunk that is written into. */
  *chunks(): Generator<readonly [image: number, chunk: number]> {
    for (const [image, chunks] of this.images)
      for (const chunk of chunks.keys()) yield [image, chunk];
  }
}

/**
 * Writes what a payload says into one chunk, which holds what the epoch before left there.
 * @throws SystemError FRAME_CORRUPT, BASE_DIFFERS
 */
export function applyEdit(
  kernel: Kernel,
  kind: EditKind,
  payload: Uint8Array,
  geometry: Geometry,
  chunk: number,
  content: Uint8Array,
): void {
  const start = chunk * CHUNK_BYTES;
  if (kind === "extent") {
    return applyExtent(decodeExtent(kernel, payload, geometry.diskBytes), start, content);
  }
  const readInto = (view: Uint8Array, position: number): number => {
    const from = position - start;
    view.set(content.subarray(from, from + view.length));
    return view.length;
  };
  decodePages(kernel, payload, geometry.memoryBytes, readInto, ({ position, length, bytes }) => {
    if (bytes === "zero") content.fill(0, position - start, position - start + length);
    else content.set(bytes, position - start);
  });
}

function applyExtent(extent: ExtentPayload, start: number, content: Uint8Array): void {
  const from = Math.max(extent.offset, start);
  const to = Math.min(extent.offset + extent.length, start + content.length);
  if (from >= to) return;
  const { bytes } = extent;
  if (bytes === undefined) content.fill(0, from - start, to - start);
  else content.set(bytes.subarray(from - extent.offset, to - extent.offset), from - start);
}

function corrupt(reason: string): SystemError {
  return new SystemError("FRAME_CORRUPT", `Cannot take payload: ${reason}`);
}
