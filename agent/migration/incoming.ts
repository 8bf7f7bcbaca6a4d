/**
 * A move into this host: frames in, RAM and disks written, epochs applied whole, device state given
 * to the waiting QEMU. Whether the guest may run is decided by the authority core alone.
 */
import { closeSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { decodePages } from "../../epochs/delta.ts";
import { decodeExtent, decodeStatePiece } from "../../epochs/extent.ts";
import type { Kernel } from "../../epochs/kernel.ts";
import { type Effect, type Receiving, startReceiving, step } from "../../epochs/receiver.ts";
import type { Prepare } from "../../protocol/authority.ts";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import { encodeFrame, type FrameKind, parseFrame } from "../../protocol/frame.ts";
import type { StreamId } from "../../protocol/ids.ts";
import type { Clock } from "../../runtime/clock.ts";
import { crashPoint } from "../../runtime/crash-point.ts";
import type { DataLink, DataReceiver } from "../../runtime/data-link.ts";
import type { Log } from "../../runtime/log.ts";
import type { Event } from "../authority/state.ts";
import type { FlatImage } from "../capture/disk-flat.ts";
import type { RamFile } from "../capture/ram.ts";
import type { Guest } from "../qemu/guest.ts";

/** Room is given back to the source in steps of this. */
const CREDIT_STEP_BYTES = 1024 * 1024;

export interface IncomingPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly guest: Guest;
  readonly kernel: Kernel;
  readonly ram: RamFile;
  /** In the definition's order. */
  readonly disks: readonly FlatImage[];
  /** A file in tmpfs for deltas that are not whole yet. */
  readonly asidePath: string;
  readonly dispatch: (event: Event) => void;
}

interface Aside {
  readonly kind: "pages" | "extent" | "state";
  readonly offset: number;
  readonly length: number;
}

/** One stream's receiving end. Frames are worked off one at a time, in their order. */
export class IncomingStream implements DataReceiver {
  private readonly prepare: Prepare;
  private readonly ports: IncomingPorts;
  private readonly aside: number;
  private state: Receiving;
  private link: DataLink | undefined;
  private work: Promise<void> = Promise.resolve();
  private ended = false;
  private asideBytes = 0;
  private asides: Aside[] = [];
  private deviceState: Buffer | undefined;
  private owedCredit = 0;
  private applyMs = 0;
  private root = "";
  private releasedAtMs = 0;

  constructor(prepare: Prepare, ports: IncomingPorts) {
    this.prepare = prepare;
    this.ports = ports;
    this.aside = openSync(ports.asidePath, "w+", 0o600);
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
    this.work = this.work.then(() => this.take(bytes)).catch((thrown) => this.fail(thrown));
  }

  onClose(reason: string): void {
    this.link = undefined;
    // What came before the end is worked off first: it may have been RELEASED.
    this.work = this.work.then(() => this.ports.log.info("Data link ended", { reason }));
  }

  /** Epoch `epoch` is applied whole: the source hears it. */
  sendAck(epoch: number): void {
    this.send("ack", epoch, { root: this.root, applyMs: this.applyMs });
    crashPoint("agent-target-acked", this.ports.guest.identity.pid);
  }

  sendActive(epoch: number): void {
    const activateMs = Math.max(0, this.ports.clock.nowMs() - this.releasedAtMs);
    this.send("active", epoch, { activateMs });
  }

  /** Gives the newest epoch's device state to the guest's process. */
  load(epoch: number): void {
    this.work = this.work
      .then(async () => {
        const { clock, guest, dispatch } = this.ports;
        const startedMs = clock.nowMs();
        if (this.deviceState === undefined) {
          throw new SystemError("STREAM_FAILED", "No device state to load");
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
    this.link?.close();
    await this.work;
    await this.close();
  }

  /** The guest runs: disks become durable, and everything that is not needed any more goes. */
  async finish(): Promise<void> {
    this.ended = true;
    await this.work;
    for (const disk of this.ports.disks) await disk.flush();
    await this.close();
  }

  private async close(): Promise<void> {
    closeSync(this.aside);
    this.ports.ram.close();
    for (const disk of this.ports.disks) await disk.close();
  }

  private async take(bytes: Uint8Array): Promise<void> {
    if (this.ended) return;
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
        this.asideBytes = 0;
        this.asides = [];
        ftruncateSync(this.aside, 0);
        crashPoint("agent-target-begin", this.ports.guest.identity.pid);
        return;
      case "content":
        if (effect.aside) this.setAside(effect.kind, effect.payload);
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

  private setAside(kind: Aside["kind"], payload: Uint8Array): void {
    this.asides.push({ kind, offset: this.asideBytes, length: payload.length });
    writeSync(this.aside, payload, 0, payload.length, this.asideBytes);
    this.asideBytes += payload.length;
  }

  /** The epoch is whole and verified: now, and only now, it changes RAM and disks. */
  private async complete(effect: Extract<Effect, { type: "complete" }>): Promise<void> {
    const { clock, dispatch, guest, disks } = this.ports;
    const startedMs = clock.nowMs();
    for (const { kind, offset, length } of this.asides) {
      const payload = Buffer.allocUnsafe(length);
      readSync(this.aside, payload, 0, length, offset);
      await this.apply(kind, payload, false);
    }
    // Before the last epoch there is time to make the disks durable; after it they are flushed
    // once the guest runs, and the source is kept until then.
    if (effect.kind !== "last") for (const disk of disks) await disk.flush();
    this.applyMs = clock.nowMs() - startedMs;
    this.root = effect.root;
    crashPoint("agent-target-applied", guest.identity.pid);
    const { vmId, stream } = this.prepare;
    const { epoch, kind } = effect;
    dispatch({ type: "epoch-complete", vmId, stream, epoch, kind });
  }

  private async apply(kind: Aside["kind"], payload: Uint8Array, fresh: boolean): Promise<void> {
    const { kernel, ram, disks } = this.ports;
    switch (kind) {
      case "pages":
        decodePages(kernel, payload, this.prepare.definition.memoryBytes, (run) => {
          // A new RAM file is zeros already.
          if (!fresh || run.bytes !== "zero") ram.write(run);
        });
        return;
      case "extent": {
        const sizes = disks.map((disk) => disk.sizeBytes);
        const { disk, offset, length, bytes } = decodeExtent(kernel, payload, sizes);
        const image = disks[disk];
        if (bytes !== undefined) await image?.writeExtent(offset, bytes);
        else if (!fresh) await image?.zeroExtent(offset, length);
        return;
      }
      case "state": {
        const { offset, totalBytes, bytes } = decodeStatePiece(kernel, payload);
        if (offset === 0) this.deviceState = Buffer.alloc(totalBytes);
        if (this.deviceState?.length !== totalBytes) {
          throw new SystemError("FRAME_CORRUPT", "Pieces of different device states");
        }
        this.deviceState.set(bytes, offset);
        return;
      }
    }
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
    if (this.ended) return;
    const reason = reasonOf(thrown);
    this.ports.log.warn("Receiving failed", { vmId: this.prepare.vmId, reason });
    const { vmId, stream } = this.prepare;
    this.ports.dispatch({ type: "incoming-failed", vmId, stream, reason });
  }
}
