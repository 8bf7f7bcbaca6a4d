/** What a simulated host's disk holds of a replica. */
import type { StreamId, VmId } from "../../protocol/ids.ts";

/** A cut, as it is sent and kept. */
export interface Cut {
  readonly vmId: VmId;
  readonly stream: StreamId;
  readonly term: number;
  readonly epoch: number;
  readonly cut: number;
  readonly memory: number;
  readonly disk: number;
  readonly takenAtMs: number;
}

/** What a host's disk holds of one stream. */
export interface Store {
  readonly vmId: VmId;
  readonly stream: StreamId;
  readonly term: number;
  /** Oldest first. */
  points: readonly Cut[];
  /** The newest seal that the store itself has taken. */
  settled: number;
  broken: boolean;
}
