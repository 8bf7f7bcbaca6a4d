// The frames of a stream as a correct source makes them, for tests that then break them.
import { rootAdd, rootBegin } from "../../../epochs/root.ts";
import { type EpochBegin, NO_PARENT } from "../../../protocol/epoch.ts";
import type { Frame, FrameKind } from "../../../protocol/frame.ts";
import type { StreamId, VmId } from "../../../protocol/ids.ts";

export const RAM_BYTES = 1024 * 1024;
export const IDENTITY = {
  vmId: "6f1c2a44-1111-4222-8333-444455556666" as VmId,
  term: 2,
  stream: "ab".repeat(16) as StreamId,
};

export interface Content {
  readonly kind: "pages" | "extent" | "state";
  readonly payload: Uint8Array;
}

export function frameOf(
  kind: FrameKind,
  epoch: number,
  sequence: number,
  payload: Uint8Array | object,
): Frame {
  const bytes = payload instanceof Uint8Array ? payload : Buffer.from(JSON.stringify(payload));
  return { ...IDENTITY, kind, epoch, sequence, rawBytes: 0, payload: bytes };
}

/** One whole epoch, and its root, which the next one names as its parent. */
export function epochOf(
  epoch: number,
  kind: EpochBegin["kind"],
  parent: string,
  contents: readonly Content[] = [],
  memoryBytes: number = RAM_BYTES,
  about: Pick<EpochBegin, "pulse"> = {},
): { readonly frames: Frame[]; readonly root: string } {
  const content = epoch === 0 ? "full" : "delta";
  const cut = kind === "fuzzy" ? {} : { cut: epoch };
  const begin = { content, kind, parent, memoryBytes, ...cut, ...about };
  const frames = [frameOf("begin", epoch, 0, begin)];
  for (const one of contents) frames.push(frameOf(one.kind, epoch, frames.length, one.payload));
  const root = frames.reduce(
    (sum, frame) => rootAdd(sum, frame, frame.payload),
    rootBegin(parent, { ...IDENTITY, epoch }),
  );
  frames.push(frameOf("end", epoch, frames.length, { root, frames: contents.length }));
  return { frames, root };
}

/** Several epochs, each the child of the one before. */
export function streamOf(
  epochs: readonly { kind: EpochBegin["kind"]; contents: readonly Content[] }[],
): Frame[] {
  const frames: Frame[] = [];
  let parent = NO_PARENT;
  for (const [epoch, { kind, contents }] of epochs.entries()) {
    const made = epochOf(epoch, kind, parent, contents);
    frames.push(...made.frames);
    parent = made.root;
  }
  return frames;
}

export const PAGES: Content = { kind: "pages", payload: Buffer.from("pages") };
export const EXTENT: Content = { kind: "extent", payload: Buffer.from("extent") };
export const STATE: Content = { kind: "state", payload: Buffer.from("state") };
