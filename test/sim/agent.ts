/**
 * An agent of the simulation: the production core, on a modelled hypervisor and data path.
 * Its shell does what the real one does, with nothing of policy in it.
 */
import * as authority from "../../agent/authority/authority.ts";
import {
  type Chains,
  type Effect,
  type Event,
  replay,
  type State,
} from "../../agent/authority/state.ts";
import type { MigrateOut, VmReport } from "../../protocol/authority.ts";
import type { StreamId, VmId } from "../../protocol/ids.ts";
import type { Message } from "../../protocol/message.ts";
import type { Observe } from "../../protocol/observe.ts";
import { Machine } from "../../runtime/core-runner.ts";
import type { Chance } from "./chance.ts";
import { endGuest, goOn, startGuest, verifyGuest } from "./guest-commands.ts";
import type { Guest, SimulatedHost } from "./host.ts";
import { Lifetime } from "./lifetime.ts";
import { CAPABILITIES, capacityOf, DEFINITIONS, describe } from "./model.ts";
import type { Link, Port } from "./network.ts";
import { lookAt } from "./observing.ts";
import { Protector } from "./protector.ts";
import { Receiver } from "./receiver.ts";
import { Replicas } from "./replicas.ts";
import { Sender } from "./sender.ts";
import type { Receiving, Sending, Surroundings, Wire } from "./surroundings.ts";

const PAUSED_BY_AGENT_MS = 1_000;

export class SimulatedAgent {
  readonly cluster: Surroundings;
  readonly host: SimulatedHost;
  readonly chance: Chance;
  readonly receivers = new Map<VmId, Receiving>();
  readonly senders = new Map<VmId, Sending>();
  readonly dataLinks = new Set<Wire>();
  readonly protectors = new Map<VmId, Protector>();
  replicas: Replicas | undefined;
  readonly lifetime: Lifetime;
  machine: Machine<State, Event, Effect> | undefined;
  link: Link | undefined;
  private reports: VmReport[] | undefined;
  private readonly looks: Chance;

  constructor(cluster: Surroundings, host: SimulatedHost, chance: Chance) {
    this.cluster = cluster;
    this.host = host;
    this.chance = chance;
    this.looks = chance.split("looks");
    this.lifetime = new Lifetime(cluster.world, () => this.crash());
  }

  get running(): boolean {
    return this.lifetime.running;
  }

  get life(): number {
    return this.lifetime.life;
  }

  get port(): Port {
    return {
      place: this.host.hostId,
      ready: () => this.running,
      up: () => this.guarded(() => this.sendInventory()),
      down: () => {},
      take: (message) => this.guarded(() => this.take(message)),
    };
  }

  start(): void {
    if (this.running || !this.host.powered) return;
    this.lifetime.begin();
    const { hostId, bootId } = this.host;
    const kept = replay(this.host.journal.durable);
    const { breakage } = this.cluster;
    const self = { hostId, bootId, life: kept.life + 1 };
    const step = breakage?.agentStep?.(authority.step) ?? authority.step;
    this.machine = new Machine<State, Event, Effect>(
      authority.start(self, kept.vms),
      step,
      (effect) => this.perform(effect),
      (before, event, after, effects) => {
        this.cluster.oracle.stepped(this.host, before, event, after, effects);
      },
    );
    this.replicas = new Replicas(this, (message) => this.send(message));
    for (const guest of this.host.guests.values()) this.watch(guest);
    this.cluster.world.note(hostId, () => "agent starts");
    const standing = [...this.host.guests.values()]
      .filter(
        ({ state, vmId }) =>
          state === "paused" && this.host.records.get(vmId)?.stance.phase === "active",
      )
      .map((guest) => ({ guest, runs: guest.runs }));
    this.dispatch({ type: "recovered", found: this.host.found() });
    this.after(PAUSED_BY_AGENT_MS + 2 * this.cluster.faults.guestMs, () => {
      if (this.machine !== undefined) this.cluster.oracle.leftPaused(standing, this.machine.state);
    });
  }

