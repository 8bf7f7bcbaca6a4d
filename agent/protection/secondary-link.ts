/**
 * The way to one secondary: dials it for as long as it is wanted, numbers its frames, and never has
 * more on its way than it asked for or was allowed. What is to be sent it does not decide.
 *
 * Rule 1: what is queued is the lane's as sent; when the link breaks the queue goes with it.
 * Rule 2: nobody waits for it: a payload is queued at once, and whoever makes more looks at
 *         `queuedBytes` first.
 */
import { type EpochOf, Lane } from "../../epochs/lane.ts";
import type { Geometry, Parts } from "../../epochs/parts.ts";
import { payloadDigest, rootAddDigest, rootBegin } from "../../epochs/root.ts";
import {
  abortRecord,
  activeRecord,
  creditRecord,
  type EpochBegin,
  epochAck,
  pulseRecord,
  resumeRecord,
} from "../../protocol/epoch.ts";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import { encodeFrame, type Frame, type FrameKind, parseFrame } from "../../protocol/frame.ts";
import type { Term, VmId } from "../../protocol/ids.ts";
import { parseWith } from "../../protocol/message.ts";
import type { Secondary } from "../../protocol/replication.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { AcceptData, DataLink } from "../../runtime/data-link.ts";
import type { Log } from "../../runtime/log.ts";
import type { Random } from "../../runtime/random.ts";
import { CREDIT_BYTES_FIRST } from "../migration/epoch-writer.ts";
import { type Bucket, drawFrom, fullBucket } from "./token-bucket.ts";

const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 10_000;
/** A secondary that was sent all there is and says nothing for so long is lost. */
const SILENT_MS = 30_000;

export interface SecondaryPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly dial: (secondary: Secondary, accept: AcceptData) => Promise<DataLink>;
  /** Resolves once no guest of this host is paused: nothing is sent meanwhile. */
  readonly pass: () => Promise<void>;
  /** What the shadow and the disks hold besides zeros. */
  readonly touched: () => Parts;
  /** It has room, an epoch is whole there, or it is gone. */
  readonly onChange: () => void;
  /** The guest was let run there. */
  readonly onActive: (activateMs: number) => void;
}

export interface StreamOf {
  readonly vmId: VmId;
  /** The primary's. */
  readonly term: Term;
  readonly geometry: Geometry;
}

/** What a payload of an epoch is, and its digest, made once for all secondaries. */
export interface Payload {
  readonly kind: "pages" | "extent" | "state";
  readonly bytes: Uint8Array;
  readonly digest: string;
}

interface Queued {
  readonly kind: FrameKind;
  readonly epoch: number;
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

/** One link, from its dialling to its end. */
interface Connection {
  link: DataLink | undefined;
  credit: number;
  failure: SystemError | undefined;
  /** Lets the sender look again. */
  wake: () => void;
}

export class SecondaryLink {
  /** Where it is dialled the next time; its stream stays. */
  secondary: Secondary;
  readonly lane: Lane;
  queuedBytes = 0;
  sentBytes = 0;
  /** Of the epoch that was acknowledged last. */
  applyMs = 0;
  /** Why it is not connected; undefined while it is. */
  reason: string | undefined = "Not reached yet";
  bytesPerSecondMax: number | undefined;
  /** What is sent is waited for by a guest that stands. */
  isLast = false;
  private readonly of: StreamOf;
  private readonly ports: SecondaryPorts;
  private queue: Queued[] = [];
  private connection: Connection | undefined;
  private bucket: Bucket | undefined;
  /** The newest that was heard on this link, and what it was when which cut was begun. */
  private pulse: number | undefined;
  private pulseAt: { readonly cut: number; readonly pulse: number | undefined } | undefined;
  private epoch = 0;
  private sequence = 0;
  private root = "";
  private heardMs = 0;
  private closed = false;
  private readonly closing = Promise.withResolvers<void>();

  constructor(secondary: Secondary, of: StreamOf, ports: SecondaryPorts) {
    this.secondary = secondary;
    this.of = of;
    this.ports = ports;
    this.lane = new Lane(of.geometry);
    void this.run();
  }

  /** Ends it; what is queued is not sent. */
  close(): void {
    this.closed = true;
    this.closing.resolve();
    this.fail(new SystemError("CANCELLED", "No longer a secondary"));
  }

