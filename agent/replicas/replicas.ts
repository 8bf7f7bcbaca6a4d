/**
 * The replicas of this host. Mechanism only: each is held, sealed and dropped by the authority
 * core's effects, and what it comes to is the core's event.
 * @module
 */
import { join } from "node:path";
import { Kernel } from "../../epochs/kernel.ts";
import type { Prepare } from "../../protocol/authority.ts";
import type { FrozenDefinition } from "../../protocol/definition.ts";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import type { HostId, StreamId, Term, VmId } from "../../protocol/ids.ts";
import type { RestorePoint } from "../../protocol/replication.ts";
import type { Timer } from "../../runtime/clock.ts";
import type { Chains, DurableVm, Effect, Event } from "../authority/state.ts";
import type { DrillSource } from "../drills/drill.ts";
import { assertRoom } from "../room.ts";
import type { StreamPorts } from "../streams.ts";
import { replicaFolder, sweepFolders } from "./folders.ts";
import { HeldReplica } from "./held.ts";
import { Pulses } from "./pulses.ts";
import { Standbys } from "./standbys.ts";
import { Swap } from "./swap.ts";

/** How often the coordinator is told how fresh a replica is, while its link is up. */
const STATUS_MS = 1_000;
/** Left free on the disk when a replica is begun. */
const DISK_FREE_BYTES_MIN = 64 * 1024 * 1024;

export interface ReplicasPorts extends StreamPorts {
  readonly hostId: HostId;
  /** Replicas are below it, in `replicas`. */
  readonly stateFolder: string;
}

/** The agent's order of work on one VM, and what may be done with it. */
export interface Lanes {
  readonly onLane: (vmId: VmId, work: () => Promise<void>) => void;
  /** Nothing of the VM may run here. */
  readonly isSpare: (vmId: VmId) => boolean;
}

type Of<Type extends Effect["type"]> = Extract<Effect, { type: Type }>;

export class Replicas {
  private readonly ports: ReplicasPorts;
  private readonly dispatch: (event: Event) => void;
  private readonly root: string;
  private readonly held = new Map<StreamId, HeldReplica>();
  private readonly turning = new Set<HeldReplica>();
  private readonly pulses: Pulses;
  private readonly standbys: Standbys;
  private readonly swaps = new Map<VmId, Swap>();
  private readonly lanes: Lanes;
  private tick: Timer | undefined;

  constructor(ports: ReplicasPorts, lanes: Lanes, dispatch: (event: Event) => void) {
    const { clock, log, hypervisor, dataAddress } = ports;
    this.ports = ports;
    this.lanes = lanes;
    this.dispatch = dispatch;
    this.root = join(ports.stateFolder, "replicas");
    this.pulses = new Pulses(ports.random.fraction());
    const room = (definition: FrozenDefinition): Promise<void> => assertRoom(definition, ports);
    const rest = { ...lanes, assertRoom: room, dataAddress, dispatch };
    this.standbys = new Standbys({ clock, log, hypervisor, ...rest });
  }

  /** At the start of a life: what no record names goes. */
  async sweep(vms: readonly DurableVm[]): Promise<void> {
    await sweepFolders(this.root, vms);
  }

  /** Takes the frames of this stream from now on; nothing new if it does already. */
  hold({ vmId, replica, definition }: Of<"hold-replica">): void {
    if (this.held.has(replica.stream)) return;
    const { clock, log, dataServer, dataAddress, module } = this.ports;
    const one = new HeldReplica(replica, definition, {
      clock,
      log,
      kernel: new Kernel(module),
      pulses: this.pulses,
      dataServer,
      dataAddress,
      folder: replicaFolder(this.root, vmId, replica.stream),
      assertDisk: (needs) => this.assertDisk(needs),
      dispatch: this.dispatch,
      onCut: (held) => this.standbys.keepWarm(held),
    });
    this.held.set(replica.stream, one);
    this.tick ??= clock.every(STATUS_MS, () => this.turn());
  }

  async seal(vmId: VmId, term: Term): Promise<void> {
    await Promise.all(this.of(vmId).map((one) => one.seal(term)));
  }

  async drop(stream: StreamId): Promise<void> {
    const one = this.held.get(stream);
    this.held.delete(stream);
    if (one === undefined) return;
    await this.standbys.discardOf(one);
    await one.drop();
  }

  /**
   * What a drill boots: the newest restore point. Frames wait while it is read.
   * @throws SystemError STATE_CONFLICT: no such replica, or nothing of it can be restored
   */
  source(stream: StreamId): DrillSource & { readonly point: RestorePoint } {
    const held = this.held.get(stream);
    const point = held?.newest;
    if (held === undefined || point === undefined) {
      throw new SystemError("STATE_CONFLICT", "No replica that can be restored is kept here");
    }
    const { definition } = held;
    const restore: DrillSource["restore"] = (write) => held.store().restore(point.epoch, { write });
    return { definition, point: { epoch: point.epoch, cut: point.cut }, restore };
  }

