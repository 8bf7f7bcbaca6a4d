/**
 * What follows from a manifest: which epochs can be restored, which may be folded into the base,
 * where the stream goes on.
 *
 * Rule: the newest two cuts are kept. An epoch goes into the base only when both, or the only one
 * there is, are newer than it.
 * @module
 */
import { NO_PARENT } from "../../protocol/epoch.ts";
import { type Receiving, startReceiving } from "../receiver.ts";
import type { Entry, Manifest } from "./manifest.ts";

/** Cuts that are kept as restore points, whatever else goes. */
export const POINTS_KEPT = 2;

/** The epochs that can be restored, ascending. A fuzzy epoch is none. */
export function restorePoints({ entries }: Manifest): Entry[] {
  return entries.filter(({ kind }) => kind !== "fuzzy");
}

/** The newest of them, with its cut's number. */
export function newestPoint(manifest: Manifest): NumberedPoint | undefined {
  const newest = restorePoints(manifest).at(-1);
  return newest === undefined ? undefined : { epoch: newest.epoch, cut: newest.cut ?? 0 };
}

export interface NumberedPoint {
  readonly epoch: number;
  readonly cut: number;
}

/** The newest whole epoch, fuzzy or not; undefined before epoch 0 is whole. */
export function newestEpoch({ base, entries }: Manifest): WholeEpoch | undefined {
  const newest = entries.at(-1) ?? base;
  return newest === null ? undefined : { epoch: newest.epoch, root: newest.root };
}

export interface WholeEpoch {
  readonly epoch: number;
  readonly root: string;
}

/** Epochs that come on top of the images, up to and with `through`. */
export function entriesAbove({ base, entries }: Manifest, through: number): Entry[] {
  const from = base?.epoch ?? -1;
  return entries.filter(({ epoch }) => epoch > from && epoch <= through);
}

/** The epoch that may go into the base next. */
export function foldable(manifest: Manifest): number | undefined {
  if (manifest.folding !== null) return manifest.folding;
  const [next] = entriesAbove(manifest, Number.POSITIVE_INFINITY);
  const oldestKept = restorePoints(manifest).slice(-POINTS_KEPT)[0];
  if (next === undefined) return undefined;
  if (oldestKept !== undefined && next.epoch >= oldestKept.epoch) return undefined;
  return next.epoch;
}

/** The root that an epoch of the log names as its parent. */
export function parentOf({ base, entries }: Manifest, epoch: number): string {
  if (epoch === 0) return NO_PARENT;
  const before = entries.find((entry) => entry.epoch === epoch - 1);
  return before?.root ?? base?.root ?? NO_PARENT;
}

/**
 * The receiver of the next epoch's frames. A source that resumes after a `last` epoch has kept its
 * guest: that epoch was a cut like any other.
 */
export function receivingAt(manifest: Manifest): Receiving {
  const { vmId, term, stream, memoryBytes } = manifest;
  const newest = newestEpoch(manifest);
  return {
    ...startReceiving({ vmId, term, stream, memoryBytes }),
    nextEpoch: newest === undefined ? 0 : newest.epoch + 1,
    root: newest?.root ?? NO_PARENT,
  };
}
