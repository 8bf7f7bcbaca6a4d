/**
 * One host: what survives its agent (guests, tmpfs) and what survives its power (disks).
 *
 * A guest's content is a stamp: the moment it last ran. Its memory and its disk have one each,
 * so that a restore which is torn, stale or of another epoch shows at once.
 */
import type { DurableVm, Found, Record } from "../../agent/authority/state.ts";
import type { BootId, HostId, ServerId, StreamId, VmId } from "../../protocol/ids.ts";
import type { Chance } from "./chance.ts";
import { SimulatedDisk } from "./disk.ts";
import type { Store } from "./replica-store.ts";
import type { World } from "./world.ts";

interface Layer {
  /** What was last written to this layer itself; undefined: all of it is in the parent. */
  stamp: number | undefined;
  readonly parent: string | undefined;
}

/** Who is told of everything that happens to guests and records. */
export interface Witness {
  durable(host: SimulatedHost, record: Record): void;
  lost(why: string): void;
  wrote(vmId: VmId, stamp: number): void;
  vcpusStarted(guest: Guest, late: boolean): void;
  vcpusStopped(guest: Guest): void;
}

export class SimulatedHost {
  readonly hostId: HostId;
  readonly serverId: ServerId;
  readonly world: World;
  readonly oracle: Witness;
  readonly journal: SimulatedDisk<Record>;
  /** The newest durable record of each VM, as the oracle sees it. */
  readonly records = new Map<VmId, DurableVm>();
  readonly guests = new Map<VmId, Guest>();
  readonly layers = new Map<string, Layer>();
  /** Replicas of VMs that run elsewhere, on disk. */
  readonly replicas = new Map<StreamId, Store>();
  powered = true;
  /** When it was last switched on. */
  poweredOnAtMs = 0;
  /** It was switched off by its service processor, and stays off until somebody comes. */
  forcedOff = false;
  /** Of its agent, as the journal has it. */
  life = 0;
  bootId: BootId;
  private boots = 1;

  constructor(name: string, world: World, oracle: Witness, chance: Chance) {
    this.hostId = name as HostId;
    this.serverId = `server-${name}` as ServerId;
    this.world = world;
    this.oracle = oracle;
    this.bootId = this.nextBoot();
    this.journal = new SimulatedDisk<Record>(chance, (entry) => oracle.durable(this, entry));
  }

  /** Power lost: guests and tmpfs are gone, disks and what the journal flushed stay. */
  powerOff(): void {
    this.powered = false;
    for (const guest of this.guests.values()) guest.end();
    this.guests.clear();
    this.oracle.lost(`${this.hostId} lost its power`);
  }

  powerOn(): void {
    this.powered = true;
    this.poweredOnAtMs = this.world.nowMs;
    this.forcedOff = false;
    this.boots++;
    this.bootId = this.nextBoot();
  }

  /** What the agent finds when it starts. */
  found(): { [id: VmId]: Found } {
    const found: { [id: VmId]: Found } = {};
    for (const [vmId, guest] of this.guests) {
      if (guest.state === "ended") this.guests.delete(vmId);
      else if (guest.state === "running") found[vmId] = "running";
      else found[vmId] = guest.state === "incoming" ? "incoming" : "paused";
    }
    return found;
  }

  makeLayer(file: string, parent: string | undefined): void {
    if (!this.layers.has(file)) this.layers.set(file, { stamp: undefined, parent });
  }

  write(file: string, stamp: number): void {
    const layer = this.layers.get(file);
    if (layer !== undefined) layer.stamp = stamp;
  }

  /** What a guest on this layer would read; 0 for an image nobody wrote to, -1 for none. */
  read(file: string): number {
    let layer = this.layers.get(file);
    if (layer === undefined) return -1;
    while (layer.stamp === undefined && layer.parent !== undefined) {
      layer = this.layers.get(layer.parent);
      if (layer === undefined) return -1;
    }
    return layer.stamp ?? 0;
  }

  private nextBoot(): BootId {
    const last = `${this.hostId}${this.boots}`;
    const digits = [...last].map((letter) => letter.charCodeAt(0).toString(16)).join("");
    return `00000000-${digits}` as BootId;
  }
}

export type GuestPhase = "starting" | "incoming" | "paused" | "running" | "ended";

/** A guest's process: it lives on when its agent dies. */
export class Guest {
  readonly vmId: VmId;
  readonly host: SimulatedHost;
  state: GuestPhase;
  /** The stamp of its memory; -1 while it holds no whole state. */
  memory = -1;
  /** The layer it writes to. */
  top: string;
  /** How often its vCPUs were let run. */
  runs = 0;
  /** Who watches the process end. */
  onEnd: (() => void) | undefined;
  private busyUntilMs = 0;
  private waiting: (() => void)[] = [];

  constructor(host: SimulatedHost, vmId: VmId, state: GuestPhase, top: string) {
    this.host = host;
    this.vmId = vmId;
    this.state = state;
    this.top = top;
  }

  get disk(): number {
    return this.host.read(this.top);
  }

  /** Commands are carried out in order, also those of an agent that died meanwhile. */
  command(tookMs: number, run: () => void): void {
    const { world } = this.host;
    this.busyUntilMs = Math.max(this.busyUntilMs, world.nowMs) + tookMs;
    this.waiting.push(run);
    world.after(this.busyUntilMs - world.nowMs, () => {
      if (this.waiting[0] === run) this.carryOut(1);
    });
  }

  /** Its agent died: what was sent is carried out before a new one can say anything. */
  settle(): void {
    this.carryOut(this.waiting.length);
    this.busyUntilMs = 0;
  }

  private carryOut(count: number): void {
    for (const run of this.waiting.splice(0, count)) if (this.state !== "ended") run();
  }

  /** Running vCPUs have written since anybody last looked. */
  touch(): void {
    if (this.state !== "running") return;
    const stamp = this.host.world.stamp();
    this.memory = stamp;
    this.host.write(this.top, stamp);
    this.host.oracle.wrote(this.vmId, stamp);
  }

  /** @param late its agent sent the command when it might, and has died since. */
  run(late: boolean): void {
    if (this.state === "running") return;
    this.state = "running";
    this.runs++;
    this.host.oracle.vcpusStarted(this, late);
    this.touch();
  }

  stop(): void {
    this.touch();
    if (this.state === "running") this.host.oracle.vcpusStopped(this);
    this.state = "paused";
  }

  end(): void {
    if (this.state === "ended") return;
    this.touch();
    if (this.state === "running") this.host.oracle.vcpusStopped(this);
    this.state = "ended";
    this.onEnd?.();
  }
}
