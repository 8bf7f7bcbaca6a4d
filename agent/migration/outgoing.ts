/**
 * A move out of this host, from the first byte to the last epoch's acknowledgement (SAFETY,
 * sections 3 and 4). It decides nothing about authority: what it comes to is told to the
 * authority core, which journals RELEASED or REFUSED.
 */

import type { WindowChange } from "../../epochs/delta.ts";
import { encodeExtent, encodeState } from "../../epochs/extent.ts";
import { Kernel, WINDOW_BYTES } from "../../epochs/kernel.ts";
import { Shadow } from "../../epochs/shadow.ts";
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
import type { Chains, Event } from "../authority/state.ts";
import { type DiskCutPorts, DiskCuts } from "../capture/disk-cuts.ts";
import { RamFile } from "../capture/ram.ts";
import type { Guest } from "../qemu/guest.ts";
import { nextRound } from "./convergence.ts";
import { EpochWriter } from "./epoch-writer.ts";
import { Ledger } from "./ledger.ts";

/** Changed pages of a cut are held until the guest runs again: no more than this. */
const STAGING_BYTES_MAX = 128 * 1024 * 1024;
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
  /** Lets other work of the agent go on between two windows. */
  readonly breathe: () => Promise<void>;
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
    if (!this.released) this.writer?.record("abort", { code: "CANCELLED", reason }, 0);
    this.fail(new SystemError("CANCELLED", reason));
    this.link?.close();
  }

  /** The point of no return was journalled: the target hears it straight from here. */
  sendReleased(reason: "moved" | "died", epoch: number): void {
    this.released = true;
    this.ledger.releasedNow();
    try {
      this.writer?.record("released", { reason }, epoch);
    } catch (thrown) {
      this.ports.log.warn("Target does not hear RELEASED from here", { reason: reasonOf(thrown) });
    }
    crashPoint("agent-released-sent", this.ports.guest.identity.pid);
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
    const disks = new DiskCuts(ports.definition, ports.chains, ports.disks);
    const shadow = new Shadow(ports.module, ports.definition.memoryBytes);
    const kernel = new Kernel(ports.module);
    const ram = new RamFile(ports.ramPath, "read");
    const work = { writer, disks, shadow, kernel, ram };
    try {
      for (;;) {
        const next = nextRound(this.ledger.rounds, command.limits);
        if (next.type === "refuse") throw new SystemError("PAUSE_TOO_LONG", next.reason);
        if (next.type === "last") return await this.last(work, next.expectedPauseMs);
        if (next.type === "cut") await this.cut(work);
        else await this.fuzzy(work);
        this.assertGoing();
      }
    } finally {
      ram.close();
      shadow.close();
    }
  }

  /** A round read while the guest runs: it makes the rest smaller, and restores nothing. */
  private async fuzzy({ writer, disks, shadow, kernel, ram }: Work): Promise<void> {
    const { clock, guest } = this.ports;
    const startedMs = clock.nowMs();
    const full = this.ledger.rounds.length === 0;
    await disks.prepare(guest);
    this.ports.dispatch({ type: "chains", vmId: this.command.vmId, chains: disks.planned() });
    await disks.snapshot(guest);
    const { memoryBytes } = this.ports.definition;
    await writer.begin({ content: full ? "full" : "delta", kind: "fuzzy", memoryBytes });
    let changedBytes = 0;
    let scanMs = 0;
    for (let at = 0; at < memoryBytes; at += WINDOW_BYTES) {
      const length = Math.min(WINDOW_BYTES, memoryBytes - at);
      const beforeMs = clock.nowMs();
      const changes = shadow.collectWindow(ram.readInto, at, length, full ? "full" : "delta");
      scanMs += clock.nowMs() - beforeMs;
      for (const change of changes) {
        changedBytes += change.content.length;
        await writer.content("pages", shadow.encode(change));
      }
      this.ledger.at(full ? "full" : "round", at + length);
      await this.ports.breathe();
      this.assertGoing();
    }
    changedBytes += await this.sendExtents(writer, kernel, disks);
    await this.endEpoch(writer);
    this.ledger.note({ kind: "fuzzy", changedBytes, scanMs, startedMs });
  }

  /** A cut: RAM, disks and device state of one instant, encoded and sent once the guest goes on. */
  private async cut({ writer, disks, shadow, kernel, ram }: Work): Promise<void> {
    const { clock, guest, dispatch } = this.ports;
    const { vmId } = this.command;
    const startedMs = clock.nowMs();
    await disks.prepare(guest);
    dispatch({ type: "cut", vmId, chains: disks.planned() });
    crashPoint("agent-cut-journal", guest.identity.pid);
    this.assertGoing();
    const stoppedMs = clock.nowMs();
    await guest.pause();
    crashPoint("agent-cut-stopped", guest.identity.pid);
    await disks.snapshot(guest);
    const state = guest.migrateState();
    state.catch(() => {});
    const changes: WindowChange[] = [];
    const scan = await this.scan(shadow, ram, async (change) => void changes.push(change));
    const deviceState = await state;
    crashPoint("agent-cut-state", guest.identity.pid);
    this.assertGoing();
    await guest.resume();
    const fixedMs = clock.nowMs() - stoppedMs - scan.scanMs;
    dispatch({ type: "cut-over", vmId });
    crashPoint("agent-cut-continue", guest.identity.pid);
    const { memoryBytes } = this.ports.definition;
    await writer.begin({ content: "delta", kind: "cut", memoryBytes });
    for (const change of changes) await writer.content("pages", shadow.encode(change));
    const changedBytes = scan.bytes + (await this.sendExtents(writer, kernel, disks));
    for (const piece of encodeState(kernel, deviceState)) await writer.content("state", piece);
    await this.endEpoch(writer);
    dispatch({
      type: "epoch-acked",
      vmId,
      stream: this.command.stream,
      epoch: writer.epoch,
    });
    this.ledger.note({ kind: "cut", changedBytes, scanMs: scan.scanMs, fixedMs, startedMs });
  }

  /** The last epoch: the guest stays stopped, and everything is sent as it is found. */
  private async last(work: Work, expectedPauseMs: number): Promise<void> {
    const { writer, disks, shadow, kernel, ram } = work;
    const { clock, guest, dispatch } = this.ports;
    const { vmId, stream } = this.command;
    const { parts } = this.ledger;
    await disks.prepare(guest);
    dispatch({ type: "cut", vmId, chains: disks.planned() });
    this.assertGoing();
    this.ledger.at("last", 0, expectedPauseMs);
    const startedMs = clock.nowMs();
    this.ledger.pauseBegins();
    await guest.pause();
    await disks.snapshot(guest);
    parts.stop = clock.nowMs() - startedMs;
    crashPoint("agent-last-stopped", guest.identity.pid);
    const { memoryBytes } = this.ports.definition;
    const saved = guest.migrateState();
    // A failure before it is awaited is seen by whoever awaits it.
    saved.catch(() => {});
    await writer.begin({ content: "delta", kind: "last", memoryBytes });
    const scan = await this.scan(shadow, ram, async (change) => {
      const beforeMs = clock.nowMs();
      const payload = shadow.encode(change);
      const encodedMs = clock.nowMs();
      parts.encode += encodedMs - beforeMs;
      await writer.content("pages", payload);
      parts.send += clock.nowMs() - encodedMs;
    });
    parts.scan = scan.scanMs;
    const extentsMs = clock.nowMs();
    this.ledger.lastCarried(scan.bytes + (await this.sendExtents(writer, kernel, disks)));
    const deviceState = await saved;
    const stateMs = clock.nowMs();
    for (const piece of encodeState(kernel, deviceState)) await writer.content("state", piece);
    parts.state = stateMs - extentsMs;
    parts.encode += clock.nowMs() - stateMs;
    crashPoint("agent-last-sent", guest.identity.pid);
    const sentMs = clock.nowMs();
    const { applyMs } = await this.endEpoch(writer);
    parts.apply = applyMs;
    parts.send += Math.max(0, clock.nowMs() - sentMs - applyMs);
    crashPoint("agent-last-acked", guest.identity.pid);
    this.assertGoing();
    const ackedMs = clock.nowMs();
    dispatch({ type: "last-acked", vmId, stream, epoch: writer.epoch });
    parts.release = clock.nowMs() - ackedMs;
  }

  /** Compares all of RAM with the shadow; the time of `take` is not the scan's. */
  private async scan(
    shadow: Shadow,
    ram: RamFile,
    take: (change: WindowChange) => Promise<void>,
  ): Promise<{ bytes: number; scanMs: number }> {
    const { clock, definition } = this.ports;
    let bytes = 0;
    let scanMs = 0;
    for (let at = 0; at < definition.memoryBytes; at += WINDOW_BYTES) {
      const length = Math.min(WINDOW_BYTES, definition.memoryBytes - at);
      const beforeMs = clock.nowMs();
      const changes = shadow.collectWindow(ram.readInto, at, length, "delta");
      scanMs += clock.nowMs() - beforeMs;
      for (const change of changes) {
        bytes += change.content.length;
        if (bytes > STAGING_BYTES_MAX) throw tooMuch(bytes);
        await take(change);
      }
      // The device state arrives meanwhile, and its sender must not wait for the scan's end.
      if (at % (16 * WINDOW_BYTES) === 0) await this.ports.breathe();
    }
    return { bytes, scanMs };
  }

  private async sendExtents(writer: EpochWriter, kernel: Kernel, disks: DiskCuts): Promise<number> {
    let bytes = 0;
    for await (const extent of disks.extents()) {
      bytes += extent.bytes?.length ?? 0;
      await writer.content("extent", encodeExtent(kernel, extent));
      this.assertGoing();
    }
    return bytes;
  }

  private async endEpoch(writer: EpochWriter): Promise<EpochAck> {
    const { clock } = this.ports;
    const acked = new Promise<EpochAck>((resolve, reject) => {
      this.awaitAck = resolve;
      this.failAck = reject;
    });
    // A failure between here and the await below is seen by the await.
    acked.catch(() => {});
    const root = await writer.end();
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

interface Work {
  readonly writer: EpochWriter;
  readonly disks: DiskCuts;
  readonly shadow: Shadow;
  readonly kernel: Kernel;
  readonly ram: RamFile;
}

function tooMuch(bytes: number): SystemError {
  const mib = Math.floor(bytes / 1024 ** 2);
  return new SystemError(
    "PAUSE_TOO_LONG",
    `The guest changed over ${mib} MiB since the last round`,
  );
}
