/**
 * A move out of this host, from the first byte to the last epoch's acknowledgement
 * (docs/authority.md, sections 3 and 4). It decides nothing about authority: what it comes to is
 * told to the authority core, which journals RELEASED or REFUSED.
 */

import { Kernel } from "../../epochs/kernel.ts";
import { STAGING_BYTES_MAX } from "../../epochs/shadow.ts";
import type { MigrateOut, MigrationProgress } from "../../protocol/authority.ts";
import type { FrozenDefinition } from "../../protocol/definition.ts";
import {
  abortRecord,
  activeRecord,
  creditRecord,
  type EpochAck,
  epochAck,
} from "../../protocol/epoch.ts";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import { type Frame, parseFrame } from "../../protocol/frame.ts";
import { parseWith } from "../../protocol/message.ts";
import type { Clock } from "../../runtime/clock.ts";
import { crashPoint } from "../../runtime/crash-point.ts";
import type { AcceptData, DataLink } from "../../runtime/data-link.ts";
import type { Log } from "../../runtime/log.ts";
import type { StartThread } from "../../runtime/threads.ts";
import type { Chains, Event } from "../authority/state.ts";
import { type DiskCutPorts, DiskCuts } from "../capture/disk-cuts.ts";
import { openScanner } from "../capture/scan-ram.ts";
import type { Guest } from "../qemu/guest.ts";
import { nextRound } from "./convergence.ts";
import { EpochWriter } from "./epoch-writer.ts";
import type { PauseGate } from "./gate.ts";
import { Ledger } from "./ledger.ts";
import { cutRound, fuzzyRound, lastEpoch, type Work } from "./rounds.ts";

/** A target that applies an epoch and says nothing for so long is lost. */
const ACK_MS = 30_000;

export interface OutgoingPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly guest: Guest;
  readonly definition: FrozenDefinition;
  readonly chains: Chains;
  readonly ramPath: string;
  readonly disks: DiskCutPorts;
  readonly module: WebAssembly.Module;
  readonly dial: (accept: AcceptData) => Promise<DataLink>;
  readonly dispatch: (event: Event) => void;
  readonly progress: (progress: MigrationProgress) => void;
  /** After a failure: whether the guest's process has ended, which is then told to the core. */
  readonly died: () => Promise<boolean>;
  /** Of one cut, in bytes; 128 MiB unless told. */
  readonly stagingBytesMax?: number;
  /** That scan the guest's RAM; 1: this one. */
  readonly scanThreads: number;
  readonly startThread: StartThread;
  /** Lets other work of the agent go on between two windows. */
  readonly breathe: () => Promise<void>;
  /** Of all streams out of this host. */
  readonly gate: PauseGate;
}

/** One running stream. It ends by itself, by `end`, or with its link. */
export class OutgoingStream {
  /** Resolves when nothing of the stream touches the guest any more. */
  readonly finished: Promise<void>;
  private readonly command: MigrateOut;
  private readonly ports: OutgoingPorts;
  private readonly ledger: Ledger;
  private writer: EpochWriter | undefined;
  private link: DataLink | undefined;
  private ended: SystemError | undefined;
  private released = false;
  private awaitAck: ((ack: EpochAck) => void) | undefined;
  private failAck: ((error: SystemError) => void) | undefined;

  constructor(command: MigrateOut, ports: OutgoingPorts) {
    this.command = command;
    this.ports = ports;
    const { vmId, sagaId } = command;
    const subject = { vmId, sagaId, memoryBytes: ports.definition.memoryBytes };
    const bytesSent = (): number => this.writer?.bytesSent ?? 0;
    this.ledger = new Ledger(subject, ports.clock, bytesSent, ports.progress);
    this.finished = this.run();
  }

  /** Ends the stream: the core refused it. The guest is then the caller's again. */
  end(reason: string): void {
    if (!this.released) this.tell("abort", { code: "CANCELLED", reason }, 0);
    this.fail(new SystemError("CANCELLED", reason));
    this.link?.close();
  }

  /** The point of no return was journalled: the target hears it straight from here. */
  sendReleased(reason: "moved" | "died", epoch: number): void {
    this.released = true;
    this.ledger.releasedNow();
    this.tell("released", { reason }, Math.max(0, epoch));
    // A dead guest's RAM can still be read, and must not be sent to one that lives again.
    if (reason === "died") this.fail(new SystemError("QEMU_EXITED", "The guest has died"));
    crashPoint("agent-released-sent", this.ports.guest.identity.pid);
  }

  /** A link that broke is no reason to end: the coordinator tells the target what it must know. */
  private tell(kind: "released" | "abort", record: object, epoch: number): void {
    try {
      this.writer?.record(kind, record, epoch);
    } catch (thrown) {
      const reason = reasonOf(thrown);
      this.ports.log.warn("The target does not hear this from here", { kind, reason });
    }
  }

