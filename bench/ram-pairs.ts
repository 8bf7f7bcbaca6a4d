/**
 * Snapshots of one working guest's RAM, some seconds apart, in the cache folder: what the benches
 * of kernels and codecs are fed with. `npm run bench -- make-ram-pairs` makes them.
 * @module
 */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";

export const PAIRS_FOLDER = join(import.meta.dirname, "..", ".cache", "ram-pairs");
/** Seconds that the guest ran from the first snapshot to each; the first is what it had before. */
export const SNAPSHOT_SECONDS = [0, 1, 3, 30] as const;
export const PAIRS_MEMORY_MIB = 256;
const PAGE_BYTES = 4096;

export function snapshotPath(seconds: number): string {
  return join(PAIRS_FOLDER, `after-${seconds}-s.ram`);
}

/** Whether all snapshots are there, whole. */
export function havePairs(): boolean {
  return SNAPSHOT_SECONDS.every((seconds) => {
    const found = statSync(snapshotPath(seconds), { throwIfNoEntry: false });
    return found?.size === PAIRS_MEMORY_MIB * 1024 * 1024;
  });
}

export function readSnapshot(seconds: number): Buffer {
  return readFileSync(snapshotPath(seconds));
}

/** The numbers of the pages in which two images of the same RAM differ. */
export function changedPages(before: Buffer, after: Buffer): number[] {
  const pages: number[] = [];
  for (let at = 0; at < after.length; at += PAGE_BYTES) {
    const end = at + PAGE_BYTES;
    if (before.compare(after, at, end, at, end) !== 0) pages.push(at / PAGE_BYTES);
  }
  return pages;
}
