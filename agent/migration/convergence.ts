/**
 * When the rest is small enough: rounds while the guest runs, one cut, then the last epoch.
 *
 * A fuzzy round costs the guest nothing and makes the rest smaller, as long as it copies faster
 * than the guest writes. The cut before the last epoch gives the target a restore point, should
 * the guest die, and measures what the last pause will be made of.
 * @module
 */
import type { MigrationLimits } from "../../protocol/authority.ts";

/** What one finished round has shown. */
export interface Round {
  /**
   * overflow: a cut that had to be let go of half-way; voided: one whose device state could not
   * be saved. Both were carried as fuzzy rounds.
   */
  readonly kind: "fuzzy" | "cut" | "overflow" | "voided";
  /** RAM and disk bytes that differed, before they were encoded. */
  readonly changedBytes: number;
  /** Reading and comparing the whole of RAM. */
  readonly scanMs: number;
  /** Encoding, sending and applying what differed. */
  readonly carryMs: number;
  /** The whole round, from its first read to its acknowledgement. */
  readonly tookMs: number;
  /** cut: stopping, saving device state and continuing; the fixed part of a pause. */
  readonly fixedMs?: number;
}

export type Next = Readonly<
  | { type: "fuzzy" }
  | { type: "cut" }
  | { type: "last"; expectedPauseMs: number }
  | { type: "refuse"; expectedPauseMs: number; reason: string }
>;

/** A pause that another round would hardly make shorter. */
const GOOD_PAUSE_MS = 60;
/** Below this share of the round before, another round is worth its time. */
const WORTHWHILE = 0.7;
/** Cuts that may fail before the guest is taken for one that cannot be moved. */
const VOIDED_MAX = 3;
/** Before a cut was measured: stop, device state, load, records. */
const FIXED_GUESS_MS = 30;
/** Measured over a loopback link; a slow link is known by what it measures itself. */
const CARRY_BYTES_PER_MS_MAX = 100_000;

export function nextRound(rounds: readonly Round[], limits: MigrationLimits): Next {
  const last = rounds.at(-1);
  if (last === undefined || rounds.length < 2) return { type: "fuzzy" };
  const expectedPauseMs = expectPause(rounds);
  if (last.kind === "voided") {
    const voided = rounds.filter(({ kind }) => kind === "voided").length;
    const reason = `The guest's device state could not be saved, ${voided} times`;
    return voided < VOIDED_MAX ? { type: "cut" } : { type: "refuse", expectedPauseMs, reason };
  }
  if (last.kind !== "fuzzy") {
    if (expectedPauseMs <= limits.pauseMsMax) return { type: "last", expectedPauseMs };
    const again = last.kind === "cut" ? "cut" : "fuzzy";
    if (rounds.length < limits.roundsMax && shrinks(rounds)) return { type: again };
    return { type: "refuse", expectedPauseMs, reason: tooLong(expectedPauseMs, limits) };
  }
  const done = expectedPauseMs <= GOOD_PAUSE_MS || !shrinks(rounds);
  if (done || rounds.length >= limits.roundsMax - 1) return { type: "cut" };
  return { type: "fuzzy" };
}

/**
 * The last pause, in milliseconds: the fixed part, one scan of RAM, and carrying what the guest
 * writes in the time of another such round.
 *
 * What the last round found was written in the time of the round before it; a guest that had less
 * time since has written less. One that had more is taken to write the same pages again.
 */
export function expectPause(rounds: readonly Round[]): number {
  const [before, last] = rounds.length < 2 ? [undefined, rounds[0]] : rounds.slice(-2);
  if (last === undefined) return Number.POSITIVE_INFINITY;
  const fixedMs = rounds.findLast((round) => round.fixedMs !== undefined)?.fixedMs;
  const time = before === undefined || before.tookMs <= 0 ? 1 : last.tookMs / before.tookMs;
  const changedBytes = last.changedBytes * Math.min(1, time);
  const measured = last.carryMs > 0 ? last.changedBytes / last.carryMs : CARRY_BYTES_PER_MS_MAX;
  const carryPerMs = Math.max(1, Math.min(measured, CARRY_BYTES_PER_MS_MAX));
  return (fixedMs ?? FIXED_GUESS_MS) + last.scanMs + changedBytes / carryPerMs;
}

function shrinks(rounds: readonly Round[]): boolean {
  const [before, last] = rounds.slice(-2);
  if (before === undefined || last === undefined) return true;
  return last.changedBytes < before.changedBytes * WORTHWHILE;
}

function tooLong(expectedPauseMs: number, { pauseMsMax }: MigrationLimits): string {
  return `The last pause is expected to take ${Math.ceil(expectedPauseMs)} ms, over the limit of \
${pauseMsMax} ms: the guest writes faster than it is carried. Raise --pause-ms to agree to it`;
}
