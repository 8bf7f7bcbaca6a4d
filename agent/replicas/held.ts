/**
 * One replica that this host holds: its store, the link that fills it, and what is told of it.
 *
 * Rule 1: an epoch is acknowledged once the store has it whole; what the store refuses ends the
 *         link with its reason, and the next link says where the stream goes on.
 * Rule 2: one live link: a newer one that has proven the stream's token takes the place of the
 *         older.
 * Rule 3: what may wait (folding, reading again) is done in turns, when no frame waits.
 */
import type { Kernel } from "../../epochs/kernel.ts";
import { LOG_EPOCHS_MAX } from "../../epochs/replica/manifest.ts";
import type { Replica, Taken } from "../../epochs/replica/replica.ts";
import type { FrozenDefinition } from "../../protocol/definition.ts";
import { NO_PARENT } from "../../protocol/epoch.ts";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import type { Frame, FrameKind } from "../../protocol/frame.ts";
import type { StreamId, Term, VmId } from "../../protocol/ids.ts";
import type { Activation, ReplicaStatus, RestorePoint } from "../../protocol/replication.ts";
import type { Clock } from "../../runtime/clock.ts";
import { crashPoint } from "../../runtime/crash-point.ts";
import type { DataLink, DataReceiver, DataServer } from "../../runtime/data-link.ts";
import type { Log } from "../../runtime/log.ts";
import type { DurableReplica, Event, ReplicaFound } from "../authority/state.ts";
import { dropFolder } from "./folders.ts";
import { type OpeningPorts, openStore } from "./opening.ts";
import type { Pulses } from "./pulses.ts";
import { ReplicaLink } from "./replica-link.ts";

/** From here on an epoch is folded before the next is begun, also when frames wait. */
const LOG_EPOCHS_HIGH = LOG_EPOCHS_MAX / 3;
/** MiB read again in a turn of `idle`, of which there is one a second. */
const SCRUB_CHUNKS = 1;

export interface HeldPorts extends OpeningPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly pulses: Pulses;
  readonly dataServer: Pick<DataServer, "offer" | "withdraw">;
  /** What the primary is told to dial. */
  readonly dataAddress: string;
  readonly dispatch: (event: Event) => void;
  /** It has a newer cut. */
  readonly onCut: (held: HeldReplica) => void;
}

/** Who hears of a replica's epochs while the VM is about to run here by a planned swap. */
export interface SwapListener {
  /** A whole epoch; the last one is not acknowledged by the replica. */
  whole(taken: Extract<Taken, { type: "whole" }>, applyMs: number): void;
  released(taken: Extract<Taken, { type: "released" }>): void;
}

interface Point extends RestorePoint {
  /** A moment of this host's clock that is not after the cut; undefined: none is known. */
  readonly atMs: number | undefined;
}

export class HeldReplica {
  readonly vmId: VmId;
  readonly stream: StreamId;
  readonly term: Term;
  readonly definition: FrozenDefinition;
  /** From this epoch on nothing is folded, but for want of room: a standby is behind it. */
  keepFrom: number | undefined;
  swap: SwapListener | undefined;
  private readonly durable: DurableReplica;
  private readonly ports: HeldPorts;
  private replica: Replica | undefined;
  private link: ReplicaLink | undefined;
  private found: ReplicaFound = { state: "opening", settled: 0 };
  private point: Point | undefined;
  /** Seals, and the end, wait for the opening. */
  private work: Promise<void>;
  private closed = false;
  /** Something is to be told that was not told yet. */
  private fresh = true;
  private scrubAt = 0;
  private standby: Pick<ReplicaStatus, "standby" | "coldReason"> = { standby: "cold" };
  private activation: Activation | undefined;

  /** Opens the store, or makes it; what comes of it is dispatched. */
  constructor(durable: DurableReplica, definition: FrozenDefinition, ports: HeldPorts) {
    this.durable = durable;
    this.vmId = definition.id;
    this.stream = durable.stream;
    this.term = durable.term;
    this.definition = definition;
    this.ports = ports;
    this.work = this.open();
  }

  get kernel(): Kernel {
    return this.ports.kernel;
  }

  /** The newest cut. */
  get newest(): RestorePoint | undefined {
    return this.point;
  }

  get isSound(): boolean {
    return this.replica !== undefined && this.found.state === "ready";
  }

  /** @throws SystemError REPLICA_BROKEN: it could not be opened */
  store(): Replica {
    if (this.replica !== undefined) return this.replica;
    throw new SystemError("REPLICA_BROKEN", "The replica is not open");
  }

  /** To the primary, if its link is up. */
  say(kind: FrameKind, epoch: number, record: object): void {
    this.link?.send(kind, epoch, record);
  }

