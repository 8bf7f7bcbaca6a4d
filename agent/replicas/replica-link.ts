/**
 * One link of a replica's stream: a bounded queue of frames, worked off one at a time, and what is
 * said to the primary. A frame that breaks the rules ends the link, not the replica.
 */
import { type ErrorCode, reasonOf, SystemError } from "../../protocol/error.ts";
import { encodeFrame, type Frame, type FrameKind, parseFrame } from "../../protocol/frame.ts";
import type { StreamId, Term, VmId } from "../../protocol/ids.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import {
  DATA_BUFFER_BYTES_LOW,
  type DataLink,
  type DataReceiver,
} from "../../runtime/data-link.ts";
import type { Log } from "../../runtime/log.ts";
import { CREDIT_BYTES_FIRST } from "../migration/epoch-writer.ts";
import type { Pulses } from "./pulses.ts";

/** How far the lag that is told may be above the true one; 110 bytes each. */
const PULSE_MS = 100;
/** Room is given back to the primary in steps of this. */
const CREDIT_STEP_BYTES = 1024 * 1024;
/** Credit counts payloads: headers, and the records that need none, make the frames longer. */
const QUEUED_BYTES_MAX = 8 * CREDIT_BYTES_FIRST;
const REASON_LENGTH_MAX = 1_000;

export interface ReplicaLinkPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly pulses: Pulses;
  readonly identity: Readonly<{ vmId: VmId; term: Term; stream: StreamId }>;
  /** Where the stream goes on: the first thing that is said. */
  readonly resume: () => Promise<{ readonly epoch: number; readonly root: string }>;
  readonly take: (frame: Frame) => Promise<void>;
  /** Called once. */
  readonly over: (reason: string, thrown: unknown) => void;
}

export class ReplicaLink implements DataReceiver {
  private readonly link: DataLink;
  private readonly ports: ReplicaLinkPorts;
  private work: Promise<void>;
  private queuedBytes = 0;
  private owedCredit = 0;
  private ended = false;
  private beat: Timer | undefined;

  /** Begins once `before`, the work of the link that it replaces, is done. */
  constructor(link: DataLink, before: Promise<void>, ports: ReplicaLinkPorts) {
    this.link = link;
    this.ports = ports;
    this.work = before.then(() => this.begin()).catch((thrown) => this.fail(thrown));
  }

  /** Nothing waits to be taken. */
  get idle(): boolean {
    return this.queuedBytes === 0;
  }

  /** Resolves when no frame of this link is being taken, nor will be. */
  async finished(): Promise<void> {
    await this.work;
  }

  onFrame(bytes: Uint8Array): void {
    if (this.ended) return;
    this.queuedBytes += bytes.length;
    if (this.queuedBytes > QUEUED_BYTES_MAX) {
      return this.fail(new SystemError("LINK_OVERFLOW", "The primary sends more than it may"));
    }
    this.work = this.work
      .then(() => this.takeFrame(bytes))
      .catch((thrown: unknown) => this.fail(thrown));
  }

  onClose(reason: string): void {
    this.stop(reason, undefined);
  }

  /** Says it and why, and ends the link. */
  end(code: ErrorCode, reason: string): void {
    if (this.ended) return;
    this.send("abort", 0, { code, reason: reason.slice(0, REASON_LENGTH_MAX) });
    this.link.close();
    this.stop(reason, undefined);
  }

  send(kind: FrameKind, epoch: number, record: object): void {
    if (this.ended) return;
    const header = { ...this.ports.identity, kind, epoch, sequence: 0, rawBytes: 0 };
    try {
      this.link.send(encodeFrame(header, Buffer.from(JSON.stringify(record))));
    } catch (thrown) {
      this.ports.log.info("The primary does not hear this", { kind, reason: reasonOf(thrown) });
    }
  }

  private async begin(): Promise<void> {
    if (this.ended) return;
    const { clock, pulses, resume } = this.ports;
    const { epoch, root } = await resume();
    this.send("resume", 0, { epoch, root });
    if (this.ended) return;
    const pulse = (): void => {
      // A primary that reads nothing hears of no new moment, and its cuts count as old.
      if (this.link.bufferedBytes >= DATA_BUFFER_BYTES_LOW) return;
      this.send("pulse", 0, { pulse: pulses.beat(clock.nowMs()) });
    };
    pulse();
    this.beat = clock.every(PULSE_MS, pulse);
  }

  private async takeFrame(bytes: Uint8Array): Promise<void> {
    if (this.ended) return;
    const frame = parseFrame(bytes);
    await this.ports.take(frame);
    this.queuedBytes -= bytes.length;
    this.owedCredit += frame.payload.length;
    if (this.owedCredit < CREDIT_STEP_BYTES) return;
    this.send("credit", 0, { bytes: this.owedCredit });
    this.owedCredit = 0;
  }

  private fail(thrown: unknown): void {
    if (this.ended) return;
    const code = thrown instanceof SystemError ? thrown.code : "STREAM_FAILED";
    const reason = reasonOf(thrown);
    this.send("abort", 0, { code, reason: reason.slice(0, REASON_LENGTH_MAX) });
    this.stop(reason, thrown);
    this.link.close();
  }

  private stop(reason: string, thrown: unknown): void {
    if (this.ended) return;
    this.ended = true;
    this.beat?.cancel();
    this.ports.over(reason, thrown);
  }
}
