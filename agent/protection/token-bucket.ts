/**
 * A limit of bytes a second, as a bucket that fills with time. It may be overdrawn by one payload;
 * the debt is waited for before the next.
 * @module
 */

/** What may be sent at once after a silence: the rate of so long. */
const BURST_MS = 250;

export interface Bucket {
  readonly bytesPerSecond: number;
  /** Negative: a debt. */
  readonly bytes: number;
  readonly atMs: number;
}

export function fullBucket(bytesPerSecond: number, nowMs: number): Bucket {
  return { bytesPerSecond, bytes: burstOf(bytesPerSecond), atMs: nowMs };
}

/** The bucket after `bytes` more, and how long to wait before the next are sent. */
export function drawFrom(
  { bytesPerSecond, bytes: before, atMs }: Bucket,
  bytes: number,
  nowMs: number,
): [bucket: Bucket, waitMs: number] {
  const filled = before + ((nowMs - atMs) * bytesPerSecond) / 1_000;
  const left = Math.min(burstOf(bytesPerSecond), filled) - bytes;
  const waitMs = left >= 0 ? 0 : (-left * 1_000) / bytesPerSecond;
  return [{ bytesPerSecond, bytes: left, atMs: nowMs }, waitMs];
}

function burstOf(bytesPerSecond: number): number {
  return (bytesPerSecond * BURST_MS) / 1_000;
}