  /** Whether a standby is at its newest cut, or why there is none. */
  warmed(warm: boolean, coldReason?: string): void {
    if (warm) this.standby = { standby: "warm" };
    else this.standby = { standby: "cold", ...(coldReason === undefined ? {} : { coldReason }) };
    this.fresh = true;
  }

  /** A guest was brought up from it: told once. */
  activated(activation: Activation): void {
    this.activation = activation;
    this.fresh = true;
  }

  /** Takes no frame any more, in this life of the agent. */
  async stop(reason: string): Promise<void> {
    await this.afterwards(() => this.endLink("LINK_CLOSED", reason));
  }

  /** Nothing of a term below `term` is taken any more; then it says what it holds. */
  async seal(term: Term): Promise<void> {
    await this.afterwards(async () => {
      if (this.term < term) await this.endLink("TERM_STALE", `Sealed by term ${term}`);
      await this.settle(term);
    });
  }

  /** Gives the files back; a new life of the agent opens them again. */
  async close(): Promise<void> {
    await this.afterwards(async () => {
      this.closed = true;
      await this.endLink("LINK_CLOSED", "The secondary's agent stops");
      await this.replica?.close();
      this.replica = undefined;
    });
  }

  /** It is of no use any more: its files go. */
  async drop(): Promise<void> {
    await this.close();
    await dropFolder(this.ports.folder);
  }

  /** How fresh it is; undefined when there is nothing new to tell. */
  status(): Omit<ReplicaStatus, "type" | "hostId"> | undefined {
    if (this.replica === undefined || (this.link === undefined && !this.fresh)) return undefined;
    this.fresh = false;
    const { diskBytes, logBytes, memoryBytes } = this.replica.status();
    const { point, vmId, stream, standby, definition } = this;
    const ram = standby.standby === "warm" ? definition.memoryBytes : 0;
    const sizes = { diskBytes, logBytes, memoryBytes: memoryBytes + ram };
    const activation = this.activation === undefined ? {} : { activation: this.activation };
    this.activation = undefined;
    const lagMs = point?.atMs === undefined ? {} : { lagMs: this.ports.clock.nowMs() - point.atMs };
    const newest =
      point === undefined ? {} : { newest: { epoch: point.epoch, cut: point.cut }, ...lagMs };
    return { vmId, stream, ...standby, ...newest, ...sizes, ...activation };
  }

  /** A turn of what may wait; called about once a second. */
  async idle(): Promise<void> {
    const { replica, link } = this;
    if (replica === undefined || this.found.state !== "ready" || link?.idle === false) return;
    await this.guarded(async () => {
      if (await this.fold(replica)) return;
      const { damages, next } = await replica.scrub(this.scrubAt, SCRUB_CHUNKS);
      if (next === undefined && this.scrubAt > 0) {
        this.ports.log.debug("Replica read again", { vmId: this.vmId, stream: this.stream });
      }
      this.scrubAt = next ?? 0;
      if (damages.length > 0) this.tellBroken();
    });
  }

  private async open(): Promise<void> {
    const { ports, definition, durable } = this;
    try {
      this.replica = await openStore(durable, definition, ports);
      this.newestOf(this.replica);
      const { sealed, broken } = this.replica.status();
      if (broken !== undefined) return this.tellBroken();
      if (sealed < durable.sealed) await this.settle(durable.sealed);
      else this.tell({ state: "ready", address: ports.dataAddress, settled: sealed });
      if (Math.max(sealed, durable.sealed) <= durable.term) {
        ports.dataServer.offer(durable.token, (link) => this.accept(link), true);
      }
    } catch (thrown) {
      const reason = reasonOf(thrown).slice(0, 1_000);
      ports.log.error("Cannot keep a replica", { vmId: this.vmId, stream: this.stream, reason });
      this.tell({ state: "broken", settled: durable.sealed, reason });
    }
  }

  /** The primary has proven the stream's token. */
  private accept(dataLink: DataLink): DataReceiver {
    const { clock, log, pulses } = this.ports;
    const { vmId, term, stream } = this;
    const former = this.link;
    former?.end("LINK_CLOSED", "Another link of this stream takes its place");
    const link: ReplicaLink = new ReplicaLink(dataLink, former?.finished() ?? Promise.resolve(), {
      clock,
      log,
      pulses,
      identity: { vmId, term, stream },
      resume: () => this.resume(),
      take: (frame) => this.take(link, frame),
      over: (reason, thrown) => {
        if (this.link === link) this.link = undefined;
        this.fresh = true;
        log.info("Link of a replica ended", { vmId, stream, reason });
        if (thrown !== undefined) this.lookBroken();
      },
    });
    this.link = link;
    return link;
  }

  private async resume(): Promise<{ epoch: number; root: string }> {
    return (await this.store().resume()) ?? { epoch: -1, root: NO_PARENT };
  }