  /** Called right before the guest is stopped: the cut is younger than what was heard so far. */
  cutBegins(cut: number): void {
    this.pulseAt = { cut, pulse: this.pulse };
  }

  /** Begins an epoch of this stream. */
  begin({ kind, cut }: EpochOf): void {
    const pulse = cut !== undefined && this.pulseAt?.cut === cut ? this.pulseAt.pulse : undefined;
    const { epoch, parent, content } = this.lane.begin({ kind, cut });
    const { vmId, term, geometry } = this.of;
    const begin: EpochBegin = {
      content,
      kind,
      parent,
      memoryBytes: geometry.memoryBytes,
      ...(cut === undefined ? {} : { cut }),
      ...(pulse === undefined ? {} : { pulse }),
    };
    this.epoch = epoch;
    this.sequence = -1;
    this.root = rootBegin(parent, { vmId, stream: this.secondary.stream, term, epoch });
    this.add("begin", json(begin));
  }

  /** One payload of the open epoch; what it carries is told to the lane by the caller. */
  content({ kind, bytes, digest }: Payload): void {
    this.add(kind, bytes, digest);
  }

  /** Ends the open epoch; returns its number and root. */
  end(): { epoch: number; root: string } {
    const { epoch, root, sequence } = this;
    this.enqueue("end", json({ root, frames: sequence }), sequence + 1);
    this.lane.end(root);
    return { epoch, root };
  }

  /** A record outside of epochs, sent at once. @throws SystemError LINK_CLOSED */
  record(kind: "released", record: object, epoch: number): void {
    const link = this.connection?.link;
    if (link === undefined) throw new SystemError("LINK_CLOSED", "There is no link");
    link.send(this.frame({ kind, epoch, sequence: 0, bytes: json(record) }));
  }

  /** Begins anew with it, from where it is. */
  reset(reason: string): void {
    this.fail(new SystemError("CANCELLED", reason));
  }

  /** Gives a secondary up that has all there is and does not say so. */
  look(nowMs: number): void {
    const due = this.lane.waitsForAck && this.queuedBytes === 0;
    if (!due || nowMs - this.heardMs < SILENT_MS) return;
    this.fail(new SystemError("TIMED_OUT", "The secondary does not acknowledge"));
  }

  private add(kind: Queued["kind"], bytes: Uint8Array, digest = payloadDigest(bytes)): void {
    this.sequence++;
    const { sequence } = this;
    this.root = rootAddDigest(this.root, { kind, sequence }, digest);
    this.enqueue(kind, bytes, sequence);
  }

  private enqueue(kind: Queued["kind"], bytes: Uint8Array, sequence: number): void {
    this.queue.push({ kind, epoch: this.epoch, sequence, bytes });
    this.queuedBytes += bytes.length;
    this.connection?.wake();
  }

  private async run(): Promise<void> {
    const { clock, random, log } = this.ports;
    let retryMs = RETRY_MS_MIN;
    while (!this.closed) {
      const startedMs = clock.nowMs();
      try {
        await this.connect();
      } catch (thrown) {
        const reason = reasonOf(thrown);
        if (!this.closed && reason !== this.reason) {
          log.warn("No link to a secondary", { host: this.secondary.hostId, reason });
        }
        this.reason = reason;
      }
      if (clock.nowMs() - startedMs > RETRY_MS_MAX) retryMs = RETRY_MS_MIN;
      const jitteredMs = retryMs * (0.5 + random.fraction());
      retryMs = Math.min(RETRY_MS_MAX, retryMs * 2);
      if (!this.closed) await Promise.race([clock.sleep(jitteredMs), this.closing.promise]);
    }
  }

  /** One link's life. Throws why it ended. */
  private async connect(): Promise<void> {
    const connection: Connection = {
      link: undefined,
      credit: CREDIT_BYTES_FIRST,
      failure: undefined,
      wake: () => {},
    };
    this.connection = connection;
    try {
      const link = await this.ports.dial(this.secondary, (accepted) => {
        connection.link = accepted;
        return {
          onFrame: (bytes) => this.takeFrame(connection, bytes),
          onClose: (reason) => failed(connection, new SystemError("LINK_CLOSED", reason)),
        };
      });
      this.heardMs = this.ports.clock.nowMs();
      await this.send(connection, link);
    } finally {
      connection.link?.close();
      this.connection = undefined;
      this.queue = [];
      this.queuedBytes = 0;
      this.pulse = undefined;
      this.lane.lost();
      this.ports.onChange();
    }
  }