  private async run(): Promise<void> {
    const { command, ports } = this;
    try {
      await this.stream();
    } catch (thrown) {
      const reason = reasonOf(this.ended ?? thrown);
      ports.log.warn("Stream failed", { vmId: command.vmId, reason });
      // A guest that died is no failed stream: its newest complete epoch may be promoted.
      if (this.ended === undefined && (await ports.died())) return;
      ports.dispatch({ type: "stream-failed", vmId: command.vmId, stream: command.stream, reason });
      if (!this.released) this.link?.close();
    }
  }

  private async stream(): Promise<void> {
    const { command, ports } = this;
    const { vmId, stream, toTerm } = command;
    this.link = await ports.dial((link) => {
      this.link = link;
      return {
        onFrame: (bytes) => this.takeFrame(bytes),
        onClose: (reason) => this.fail(new SystemError("LINK_CLOSED", `Data link: ${reason}`)),
      };
    });
    const writer = new EpochWriter(this.link, { vmId, stream, term: toTerm });
    this.writer = writer;
    if (this.ended !== undefined) throw this.ended;
    const { memoryBytes } = ports.definition;
    const { ramPath, scanThreads: threads, stagingBytesMax = STAGING_BYTES_MAX } = ports;
    const scanner = openScanner({ ramPath, memoryBytes, stagingBytesMax, threads }, ports);
    try {
      await this.rounds({
        command,
        clock: ports.clock,
        guest: ports.guest,
        memoryBytes,
        ledger: this.ledger,
        writer,
        disks: new DiskCuts(ports.definition, ports.chains, ports.disks),
        scanner,
        kernel: new Kernel(ports.module),
        dispatch: ports.dispatch,
        breathe: ports.breathe,
        gate: ports.gate,
        assertGoing: () => this.assertGoing(),
        fail: (error) => this.fail(error),
        endEpoch: () => this.endEpoch(writer),
      });
    } finally {
      await scanner.close();
    }
  }

  private async rounds(work: Work): Promise<void> {
    for (;;) {
      const next = nextRound(this.ledger.rounds, this.command.limits);
      switch (next.type) {
        case "refuse":
          throw new SystemError("PAUSE_TOO_LONG", next.reason);
        case "last":
          return lastEpoch(work, next.expectedPauseMs);
        case "cut":
          await cutRound(work);
          break;
        case "fuzzy":
          await fuzzyRound(work);
          break;
      }
      this.assertGoing();
    }
  }

  private async endEpoch(writer: EpochWriter): Promise<EpochAck> {
    const { clock } = this.ports;
    const acked = new Promise<EpochAck>((resolve, reject) => {
      this.awaitAck = resolve;
      this.failAck = reject;
    });
    // A failure between here and the await below is seen by the await.
    acked.catch(() => {});
    const root = writer.end();
    const lost = clock.after(ACK_MS, () => {
      this.fail(new SystemError("TIMED_OUT", "The target does not acknowledge the epoch"));
    });
    try {
      const ack = await acked;
      if (ack.root !== root) throw new SystemError("STREAM_FAILED", "Acknowledged another epoch");
      return ack;
    } finally {
      lost.cancel();
      this.awaitAck = undefined;
      this.failAck = undefined;
    }
  }

  private takeFrame(bytes: Uint8Array): void {
    try {
      const frame = parseFrame(bytes);
      const { vmId, stream, toTerm } = this.command;
      if (frame.vmId !== vmId || frame.stream !== stream || frame.term !== toTerm) return;
      this.take(frame);
    } catch (thrown) {
      this.fail(new SystemError("STREAM_FAILED", reasonOf(thrown), { cause: thrown }));
    }
  }

  private take(frame: Frame): void {
    const text = Buffer.from(frame.payload).toString("utf8");
    switch (frame.kind) {
      case "credit":
        this.writer?.grant(parseWith(creditRecord, text).bytes);
        return;
      case "ack":
        if (frame.epoch === this.writer?.epoch) this.awaitAck?.(parseWith(epochAck, text));
        return;
      case "active":
        this.ledger.pauseEnds(parseWith(activeRecord, text).activateMs);
        this.link?.close();
        return;
      case "abort":
        this.fail(new SystemError("STREAM_FAILED", parseWith(abortRecord, text).reason));
        return;
      case "begin":
      case "pages":
      case "extent":
      case "state":
      case "end":
      case "released":
      case "resume":
      case "pulse":
        this.fail(new SystemError("STREAM_FAILED", `A target does not send ${frame.kind}`));
        return;
    }
  }

  private assertGoing(): void {
    if (this.ended !== undefined) throw this.ended;
  }

  private fail(error: SystemError): void {
    this.ended ??= error;
    this.writer?.fail(error);
    this.failAck?.(error);
  }
}