  /** The guest of this replica, from the grant to `run`, which lets it go. On the VM's lane. */
  async restore(
    effect: Of<"restore-guest">,
    askedAtMs: number,
    run: (chains: Chains) => Promise<void>,
  ): Promise<void> {
    const { clock, log } = this.ports;
    const { vmId, promotion } = effect;
    const waitMs = clock.nowMs() - askedAtMs;
    const held = this.heldOf(promotion.stream);
    const [chains, parts] = await this.standbys.restore(held, effect);
    const restoredAtMs = clock.nowMs();
    await run(chains);
    const endedAtMs = clock.nowMs();
    const continueMs = endedAtMs - restoredAtMs;
    const activation = { ...parts, waitMs, continueMs, totalMs: endedAtMs - askedAtMs };
    held.activated(activation);
    const { stream, epoch } = promotion;
    log.info("Guest brought up from its replica", { vmId, stream, epoch, activation });
  }

  /** Makes everything ready for a planned swap: it tells `prepared`, or why not. On the lane. */
  async receive(prepare: Prepare): Promise<void> {
    const { vmId, stream } = prepare;
    const { clock, log } = this.ports;
    const { standbys, dispatch } = this;
    try {
      const held = this.heldOf(stream);
      const onLane = (work: () => Promise<void>): void => this.lanes.onLane(vmId, work);
      const swap = new Swap(prepare, held, { clock, log, standbys, onLane, dispatch });
      await standbys.receive(held, prepare);
      this.swaps.set(vmId, swap);
      held.swap = swap;
      standbys.announce(held);
    } catch (thrown) {
      const reason = reasonOf(thrown);
      log.warn("Cannot receive", { vmId, stream, reason });
      await standbys.discard(vmId);
      dispatch({ type: "incoming-failed", vmId, stream, reason });
    }
  }

  /** The planned swap of this stream, if there is one. */
  in({ vmId, stream }: { vmId: VmId; stream: StreamId }): Swap | undefined {
    const swap = this.swaps.get(vmId);
    return swap?.prepare.stream === stream ? swap : undefined;
  }

  /** The swap was refused or burnt: the replica goes on as it did. On the VM's lane. */
  async endReceive(vmId: VmId, stream: StreamId): Promise<void> {
    if (this.in({ vmId, stream }) === undefined) return;
    this.endSwap(vmId, stream);
    await this.standbys.discard(vmId);
  }

  /** The guest runs here: what it was made in is its own. */
  async arrived(vmId: VmId): Promise<void> {
    const swap = this.swaps.get(vmId);
    if (swap !== undefined) this.endSwap(vmId, swap.prepare.stream);
    await this.standbys.hand(vmId);
  }

  /** Another process of the VM is to be started here. On the VM's lane. */
  async standDown(vmId: VmId): Promise<void> {
    await this.standbys.discard(vmId);
  }

  async close(): Promise<void> {
    this.tick?.cancel();
    await this.standbys.close();
    await Promise.all([...this.held.values()].map((one) => one.close()));
    this.held.clear();
  }

  private endSwap(vmId: VmId, stream: StreamId): void {
    this.swaps.delete(vmId);
    const held = this.held.get(stream);
    if (held !== undefined) held.swap = undefined;
  }

  /** @throws SystemError STATE_CONFLICT */
  private heldOf(stream: StreamId): HeldReplica {
    const held = this.held.get(stream);
    if (held !== undefined) return held;
    throw new SystemError("STATE_CONFLICT", "No such replica is kept here");
  }

  private of(vmId: VmId): HeldReplica[] {
    return [...this.held.values()].filter((one) => one.vmId === vmId);
  }

  /** Tells how fresh they are, and lets each do some of what may wait. */
  private turn(): void {
    const { hostId, log, send } = this.ports;
    for (const one of this.held.values()) {
      const status = one.status();
      if (status !== undefined) send({ type: "replica-status", hostId, ...status });
      this.standbys.keepWarm(one);
      if (this.turning.has(one)) continue;
      this.turning.add(one);
      one
        .idle()
        .catch((error: unknown) =>
          log.error("Work on a replica failed", { error, reason: reasonOf(error) }),
        )
        .finally(() => this.turning.delete(one));
    }
  }

  /** The base, a log as large as the RAM, and disks as far as they are used are to fit. */
  private async assertDisk({ memoryBytes }: FrozenDefinition): Promise<void> {
    const { diskFreeBytes } = await this.ports.capacity();
    const needed = 2 * memoryBytes + DISK_FREE_BYTES_MIN;
    if (diskFreeBytes >= needed) return;
    const message = `${needed} bytes of disk are needed, ${diskFreeBytes} are free`;
    throw new SystemError("NO_SPACE", message);
  }
}
