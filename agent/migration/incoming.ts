/**
 * A move into this host: frames in, RAM and disks written, epochs applied whole, device state given
 * to the waiting QEMU. Whether the guest may run is decided by the authority core alone.
 */
import { decodePages } from "../../epochs/delta.ts";
import { decodeExtent, decodeStatePiece, type StatePiece } from "../../epochs/extent.ts";
import type { Kernel } from "../../epochs/kernel.ts";
import {
  type Effect,
  type Receiving,
  startReceiving,
  step,
  stopReceiving,
} from "../../epochs/receiver.ts";
import type { Prepare } from "../../protocol/authority.ts";
import type { EpochBegin } from "../../protocol/epoch.ts";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import { encodeFrame, type FrameKind, parseFrame } from "../../protocol/frame.ts";
import type { StreamId } from "../../protocol/ids.ts";
import type { Clock } from "../../runtime/clock.ts";
import { crashPoint } from "../../runtime/crash-point.ts";
import type { DataLink, DataReceiver } from "../../runtime/data-link.ts";
import type { Log } from "../../runtime/log.ts";
import type { Event } from "../authority/state.ts";
import type { FlatImage } from "../capture/disk-flat.ts";
import { RamFile } from "../capture/ram.ts";
import type { Guest } from "../qemu/guest.ts";
import { Aside, type AsideKind } from "./aside.ts";
import { CREDIT_BYTES_FIRST } from "./epoch-writer.ts";

/** Room is given back to the source in steps of this. */
const CREDIT_STEP_BYTES = 1024 * 1024;
/** Credit counts payloads: headers, and the records that need none, make the frames longer. */
const QUEUED_BYTES_MAX = 8 * CREDIT_BYTES_FIRST;

export interface IncomingPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly guest: Guest;
  readonly kernel: Kernel;
  readonly ramPath: string;
  /** In the definition's order; closed by the stream. */
  readonly disks: readonly FlatImage[];
  readonly dispatch: (event: Event) => void;
}

/** One stream's receiving end. Frames are worked off one at a time, in their order. */
export class IncomingStream implements DataReceiver {
  private readonly prepare: Prepare;
  private readonly ports: IncomingPorts;
  private readonly ram: RamFile;
  private readonly aside: Aside;
  private state: Receiving;
  private link: DataLink | undefined;
  private work: Promise<void> = Promise.resolve();
  private queuedBytes = 0;
  private ended = false;
  private failed = false;
  /** Of the newest cut; undefined while RAM and disks are not those of a cut. */
  private deviceState: Buffer | undefined;
  private stateBytes = 0;
  private owedCredit = 0;
  private applyMs = 0;
  private root = "";
  private wholeKind: EpochBegin["kind"] | undefined;
  private releasedAtMs: number | undefined;

  /** @throws SystemError FILE_FAILED, NO_SPACE; the disks are then still the caller's */
  constructor(prepare: Prepare, ports: IncomingPorts) {
    this.prepare = prepare;
    this.ports = ports;
    this.aside = new Aside(`${ports.ramPath}.aside`);
    try {
      this.ram = new RamFile(ports.ramPath, "write");
    } catch (thrown) {
      this.aside.close();
      throw thrown;
    }
    const { vmId, term, stream, definition } = prepare;
    this.state = startReceiving({ vmId, term, stream, memoryBytes: definition.memoryBytes });
  }

  get stream(): StreamId {
    return this.prepare.stream;
  }

  /** The source has proven the stream's token. */
  accept(link: DataLink): DataReceiver {
    this.link = link;
    return this;
  }

  onFrame(bytes: Uint8Array): void {
    if (this.failed || this.ended) return;
    this.queuedBytes += bytes.length;
    if (this.queuedBytes > QUEUED_BYTES_MAX) {
      return this.fail(new SystemError("LINK_OVERFLOW", "The source sends more than it may"));
    }
    this.work = this.work
      .then(async () => {
        await this.take(bytes);
        this.queuedBytes -= bytes.length;
      })
      .catch((thrown) => this.fail(thrown));
  }