  /** Sends what is queued, until the link fails. */
  private async send(connection: Connection, link: DataLink): Promise<never> {
    for (;;) {
      if (connection.failure !== undefined) throw connection.failure;
      const [first] = this.queue;
      if (first === undefined || connection.credit < first.bytes.length) {
        await new Promise<void>((resolve) => {
          connection.wake = resolve;
        });
        continue;
      }
      await this.drawFromBucket(first.bytes.length);
      if (!this.isLast) await this.ports.pass();
      if (connection.failure !== undefined) throw connection.failure;
      this.queue.shift();
      connection.credit -= first.bytes.length;
      this.queuedBytes -= first.bytes.length;
      const frame = this.frame(first);
      this.sentBytes += frame.length;
      this.heardMs = this.ports.clock.nowMs();
      link.send(frame);
      if (link.bufferedBytes > CREDIT_BYTES_FIRST) await link.drained();
      this.ports.onChange();
    }
  }

  private async drawFromBucket(bytes: number): Promise<void> {
    const { clock } = this.ports;
    const limit = this.bytesPerSecondMax;
    if (limit === undefined) return;
    if (this.bucket?.bytesPerSecond !== limit) this.bucket = fullBucket(limit, clock.nowMs());
    const [bucket, waitMs] = drawFrom(this.bucket, bytes, clock.nowMs());
    this.bucket = bucket;
    if (waitMs > 0) await Promise.race([clock.sleep(waitMs), this.closing.promise]);
  }

  private takeFrame(connection: Connection, bytes: Uint8Array): void {
    try {
      const frame = parseFrame(bytes);
      const { vmId, term } = this.of;
      const mine = frame.vmId === vmId && frame.stream === this.secondary.stream;
      // `active` is of the next term: the guest runs there.
      if (!mine || (frame.term !== term && frame.kind !== "active")) return;
      this.take(frame);
    } catch (thrown) {
      failed(connection, new SystemError("STREAM_FAILED", reasonOf(thrown), { cause: thrown }));
    }
  }

  private take(frame: Frame): void {
    const text = Buffer.from(frame.payload).toString("utf8");
    if (!this.lane.isUp && frame.kind !== "resume" && frame.kind !== "abort") {
      throw new SystemError("STREAM_FAILED", `${frame.kind} comes before resume`);
    }
    switch (frame.kind) {
      case "resume":
        return this.resume(text);
      case "credit":
        if (this.connection !== undefined) {
          this.connection.credit += parseWith(creditRecord, text).bytes;
          this.connection.wake();
        }
        break;
      case "ack": {
        const { root, applyMs } = parseWith(epochAck, text);
        this.lane.takeAck(frame.epoch, root);
        this.applyMs = applyMs;
        break;
      }
      case "pulse":
        this.pulse = parseWith(pulseRecord, text).pulse;
        return;
      case "active":
        this.ports.onActive(parseWith(activeRecord, text).activateMs);
        return;
      case "abort":
        throw new SystemError("STREAM_FAILED", parseWith(abortRecord, text).reason);
      case "begin":
      case "pages":
      case "extent":
      case "state":
      case "end":
      case "released":
        throw new SystemError("STREAM_FAILED", `A secondary does not send ${frame.kind}`);
    }
    this.heardMs = this.ports.clock.nowMs();
    this.ports.onChange();
  }

  private resume(text: string): void {
    if (this.lane.isUp) throw new SystemError("STREAM_FAILED", "A second resume");
    const { epoch, root } = parseWith(resumeRecord, text);
    this.lane.resumed(epoch, root, this.ports.touched());
    this.reason = undefined;
    this.ports.onChange();
  }

  private fail(error: SystemError): void {
    if (this.connection !== undefined) failed(this.connection, error);
  }

  private frame({ kind, epoch, sequence, bytes }: Queued): Buffer {
    const { vmId, term } = this.of;
    const { stream } = this.secondary;
    return encodeFrame({ vmId, stream, term, kind, epoch, sequence, rawBytes: 0 }, bytes);
  }
}

/** Ends a link: whoever waits on it hears why, the first reason there was. */
function failed(connection: Connection, error: SystemError): void {
  connection.failure ??= error;
  connection.wake();
  connection.link?.close();
}

function json(record: object): Buffer {
  return Buffer.from(JSON.stringify(record), "utf8");
}
