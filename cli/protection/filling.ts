/**
 * How a replica is being filled: how much there is, and how long the rest may take.
 * @module
 */
import type { ReplicaSummary, SecondaryProgress } from "../../protocol/replication.ts";
import { bytesText } from "../table.ts";
import { durationText } from "./units.ts";

export interface Filling {
  /** Of RAM and disks, what the secondary has. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond: number;
  /** Absent: nothing is sent now, so that nobody can tell. */
  readonly leftMs?: number;
}

/**
 * Undefined for one that lacks nothing to speak of. What is left is taken to need as many bytes on
 * the link as what was done, a piece for a piece: empty and equal pages need few. What the guest
 * writes meanwhile comes on top.
 */
export function fillingOf({ state, progress }: ReplicaSummary): Filling | undefined {
  if (progress === undefined || (state !== "filling" && state !== "connecting")) return undefined;
  const { pendingBytes, totalBytes, bytesPerSecond } = progress;
  const doneBytes = Math.max(0, totalBytes - pendingBytes);
  const known = { doneBytes, totalBytes, bytesPerSecond };
  const leftMs = leftOf(progress, doneBytes);
  return leftMs === undefined ? known : { ...known, leftMs };
}

function leftOf(
  { pendingBytes, sentBytes, bytesPerSecond }: SecondaryProgress,
  doneBytes: number,
): number | undefined {
  if (pendingBytes === 0) return 0;
  if (bytesPerSecond === 0) return undefined;
  const density = doneBytes === 0 || sentBytes === 0 ? 1 : Math.min(1, sentBytes / doneBytes);
  return Math.round((pendingBytes * density * 1_000) / bytesPerSecond);
}

/** "45 % of 192.0 MiB, 3.1 MiB/s, about 20.0 s left" */
export function fillingText({ doneBytes, totalBytes, bytesPerSecond, leftMs }: Filling): string {
  const share = totalBytes === 0 ? 100 : Math.floor((100 * doneBytes) / totalBytes);
  const left = leftMs === undefined ? "nothing is sent now" : `about ${durationText(leftMs)} left`;
  const pace = `${bytesText(Math.round(bytesPerSecond))}/s`;
  return `${share} % of ${bytesText(totalBytes)}, ${pace}, ${left}`;
}
