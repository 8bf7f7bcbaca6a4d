/**
 * How protection goes on, as it is told once a second.
 * @module
 */
import type { HostId } from "../../protocol/ids.ts";
import type {
  Protect,
  ProtectionStatus,
  SecondaryProgress,
  SecondaryState,
} from "../../protocol/replication.ts";
import type { SecondaryLink } from "./secondary-link.ts";

const TEXT_LENGTH_MAX = 1_000;
/** Rates are over so many tellings. */
const RATE_SPAN = 5;

/** When the guest was stopped for a cut: of those that a secondary may have as its newest. */
export class TakenTimes {
  private readonly times = new Map<number, number>();

  note(cut: number, atMs: number): void {
    this.times.set(cut, atMs);
  }

  of(cut: number | undefined): number | undefined {
    return cut === undefined ? undefined : this.times.get(cut);
  }

  /** Those before the oldest that somebody has as its newest. */
  forget(newest: readonly number[]): void {
    const oldest = Math.min(...newest);
    for (const cut of this.times.keys()) if (cut < oldest) this.times.delete(cut);
  }
}

/** The newest that is a cut, whatever came of those after it. */
export interface NewestCut {
  readonly cut: number;
  readonly pauseMs: number;
  readonly changedBytes: number;
}

/** What is told beside what the links themselves know. */
export interface Protecting {
  readonly hostId: HostId;
  readonly policy: Protect;
  readonly nowMs: number;
  readonly cuts: number;
  readonly newest: NewestCut | undefined;
  readonly reason: string | undefined;
  readonly taken: TakenTimes;
  readonly totalBytes: number;
  readonly progress: readonly Progress[];
}

export function statusOf(protecting: Protecting): ProtectionStatus {
  const { hostId, policy, cuts, newest, reason, progress } = protecting;
  const { pauseMs, changedBytes } = newest ?? {};
  return {
    type: "protection-status",
    hostId,
    vmId: policy.vmId,
    term: policy.term,
    cuts,
    ...(pauseMs === undefined ? {} : { pauseMs }),
    ...(changedBytes === undefined ? {} : { changedBytes }),
    ...(reason === undefined ? {} : { reason: reason.slice(0, TEXT_LENGTH_MAX) }),
    secondaries: progress.map((one) => one.at(protecting)),
  };
}

/** Tells one secondary's progress; owned by its link, and asked about once a second. */
export class Progress {
  private readonly link: SecondaryLink;
  private readonly samples: { readonly atMs: number; readonly bytes: number }[] = [];

  constructor(link: SecondaryLink) {
    this.link = link;
  }

  at({ nowMs, newest, taken, totalBytes }: Protecting): SecondaryProgress {
    const { secondary, lane, queuedBytes, sentBytes, reason } = this.link;
    const state = this.state(newest?.cut);
    const acked = lane.ackedCut;
    const takenMs = taken.of(acked);
    const why = reason ?? (state === "protected" ? undefined : lacking(this.link));
    return {
      hostId: secondary.hostId,
      stream: secondary.stream,
      state,
      ...(acked === undefined ? {} : { cut: acked }),
      ...(takenMs === undefined ? {} : { ageMs: Math.max(0, nowMs - takenMs) }),
      pendingBytes: lane.lacks.bytes + queuedBytes,
      totalBytes,
      sentBytes,
      bytesPerSecond: this.rate(nowMs, sentBytes),
      ...(why === undefined ? {} : { reason: why.slice(0, TEXT_LENGTH_MAX) }),
    };
  }

  private state(cut: number | undefined): SecondaryState {
    const { lane } = this.link;
    if (!lane.isUp) return "connecting";
    if (lane.isFresh) return "filling";
    return cut !== undefined && lane.sentCut === cut ? "protected" : "behind";
  }

  private rate(nowMs: number, bytes: number): number {
    this.samples.push({ atMs: nowMs, bytes });
    if (this.samples.length > RATE_SPAN + 1) this.samples.shift();
    const first = this.samples[0]!;
    return nowMs > first.atMs ? ((bytes - first.bytes) * 1_000) / (nowMs - first.atMs) : 0;
  }
}

function lacking({ lane, queuedBytes }: SecondaryLink): string {
  const mib = (bytes: number): string => `${Math.ceil(bytes / (1024 * 1024))} MiB`;
  if (queuedBytes > 0)
    return `${mib(queuedBytes)} wait for the link, ${mib(lane.lacks.bytes)} lack`;
  if (lane.waitsForAck) return "It has not acknowledged what it was sent";
  return `It lacks ${mib(lane.lacks.bytes)}`;
}
