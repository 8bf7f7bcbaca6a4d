/**
 * What a replica has to tell of itself.
 * @module
 */
import type { Term } from "../../protocol/ids.ts";
import { CHUNK_BYTES } from "./edits.ts";
import type { EpochLog } from "./epoch-log.ts";
import { MANIFEST_BYTES } from "./manifest.ts";
import {
  foldable,
  type NumberedPoint,
  newestEpoch,
  newestPoint,
  restorePoints,
  type WholeEpoch,
} from "./points.ts";
import type { Store } from "./store.ts";

/** Memory for each chunk that an epoch in the log touches, about. */
const EDIT_BYTES = 128;

export interface ReplicaStatus {
  readonly newest: WholeEpoch | undefined;
  /** Epochs that can be restored, ascending. */
  readonly points: readonly number[];
  /** The newest of them. */
  readonly newestPoint: NumberedPoint | undefined;
  /** In the log; at LOG_EPOCHS_MAX no further one is begun. */
  readonly epochs: number;
  /** The epoch that `fold` would fold next. */
  readonly foldable: number | undefined;
  readonly sealed: Term;
  /** Why it takes nothing more; undefined while it is sound. */
  readonly broken: string | undefined;
  /** Sizes of the files; images have holes where the guest has zeros. */
  readonly diskBytes: number;
  readonly logBytes: number;
  readonly logBytesMax: number;
  /** An estimate. */
  readonly memoryBytes: number;
}

export function statusOf(
  { manifest, images }: Store,
  logs: readonly EpochLog[],
  broken: string | undefined,
  logBytesMax: number,
): ReplicaStatus {
  const edits = logs.reduce((sum, log) => sum + log.edits.count, 0);
  const imageBytes = images.sizes.reduce((sum, size) => sum + size, 0);
  const logBytes = bytesOf(logs);
  return {
    newest: newestEpoch(manifest),
    points: restorePoints(manifest).map(({ epoch }) => epoch),
    newestPoint: newestPoint(manifest),
    epochs: manifest.entries.length,
    foldable: foldable(manifest),
    sealed: manifest.sealed,
    broken,
    diskBytes: MANIFEST_BYTES + imageBytes + 2 * images.memoryBytes + logBytes,
    logBytes,
    logBytesMax,
    memoryBytes: 2 * images.memoryBytes + edits * EDIT_BYTES + CHUNK_BYTES,
  };
}

/** Of all logs together. */
export function bytesOf(logs: readonly EpochLog[]): number {
  return logs.reduce((sum, { bytes }) => sum + bytes, 0);
}
