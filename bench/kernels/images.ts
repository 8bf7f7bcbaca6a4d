/**
 * What the kernels are fed with: a real guest's RAM where `npm run bench -- make-ram-pairs` has
 * made it, else pages made up to be like it.
 * @module
 */
import { changedPages, havePairs, readSnapshot, SNAPSHOT_SECONDS } from "../ram-pairs.ts";

export const PAGE = 4096;
const MADE_UP_BYTES = 256 * 1024 * 1024;

/** One image of a guest's RAM, and where it came from. */
export interface Image {
  readonly name: string;
  readonly bytes: Buffer;
}

/** The pages of one guest that differ between two moments: the same count, in the same order. */
export interface Pair {
  readonly name: string;
  readonly old: Buffer;
  readonly current: Buffer;
}

let image: Image | undefined;

/** The first snapshot, 256 MiB. */
export function ramImage(): Image {
  image ??= havePairs()
    ? { name: "RAM", bytes: readSnapshot(0) }
    : { name: "made-up RAM", bytes: madeUp(MADE_UP_BYTES) };
  return image;
}

/** The same guest some seconds later: whole images. */
export function laterImage(seconds: number): Image {
  const { name, bytes } = ramImage();
  if (havePairs()) return { name, bytes: readSnapshot(seconds) };
  return { name, bytes: changeSome(bytes, seconds) };
}

/** The changed pages after 1, 3 and 30 s. */
export function ramPairs(): Pair[] {
  const { name, bytes } = ramImage();
  return SNAPSHOT_SECONDS.slice(1).map((seconds) => {
    const later = laterImage(seconds).bytes;
    const changed = changedPages(bytes, later);
    return {
      name: `${name} ${seconds} s apart`,
      old: gather(bytes, changed),
      current: gather(later, changed),
    };
  });
}

/** The first `count` pages of the image that are not all zero, spread over it. */
export function filledPages(count: number): Buffer {
  const { bytes } = ramImage();
  const filled = changedPages(Buffer.alloc(bytes.length), bytes);
  const step = Math.max(1, Math.floor(filled.length / count));
  const chosen = filled.filter((_, index) => index % step === 0).slice(0, count);
  return gather(bytes, chosen);
}

/** Neighbouring pages, none of them zero: what a window or a block of 64 KiB and more holds. */
export function filledStretch(count: number): Buffer {
  const { bytes } = ramImage();
  const filled = changedPages(Buffer.alloc(bytes.length), bytes);
  return gather(bytes, filled.slice(filled.length >> 2, (filled.length >> 2) + count));
}

export function gather(bytes: Buffer, pages: readonly number[]): Buffer {
  const out = Buffer.allocUnsafe(pages.length * PAGE);
  for (const [index, page] of pages.entries()) {
    bytes.copy(out, index * PAGE, page * PAGE, (page + 1) * PAGE);
  }
  return out;
}

/** A small generator (xorshift32), the same at every run. */
export function noise(seed: number): () => number {
  let state = Math.imul(seed, 2654435761) + 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** Half zero pages; the others words, small numbers and pointers. */
function madeUp(length: number): Buffer {
  const next = noise(1);
  const bytes = Buffer.alloc(length);
  const words = ["request ", "host ", "epoch ", "user=", "\n", "0x", "error: ", "index "];
  for (let page = 0; page < length; page += PAGE) {
    if (next() % 2 === 0) continue;
    const text = next() % 2 === 0;
    for (let at = page; at < page + PAGE; ) {
      if (text) at += bytes.write(words[next() % 8]!, at, page + PAGE - at) || 1;
      else at = bytes.writeUInt32LE(next() % 3 === 0 ? next() : next() % 256, at);
    }
  }
  return bytes;
}

/** As many pages as real guests change, with small writes in most. */
function changeSome(bytes: Buffer, seconds: number): Buffer {
  const next = noise(seconds);
  const later = Buffer.from(bytes);
  const pages = 1_500 + 80 * seconds;
  for (let done = 0; done < pages; done++) {
    const page = (next() % (bytes.length / PAGE)) * PAGE;
    const writes = 1 + (next() % 12);
    for (let write = 0; write < writes; write++) {
      const length = 8 + (next() % 40);
      const at = page + (next() % (PAGE - length));
      for (let byte = 0; byte < length; byte++) later[at + byte] = next() >>> 9;
    }
  }
  return later;
}
