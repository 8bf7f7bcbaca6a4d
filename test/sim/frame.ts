import type { StreamId, VmId } from "../../protocol/ids.ts";

/** One part of one epoch. The real header has the same fields. */
export interface Frame {
  readonly vmId: VmId;
  readonly term: number;
  readonly stream: StreamId;
  readonly epoch: number;
  readonly kind: "fuzzy" | "cut" | "last";
  readonly part: number;
  readonly parts: number;
  /** Stamps of the guest's memory and disk at the cut; of no use while fuzzy. */
  readonly memory: number;
  readonly disk: number;
}
