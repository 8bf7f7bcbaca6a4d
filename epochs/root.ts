/**
 * The root hash of an epoch: SHA-256 over its parent's root, its identity and everything in it,
 * in order. Two ends that agree on a root agree on the whole stream up to it.
 * @module
 */
import { createHash } from "node:crypto";
import type { FrameHeader } from "../protocol/frame.ts";

const DOMAIN = "lifeboat-epoch.v1";

/** The hash before the first frame of an epoch's content. `parent` is 64 hexadecimal digits. */
export function rootBegin(
  parent: string,
  { vmId, stream, term, epoch }: Pick<FrameHeader, "vmId" | "stream" | "term" | "epoch">,
): string {
  const identity = `${DOMAIN}\n${parent}\n${vmId}\n${stream}\n${term}\n${epoch}\n`;
  return createHash("sha256").update(identity).digest("hex");
}

/** The hash after one more frame. */
export function rootAdd(
  root: string,
  { kind, sequence }: Pick<FrameHeader, "kind" | "sequence">,
  payload: Uint8Array,
): string {
  const hash = createHash("sha256").update(root, "hex").update(`${kind} ${sequence}\n`);
  return hash.update(payload).digest("hex");
}
