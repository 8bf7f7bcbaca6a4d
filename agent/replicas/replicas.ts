/**
 * The replicas of this host. Mechanism only: each is held, sealed and dropped by the authority
 * core's effects, and what it comes to is the core's event.
 * @module
 */
import { join } from "node:path";
import { Kernel } from "../../epochs/kernel.ts";
import type { FrozenDefinition } from "../../protocol/definition.ts";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import type { HostId, StreamId, Term, VmId } from "../../protocol/ids.ts";
import type { Timer } from "../../runtime/clock.ts";
import type { DurableVm, Effect, Event } from "../authority/state.ts";
import type { StreamPorts } from "../streams.ts";
import { replicaFolder, sweepFolders } from "./folders.ts";
import { HeldReplica } from "./held.ts";
import { Pulses } from "./pulses.ts";

/** How often the coordinator is told how fresh a replica is, while its link is up. */
const STATUS_MS = 1_000;
/** Left free on the disk when a replica is begun. */
const DISK_FREE_BYTES_MIN = 64 * 1024 * 1024;

export interface ReplicasPorts extends StreamPorts {
  readonly hostId: HostId;
  /** Replicas are below it, in `replicas`. */
  readonly stateFolder: string;
}

type Of<Type extends Effect["type"]> = Extract<Effect, { type: Type }>;

export class Replicas {
  private readonly ports: ReplicasPorts;
  private readonly dispatch: (event: Event) => void;
  private readonly root: string;
  private readonly held = new Map<StreamId, HeldReplica>();
  private readonly turning = new Set<HeldReplica>();
  private readonly pulses: Pulses;
  private tick: Timer | undefined;

  constructor(ports: ReplicasPorts, dispatch: (event: Event) => void) {
    this.ports = ports;
    this.dispatch = dispatch;
    this.root = join(ports.stateFolder, "replicas");
    this.pulses = new Pulses(ports.random.fraction());
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
    await one?.drop();
  }

  async close(): Promise<void> {
    this.tick?.cancel();
    await Promise.all([...this.held.values()].map((one) => one.close()));
    this.held.clear();
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
