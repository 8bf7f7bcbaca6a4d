/**
 * What a stream has come to so far, in rounds, bytes and the parts of its last pause.
 * @module
 */
import type { MigrationProgress, PauseParts } from "../../protocol/authority.ts";
import type { Clock } from "../../runtime/clock.ts";
import { expectPause, type Round } from "./convergence.ts";

export type Parts = { -readonly [Key in keyof PauseParts]: number };

export type Subject = Pick<MigrationProgress, "vmId" | "sagaId" | "memoryBytes">;

/** A finished round as its stream has measured it. */
export interface Measured extends Omit<Round, "tookMs" | "carryMs"> {
  readonly startedMs: number;
}

/** Progress within a round is told no more often than this. */
const TELL_MS = 100;

export class Ledger {
  readonly rounds: Round[] = [];
  /** Of the last pause; all of the source's clock, except `apply` and `activate`. */
  readonly parts: Parts = {
    stop: 0,
    scan: 0,
    state: 0,
    encode: 0,
    send: 0,
    apply: 0,
    release: 0,
    activate: 0,
  };
  private readonly subject: Subject;
  private readonly clock: Clock;
  private readonly bytesSent: () => number;
  private readonly tell: (progress: MigrationProgress) => void;
  private bytesRaw = 0;
  private stoppedMs: number | undefined;
  private ackedMs = 0;
  private releasedMs = 0;
  private toldMs = Number.NEGATIVE_INFINITY;

  constructor(
    subject: Subject,
    clock: Clock,
    bytesSent: () => number,
    tell: (progress: MigrationProgress) => void,
  ) {
    this.subject = subject;
    this.clock = clock;
    this.bytesSent = bytesSent;
    this.tell = tell;
  }

  note({ startedMs, ...round }: Measured): void {
    const tookMs = this.clock.nowMs() - startedMs;
    const carryMs = Math.max(0, tookMs - round.scanMs - (round.fixedMs ?? 0));
    this.rounds.push({ ...round, tookMs, carryMs });
    this.bytesRaw += round.changedBytes;
    this.at("round", this.subject.memoryBytes, expectPause(this.rounds));
  }

  /** Tells where the stream is; `doneBytes` of RAM are behind it in this round. */
  at(stage: MigrationProgress["stage"], doneBytes: number, expected?: number): void {
    const nowMs = this.clock.nowMs();
    if (expected === undefined && nowMs - this.toldMs < TELL_MS) return;
    this.toldMs = nowMs;
    const known = expected !== undefined && Number.isFinite(expected);
    this.tell({ ...this.now(stage, doneBytes), ...(known ? { expectedPauseMs: expected } : {}) });
  }

  pauseBegins(): void {
    this.stoppedMs = this.clock.nowMs();
  }

  /** What the last epoch carried. */
  lastCarried(bytes: number): void {
    this.bytesRaw += bytes;
  }

  /** The target has acknowledged the last epoch. */
  ackedNow(): void {
    this.ackedMs = this.clock.nowMs();
  }

  /** RELEASED is durable, and said from here on. */
  releasedNow(): void {
    this.releasedMs = this.clock.nowMs();
    this.parts.release = this.releasedMs - this.ackedMs;
  }

  /** The target's `active` has come: from `stop` to here is the last pause. */
  pauseEnds(activateMs: number): void {
    const { stoppedMs } = this;
    // A guest that died before its last epoch was never paused by it.
    if (stoppedMs === undefined) return;
    const nowMs = this.clock.nowMs();
    this.parts.activate = activateMs;
    this.parts.send += Math.max(0, nowMs - this.releasedMs - activateMs);
    this.tell({
      ...this.now("done", this.subject.memoryBytes),
      lastPauseMs: nowMs - stoppedMs,
      pauseParts: { ...this.parts },
    });
  }

  private now(stage: MigrationProgress["stage"], doneBytes: number): MigrationProgress {
    return {
      type: "migration-progress",
      ...this.subject,
      round: this.rounds.length,
      stage,
      bytesRaw: this.bytesRaw,
      bytesSent: this.bytesSent(),
      doneBytes,
    };
  }
}
