/**
 * The root hash of an epoch: SHA-256 over its parent's root, its identity and the digest of
 * everything in it, in order. Two ends that agree on a root agree on the whole stream up to it.
 * A payload's digest is made once, to however many streams it goes.
 * @module
 */
import { hash } from "node:crypto";
import type { FrameHeader } from "../protocol/frame.ts";

const DOMAIN = "lifeboat-epoch.v3";

/** The hash before the first frame of an epoch's content. `parent` is 64 hexadecimal digits. */
export function rootBegin(
  parent: string,
  { vmId, stream, term, epoch }: Pick<FrameHeader, "vmId" | "stream" | "term" | "epoch">,
): string {
  const identity = `${DOMAIN}\n${parent}\n${vmId}\n${stream}\n${term}\n${epoch}\n`;
  return hash("sha256", identity, "hex");
}

/** SHA-256 of a payload, 64 hexadecimal digits. */
export function payloadDigest(payload: Uint8Array): string {
  return hash("sha256", payload, "hex");
}

/** The hash after one more frame. */
export function rootAdd(
  root: string,
  frame: Pick<FrameHeader, "kind" | "sequence">,
  payload: Uint8Array,
): string {
  return rootAddDigest(root, frame, payloadDigest(payload));
}

/** The same, by the digest of the frame's payload. */
export function rootAddDigest(
  root: string,
  { kind, sequence }: Pick<FrameHeader, "kind" | "sequence">,
  digest: string,
): string {
  return hash("sha256", `${root} ${kind} ${sequence} ${digest}\n`, "hex");
}