  /** The process dies: its memory and its links are gone, its guests and tmpfs are not. */
  crash(): void {
    if (!this.running) return;
    this.lifetime.end();
    this.machine = undefined;
    this.reports = undefined;
    this.receivers.clear();
    this.senders.clear();
    this.protectors.clear();
    this.replicas = undefined;
    for (const link of [...this.dataLinks]) link.cut();
    for (const guest of this.host.guests.values()) {
      guest.onEnd = undefined;
      guest.settle();
    }
    this.host.journal.crash();
    this.cluster.oracle.lost(`the agent of ${this.host.hostId} died`);
    this.cluster.network.gone(this.host.hostId);
    this.cluster.world.note(this.host.hostId, () => "agent dies");
    this.cluster.died(this);
  }

  dispatch(event: Event): void {
    this.guarded(() => this.machine?.dispatch(event));
  }

  guarded(act: () => void): void {
    this.lifetime.guarded(act);
  }

  after(delayMs: number, act: () => void): void {
    this.lifetime.after(delayMs, act);
  }

  tookMs(): number {
    const { guestMs } = this.cluster.faults;
    return this.cluster.random ? this.chance.between(0, guestMs) : guestMs;
  }

  /** A step of the protocol was reached: the fault model may strike here. */
  reached(step: string): void {
    this.cluster.reached(this.host.hostId, step);
  }

  adopt(guest: Guest): void {
    this.host.guests.get(guest.vmId)?.end();
    this.host.guests.set(guest.vmId, guest);
    this.watch(guest);
  }

  chainOf(vmId: VmId): Chains[string] {
    return this.machine?.state.vms[vmId]?.chains?.["disk0"] ?? [];
  }

  /** How a move is going, for people; it also shows the coordinator that it goes on. */
  sendProgress({ vmId, sagaId }: MigrateOut, round: number): void {
    const { memoryBytes } = DEFINITIONS.get(vmId)!.frozen;
    const bytes = { bytesRaw: memoryBytes, bytesSent: memoryBytes, memoryBytes, doneBytes: 0 };
    this.send({ type: "migration-progress", vmId, sagaId, round, stage: "round", ...bytes });
  }

  linkLost(link: Wire): void {
    for (const sender of this.senders.values()) {
      if (sender.link === link) sender.fail("The data link was lost");
    }
    for (const protector of this.protectors.values()) protector.linkLost(link);
    for (const receiver of this.receivers.values()) {
      if (receiver.link === link) receiver.linkLost();
    }
  }

  private watch(guest: Guest): void {
    guest.onEnd = () => {
      this.after(this.tookMs(), () => {
        const { vmId } = guest;
        if (this.host.guests.get(vmId) !== guest) return;
        this.host.guests.delete(vmId);
        this.dispatch({ type: "guest-died", vmId, reason: "The guest's process ended" });
      });
    };
  }

  private sendInventory(): void {
    this.reports = [];
    this.machine?.dispatch({ type: "report-all" });
    const vms = this.reports ?? [];
    this.reports = undefined;
    const { hostId, serverId, bootId } = this.host;
    const capacity = capacityOf(this.host);
    const agentVersion = "0.1.0";
    const common = { type: "inventory", hostId, serverId, bootId, agentVersion } as const;
    const address = `${hostId}:7412`;
    this.send({ ...common, capabilities: CAPABILITIES, capacity, address, vms });
  }

  private send(message: Message): void {
    this.link?.send(0, message);
  }

  private take(message: Message): void {
    const { hostId } = this.host;
    if (message.type === "observe") return this.look(message);
    this.cluster.world.note(hostId, () => `takes ${describe(message)}`);
    switch (message.type) {
      case "grant":
      case "prepare":
      case "migrate-out":
      case "cancel-migration":
      case "released":
      case "burn":
      case "retire":
      case "stop-vm":
      case "hold-replica":
      case "seal-replica":
      case "drop-replica":
      case "protect":
        this.dispatch(message);
        return;
      case "freeze": {
        const { operationId, definition } = message;
        const frozen = DEFINITIONS.get(definition.id)?.frozen;
        if (frozen === undefined) return;
        this.send({ type: "frozen", operationId, definition: frozen });
        return;
      }
      default:
        throw new Error(`${hostId} does not take ${message.type}`);
    }
  }