  private async take(link: ReplicaLink, frame: Frame): Promise<void> {
    const replica = this.store();
    if (frame.kind === "begin") await this.makeRoom(replica);
    const startedMs = this.ports.clock.nowMs();
    const taken = await replica.take(frame);
    switch (taken.type) {
      case "taken":
        return;
      case "whole":
        return this.whole(link, taken, this.ports.clock.nowMs() - startedMs);
      case "released":
        return this.swap?.released(taken);
      case "ended":
        throw new SystemError("STREAM_FAILED", taken.reason);
    }
  }

  private async whole(
    link: ReplicaLink,
    taken: Extract<Taken, { type: "whole" }>,
    applyMs: number,
  ): Promise<void> {
    const { epoch, kind, root, cut, pulse } = taken;
    if (kind !== "last" || this.swap === undefined) {
      link.send("ack", epoch, { root, applyMs });
      crashPoint("agent-replica-acked");
    }
    this.fresh = true;
    if (kind !== "fuzzy" && cut !== undefined) {
      const first = this.point === undefined;
      const atMs = pulse === undefined ? undefined : this.ports.pulses.atMs(pulse);
      this.point = { epoch, cut, atMs };
      if (first) this.tell({});
      this.ports.onCut(this);
    }
    this.swap?.whole(taken, applyMs);
    const { replica } = this;
    if (!link.idle || replica === undefined || this.swap !== undefined) return;
    await this.guarded(async () => void (await this.fold(replica)));
  }

  /** Folds one epoch, unless a standby needs it. */
  private async fold(replica: Replica): Promise<boolean> {
    const { foldable } = replica.status();
    if (foldable === undefined || foldable >= (this.keepFrom ?? foldable + 1)) return false;
    return (await replica.fold()) !== undefined;
  }

  /** So that the epoch that begins finds the log not full; a standby is given up for that. */
  private async makeRoom(replica: Replica): Promise<void> {
    for (;;) {
      const { epochs, logBytes, logBytesMax } = replica.status();
      if (epochs < LOG_EPOCHS_HIGH && logBytes < logBytesMax / 2) return;
      if (await this.fold(replica)) continue;
      if (epochs < LOG_EPOCHS_MAX && logBytes < (logBytesMax * 3) / 4) return;
      if ((await replica.fold()) === undefined) return;
    }
  }

  /** The seal is durable in the journal already: from here on it is in the store too. */
  private async settle(term: Term): Promise<void> {
    const { replica, ports } = this;
    if (replica === undefined) return this.tell({ settled: term });
    await this.guarded(async () => void (await replica.seal(term)));
    crashPoint("agent-replica-sealed");
    this.newestOf(replica);
    const { broken } = replica.status();
    if (broken !== undefined) return this.tellBroken(term);
    this.tell({ state: "ready", address: ports.dataAddress, settled: term });
  }

  private newestOf(replica: Replica): void {
    const { newestPoint } = replica.status();
    if (newestPoint === undefined || newestPoint.epoch === this.point?.epoch) return;
    this.point = { ...newestPoint, atMs: undefined };
  }

  private async endLink(code: "TERM_STALE" | "LINK_CLOSED", reason: string): Promise<void> {
    this.ports.dataServer.withdraw(this.durable.token);
    const { link } = this;
    link?.end(code, reason);
    await link?.finished();
  }

  /** What fails in passing is told by the log; what breaks the replica is told to everybody. */
  private async guarded(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (thrown) {
      if (!(thrown instanceof SystemError)) throw thrown;
      const { vmId, stream } = this;
      this.ports.log.warn("Work on a replica failed", { vmId, stream, reason: reasonOf(thrown) });
      this.lookBroken();
    }
  }

  private lookBroken(): void {
    if (this.replica?.status().broken !== undefined) this.tellBroken();
  }

  private tellBroken(settled = this.found.settled): void {
    if (this.found.state === "broken" && this.found.settled === settled) return;
    const reason = (this.replica?.status().broken ?? "It is damaged").slice(0, 1_000);
    this.ports.log.error("A replica is broken", { vmId: this.vmId, stream: this.stream, reason });
    this.tell({ state: "broken", settled, reason });
  }

  private tell(patch: Partial<ReplicaFound>): void {
    if (this.closed) return;
    const { point, vmId, stream } = this;
    const newest = point === undefined ? {} : { newest: { epoch: point.epoch, cut: point.cut } };
    this.found = { ...this.found, ...newest, ...patch };
    this.fresh = true;
    this.ports.dispatch({ type: "replica-found", vmId, stream, found: this.found });
  }

  private async afterwards(task: () => Promise<void>): Promise<void> {
    const after = this.work.then(task);
    this.work = after.catch(() => undefined);
    await after;
  }
}