  onClose(reason: string): void {
    this.link = undefined;
    // What came before the end is worked off first: it may have been RELEASED.
    this.work = this.work.then(() => this.ports.log.info("Data link ended", { reason }));
  }

  /** Epoch `epoch` is applied whole: the source hears it. */
  sendAck(epoch: number): void {
    this.send("ack", epoch, { root: this.root, applyMs: this.applyMs });
    const point = this.wholeKind === "last" ? "agent-target-last-acked" : "agent-target-acked";
    crashPoint(point, this.ports.guest.identity.pid);
  }

  /** The guest runs here. RELEASED may have come by the coordinator: then its time is not known. */
  sendActive(): void {
    const { releasedAtMs } = this;
    const activateMs = releasedAtMs === undefined ? 0 : this.ports.clock.nowMs() - releasedAtMs;
    this.send("active", this.state.nextEpoch - 1, { activateMs });
  }

  /** Gives the newest epoch's device state to the guest's process. */
  load(epoch: number): void {
    // Not the last epoch: the guest has died, and what its source still sends must not follow.
    if (!this.state.lastSeen) this.state = stopReceiving(this.state);
    this.work = this.work
      .then(async () => {
        const { clock, guest, dispatch } = this.ports;
        const startedMs = clock.nowMs();
        if (this.deviceState === undefined) {
          throw new SystemError("STREAM_FAILED", "No whole cut is here to resume from");
        }
        await guest.loadState(this.deviceState);
        this.applyMs += clock.nowMs() - startedMs;
        crashPoint("agent-target-loaded", guest.identity.pid);
        dispatch({ type: "epoch-loaded", vmId: this.prepare.vmId, stream: this.stream, epoch });
      })
      .catch((thrown) => this.fail(thrown));
  }

