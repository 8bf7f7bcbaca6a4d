/**
 * The sending end of a stream: numbers frames, keeps the root hash, and never has more on its way
 * than the target has asked for.
 * @module
 */

import { rootAdd, rootBegin } from "../../epochs/root.ts";
import type { EpochBegin } from "../../protocol/epoch.ts";
import { NO_PARENT } from "../../protocol/epoch.ts";
import type { SystemError } from "../../protocol/error.ts";
import { encodeFrame, type FrameKind } from "../../protocol/frame.ts";
import type { StreamId, Term, VmId } from "../../protocol/ids.ts";
import type { DataLink } from "../../runtime/data-link.ts";

/** What a target takes before its first word: two windows that do not compress. */
export const CREDIT_BYTES_FIRST = 4 * 1024 * 1024;

export interface StreamIdentity {
  readonly vmId: VmId;
  readonly stream: StreamId;
  /** The target's term: what the frames are good for. */
  readonly term: Term;
}

/** One stream's frames. Owned by the stream; not re-entrant. */
export class EpochWriter {
  bytesSent = 0;
  private readonly link: DataLink;
  private readonly identity: StreamIdentity;
  private credit = CREDIT_BYTES_FIRST;
  private waiting: (() => void) | undefined;
  private failure: SystemError | undefined;
  private root: string = NO_PARENT;
  private running = "";
  private sequence = 0;
  epoch = -1;

  constructor(link: DataLink, identity: StreamIdentity) {
    this.link = link;
    this.identity = identity;
  }

  async begin(record: Omit<EpochBegin, "parent">): Promise<void> {
    this.epoch++;
    this.sequence = 0;
    this.running = rootBegin(this.root, { ...this.identity, epoch: this.epoch });
    await this.write("begin", json({ ...record, parent: this.root }), 0);
  }

  /** One payload of the epoch; waits while the target has no room for it. */
  async content(kind: "pages" | "extent" | "state", payload: Uint8Array): Promise<void> {
    this.sequence++;
    await this.write(kind, payload, 0);
  }

  /** Ends the epoch; returns its root, which the target will acknowledge. */
  end(): string {
    const record = json({ root: this.running, frames: this.sequence });
    this.root = this.running;
    this.sequence++;
    this.send("end", record, 0);
    return this.root;
  }

  /** A record outside of epochs, sent at once. */
  record(kind: "released" | "abort", record: object, epoch: number): void {
    this.link.send(
      encodeFrame({ ...this.identity, kind, epoch, sequence: 0, rawBytes: 0 }, json(record)),
    );
  }

  /** The target has room for so many more bytes. */
  grant(bytes: number): void {
    this.credit += bytes;
    this.waiting?.();
  }

  /** Every write fails from now on, also one that waits. */
  fail(error: SystemError): void {
    this.failure ??= error;
    this.waiting?.();
  }

  private async write(kind: FrameKind, payload: Uint8Array, rawBytes: number): Promise<void> {
    while (this.credit < payload.length && this.failure === undefined) {
      await new Promise<void>((resolve) => {
        this.waiting = resolve;
      });
      this.waiting = undefined;
    }
    if (this.failure !== undefined) throw this.failure;
    this.credit -= payload.length;
    this.running = rootAdd(this.running, { kind, sequence: this.sequence }, payload);
    this.send(kind, payload, rawBytes);
    if (this.link.bufferedBytes > CREDIT_BYTES_FIRST) await this.link.drained();
  }

  private send(kind: FrameKind, payload: Uint8Array, rawBytes: number): void {
    if (this.failure !== undefined) throw this.failure;
    const { epoch, sequence } = this;
    const frame = encodeFrame({ ...this.identity, kind, epoch, sequence, rawBytes }, payload);
    this.bytesSent += frame.length;
    this.link.send(frame);
  }
}

function json(record: object): Buffer {
  return Buffer.from(JSON.stringify(record), "utf8");
}
