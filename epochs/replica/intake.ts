/**
 * How an epoch comes into a replica: content is proven as it comes, and the whole made durable in
 * the order that lets nobody believe in half of it.
 * @module
 */
import type { EpochBegin } from "../../protocol/epoch.ts";
import { applyEdit, CHUNK_BYTES, type EditKind, needsBase, placeOf } from "./edits.ts";
import type { EpochLog } from "./epoch-log.ts";
import { newestEpoch } from "./points.ts";
import type { Store } from "./store.ts";

const SCRATCH = Buffer.alloc(CHUNK_BYTES);

/**
 * Writes content of epoch 0 straight to the images: until it is whole there is nothing to spoil.
 * @throws SystemError FRAME_CORRUPT, BASE_DIFFERS, NO_SPACE, FILE_FAILED
 */
export async function fillBase(store: Store, kind: EditKind, payload: Uint8Array): Promise<void> {
  const { kernel, images, manifest } = store;
  const { image, offset, length } = placeOf(kernel, kind, payload, manifest);
  const last = Math.floor((offset + length - 1) / CHUNK_BYTES);
  for (let chunk = Math.floor(offset / CHUNK_BYTES); chunk <= last; chunk++) {
    const before = await images.read(image, chunk);
    const content = Buffer.from(before);
    applyEdit(kernel, kind, payload, manifest, chunk, content);
    // Zeros stay holes.
    if (content.equals(before)) continue;
    await images.write(image, chunk, content);
    images.setSum(image, chunk, content);
  }
}

/**
 * Proves that a payload of pages comes to the pages that the source has. Whole pages and zeros need
 * nothing of what is there now.
 * @throws SystemError FRAME_CORRUPT, BASE_DIFFERS; REPLICA_BROKEN: what is here is damaged
 */
export async function provePages(store: Store, payload: Uint8Array): Promise<void> {
  const { kernel, manifest } = store;
  const chunk = placeOf(kernel, "pages", payload, manifest).offset / CHUNK_BYTES;
  const through = newestEpoch(manifest)?.epoch ?? 0;
  const differs = needsBase(payload, manifest);
  // Whole pages and zeros are proven as they are, over whatever.
  const content = differs ? await store.contentOf(0, chunk, through, false) : SCRATCH;
  try {
    applyEdit(kernel, "pages", payload, manifest, chunk, content);
  } catch (thrown) {
    // The source's fault, unless what is here is damaged.
    if (differs) await store.contentOf(0, chunk, through, true);
    throw thrown;
  }
}

/**
 * Makes an epoch whole, whose frames are all in its log: it is durable when this returns.
 * @throws SystemError FRAME_CORRUPT, NO_SPACE, FILE_FAILED, REPLICA_BROKEN
 */
export async function commitEpoch(
  store: Store,
  log: EpochLog,
  { epoch, kind, root }: { epoch: number; kind: EpochBegin["kind"]; root: string },
  cut: number | undefined,
): Promise<void> {
  const { files, images, manifest } = store;
  await log.finish();
  await files.syncFolder();
  const entry = { epoch, kind, root, sum: log.sum, bytes: log.bytes, cut: cut ?? null };
  if (epoch === 0) {
    await images.flush();
    const base = { epoch, root, sums: 0, digest: await images.saveSums(0) } as const;
    await store.write({ ...manifest, base, entries: kind === "fuzzy" ? [] : [entry] });
  } else {
    await store.write({ ...manifest, entries: [...manifest.entries, entry] });
  }
  store.adopt(epoch, log);
}