  /** Ends the stream. The guest's process and files are the caller's. */
  async end(reason: string): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    this.send("abort", 0, { code: "STREAM_FAILED", reason });
    await this.close();
  }

  /** The guest runs: disks become durable, and everything that is not needed any more goes. */
  async finish(): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    try {
      await this.work;
      for (const disk of this.ports.disks) await disk.flush();
    } finally {
      await this.close();
    }
  }

  private async close(): Promise<void> {
    this.link?.close();
    await this.work;
    this.aside.close();
    this.ram.close();
    for (const disk of this.ports.disks) await disk.close();
  }

  private async take(bytes: Uint8Array): Promise<void> {
    if (this.ended || this.failed) return;
    const frame = parseFrame(bytes);
    const [state, effects] = step(this.state, frame);
    this.state = state;
    for (const effect of effects) await this.perform(effect);
    this.giveCredit(frame.payload.length);
  }

  private async perform(effect: Effect): Promise<void> {
    const { vmId, stream } = this.prepare;
    switch (effect.type) {
      case "begin":
        this.aside.clear();
        crashPoint("agent-target-begin", this.ports.guest.identity.pid);
        return;
      case "content":
        if (effect.aside) this.aside.add(effect.kind, effect.payload);
        else await this.apply(effect.kind, effect.payload, true);
        return;
      case "complete":
        return this.complete(effect);
      case "released": {
        this.releasedAtMs = this.ports.clock.nowMs();
        const { reason, epoch, term: toTerm } = effect;
        // The source's own term is not in the frame; the core knows the stream by its id.
        const term = Math.max(0, toTerm - 1);
        this.ports.dispatch({ type: "released", vmId, term, toTerm, stream, reason, epoch });
        return;
      }
      case "ended":
        throw new SystemError("STREAM_FAILED", effect.reason);
    }
  }

  /** The epoch is whole and verified: now, and only now, it changes RAM and disks. */
  private async complete(effect: Extract<Effect, { type: "complete" }>): Promise<void> {
    const { clock, dispatch, guest, disks } = this.ports;
    const startedMs = clock.nowMs();
    // From the first byte on, the cut before can no more be resumed from.
    this.deviceState = undefined;
    this.stateBytes = 0;
    for (const { kind, payload } of this.aside.entries()) await this.apply(kind, payload, false);
    this.assertStateWhole();
    this.aside.clear();
    // Before the last epoch there is time to make the disks durable; after it they are flushed
    // once the guest runs, and the source is kept until then.
    if (effect.kind !== "last") for (const disk of disks) await disk.flush();
    this.applyMs = clock.nowMs() - startedMs;
    this.root = effect.root;
    this.wholeKind = effect.kind;
    crashPoint("agent-target-applied", guest.identity.pid);
    const { vmId, stream } = this.prepare;
    const { epoch, kind } = effect;
    dispatch({ type: "epoch-complete", vmId, stream, epoch, kind });
  }

  private async apply(kind: AsideKind, payload: Uint8Array, fresh: boolean): Promise<void> {
    const { kernel, disks } = this.ports;
    switch (kind) {
      case "pages":
        return this.applyPages(payload, fresh);
      case "extent": {
        const sizes = disks.map((disk) => disk.sizeBytes);
        const { disk, offset, length, bytes } = decodeExtent(kernel, payload, sizes);
        const image = disks[disk];
        if (bytes !== undefined) await image?.writeExtent(offset, bytes);
        else if (!fresh) await image?.zeroExtent(offset, length);
        return;
      }
      case "state":
        return this.takeState(decodeStatePiece(kernel, payload));
    }
  }

  /**
   * Differences are to the pages of the RAM file as the source's shadow has them: those of all
   * epochs before, each applied whole and in its order, with nobody else writing. Every payload
   * proves it (BASE_DIFFERS), and what it comes to does not change if it is applied again.
   */
  private applyPages(payload: Uint8Array, fresh: boolean): void {
    const { kernel } = this.ports;
    const { memoryBytes } = this.prepare.definition;
    decodePages(kernel, payload, memoryBytes, this.ram.readInto, (run) => {
      // A new RAM file is zeros already.
      if (!fresh || run.bytes !== "zero") this.ram.write(run);
    });
  }

  /** Pieces come in their order, and none is missing. */
  private takeState({ offset, totalBytes, bytes }: StatePiece): void {
    if (offset === 0) {
      this.deviceState = Buffer.alloc(totalBytes);
      this.stateBytes = 0;
    }
    if (this.deviceState?.length !== totalBytes || offset !== this.stateBytes) {
      throw new SystemError("FRAME_CORRUPT", "Pieces of different device states");
    }
    this.deviceState.set(bytes, offset);
    this.stateBytes += bytes.length;
  }

  private assertStateWhole(): void {
    if ((this.deviceState?.length ?? 0) === this.stateBytes) return;
    throw new SystemError("FRAME_CORRUPT", "The device state is not whole");
  }

  private giveCredit(bytes: number): void {
    this.owedCredit += bytes;
    if (this.owedCredit < CREDIT_STEP_BYTES) return;
    this.send("credit", 0, { bytes: this.owedCredit });
    this.owedCredit = 0;
  }

  private send(kind: FrameKind, epoch: number, record: object): void {
    const { vmId, term, stream } = this.prepare;
    const header = { kind, vmId, term, stream, epoch, sequence: 0, rawBytes: 0 };
    try {
      this.link?.send(encodeFrame(header, Buffer.from(JSON.stringify(record))));
    } catch (thrown) {
      this.ports.log.info("The source does not hear this", { kind, reason: reasonOf(thrown) });
    }
  }

  private fail(thrown: unknown): void {
    if (this.ended || this.failed) return;
    // What is still queued is of no use, and must not be taken for a part of the stream.
    this.failed = true;
    const reason = reasonOf(thrown);
    this.ports.log.warn("Receiving failed", { vmId: this.prepare.vmId, reason });
    const { vmId, stream } = this.prepare;
    this.ports.dispatch({ type: "incoming-failed", vmId, stream, reason });
  }
}