  private look(question: Observe): void {
    const { answer, afterMs } = lookAt(this.cluster, this.host, question, this.looks);
    this.after(afterMs, () => this.send(answer));
  }

  private perform(effect: Effect): void {
    switch (effect.type) {
      case "journal":
        this.append(effect);
        return;
      case "start-guest":
        startGuest(this, effect);
        break;
      case "continue-guest":
        goOn(this, effect.vmId);
        break;
      case "end-guest":
        endGuest(this, effect.vmId);
        break;
      case "verify-guest":
        verifyGuest(this, effect.vmId);
        break;
      case "sweep":
        for (const { path } of Object.values(effect.chains ?? {}).flat()) {
          if (!path.endsWith("/origin")) this.host.layers.delete(path);
        }
        this.cluster.oracle.lost(`${this.host.hostId} swept ${effect.vmId}`);
        break;
      default:
        this.performMove(effect);
    }
    this.reached(effect.type);
  }

  private performMove(
    effect: Exclude<
      Effect,
      {
        type: "journal" | "start-guest" | "continue-guest" | "end-guest" | "verify-guest" | "sweep";
      }
    >,
  ): void {
    switch (effect.type) {
      case "receive": {
        const receiver = new Receiver(this, effect.prepare);
        this.receivers.set(effect.prepare.vmId, receiver);
        receiver.begin();
        return;
      }
      case "load-epoch":
        this.receivers.get(effect.vmId)?.load(effect.epoch);
        return;
      case "end-receive":
        this.receivers.get(effect.vmId)?.link?.cut();
        this.receivers.delete(effect.vmId);
        return;
      case "stream":
        this.stream(effect.migrateOut);
        return;
      case "end-stream":
        this.endStream(effect.vmId, effect.stream);
        return;
      case "send-ack": {
        const { vmId, epoch } = effect;
        const link = this.receivers.get(vmId)?.link;
        link?.carry("source", () => link.source.senders.get(vmId)?.acked(epoch));
        return;
      }
      case "send-released": {
        const { released } = effect;
        const link = this.senders.get(released.vmId)?.link;
        link?.carry("target", () => link.target.dispatch(released));
        return;
      }
      case "send-active":
        return;
      case "hold-replica":
        this.replicas?.hold(effect);
        return;
      case "seal-replicas":
        this.replicas?.seal(effect.vmId, effect.term);
        return;
      case "drop-replica":
        this.replicas?.drop(effect.vmId, effect.stream);
        return;
      case "restore-guest":
        this.replicas?.restore(effect);
        return;
      case "protect":
        this.protect(effect.vmId);
        return;
      case "report":
        this.report(effect.report);
        return;
      case "refuse": {
        const { vmId, command, term, code, reason } = effect;
        const { hostId } = this.host;
        this.cluster.world.note(hostId, () => `refuses ${command} term=${term}: ${reason}`);
        this.send({ type: "refusal", hostId, vmId, command, term, code, reason });
      }
    }
  }

  private append({ record }: Extract<Effect, { type: "journal" }>): void {
    const { journal } = this.host;
    const act = record.type === "vm" ? record.act : "LIFE";
    journal.append(record);
    this.reached(`append:${act}`);
    if (this.cluster.breakage?.agentForgetsFlush !== true) journal.flush();
    this.reached(`journal:${act}`);
  }

  private report(report: VmReport): void {
    this.reports?.push(report);
    if (this.reports !== undefined) return;
    const { hostId, bootId } = this.host;
    this.send({ type: "vm-report", hostId, bootId, capacity: capacityOf(this.host), report });
  }

  private stream(order: MigrateOut): void {
    const guest = this.host.guests.get(order.vmId);
    if (guest === undefined) return;
    const sender = new Sender(this, order, guest);
    this.senders.set(order.vmId, sender);
    sender.begin();
  }

  private protect(vmId: VmId): void {
    const known = this.protectors.get(vmId);
    const protector = known ?? new Protector(this, vmId, (message) => this.send(message));
    this.protectors.set(vmId, protector);
    protector.update();
  }

  private endStream(vmId: VmId, stream: StreamId): void {
    const sender = this.senders.get(vmId);
    if (sender?.order.stream !== stream) return;
    this.senders.delete(vmId);
    sender.link?.cut();
  }
}
