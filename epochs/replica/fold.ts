/**
 * Folding: the oldest epoch of the log goes into the base. A crash at any write is made good by
 * doing it again.
 *
 *   checksums after the fold, in the other file -> manifest: folding -> chunks -> manifest: folded
 *
 * A half-written chunk holds sectors of both epochs. Payloads carry new bytes as they are, so
 * applying them again gives the new chunk, whatever was written of it; its checksum is there
 * already.
 * @module
 */
import assert from "node:assert/strict";
import { entriesAbove, foldable } from "./points.ts";
import type { Store } from "./store.ts";

/**
 * Folds the oldest epoch that may go, or ends what was begun. @returns which; undefined if none may
 * @throws SystemError NO_SPACE: it can be tried again; REPLICA_BROKEN, FILE_FAILED
 */
export async function foldNext(store: Store): Promise<number | undefined> {
  const epoch = foldable(store.manifest);
  if (epoch === undefined) return undefined;
  if (store.manifest.folding === null) await beginFold(store, epoch);
  await finishFold(store, epoch);
  await store.sweep();
  return epoch;
}

async function beginFold(store: Store, epoch: number): Promise<void> {
  const { images, manifest } = store;
  const { base } = manifest;
  assert(base !== null, "nothing to fold into");
  const sums = images.copySums();
  for (const [image, chunk] of store.logOf(epoch).edits.chunks()) {
    const content = await store.contentOf(image, chunk, epoch, true);
    images.setSum(image, chunk, content, sums);
  }
  const slot = base.sums === 0 ? 1 : 0;
  const digest = await images.saveSums(slot, sums);
  const entries = entriesAbove(manifest, Number.POSITIVE_INFINITY);
  await store.write({
    ...manifest,
    base: { ...base, sums: slot, digest },
    folding: epoch,
    entries,
  });
  images.useSums(sums);
}

async function finishFold(store: Store, epoch: number): Promise<void> {
  const { images, manifest } = store;
  const { base, entries } = manifest;
  const [folded, ...rest] = entries;
  assert(base !== null && folded?.epoch === epoch, "another epoch is being folded");
  for (const [image, chunk] of store.logOf(epoch).edits.chunks()) {
    await images.write(image, chunk, await store.contentOf(image, chunk, epoch, true));
  }
  await images.flush();
  const next = { ...base, epoch, root: folded.root };
  await store.write({ ...manifest, base: next, folding: null, entries: rest });
}
