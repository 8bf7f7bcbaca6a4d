/** The coordinator of the simulation: the production core on a simulated disk and links. */
import * as core from "../../coordinator/coordinator.ts";
import type { FailoverRecord } from "../../coordinator/failover-record.ts";
import type { PowerAsk } from "../../coordinator/fence.ts";
import type { ProtectionRecord } from "../../coordinator/protection-record.ts";
import type {
  Config,
  Effect,
  Event,
  HostRecord,
  SagaRecord,
  State,
  VmRecord,
} from "../../coordinator/state.ts";
import type { HostId, StreamId } from "../../protocol/ids.ts";
import type { Message } from "../../protocol/message.ts";
import { Machine } from "../../runtime/core-runner.ts";
import type { Chance } from "./chance.ts";
import { SimulatedDisk } from "./disk.ts";
import { Lifetime } from "./lifetime.ts";
import { describe, vmName } from "./model.ts";
import type { Link, Port } from "./network.ts";
import type { Surroundings } from "./surroundings.ts";
import type { SkewedClock } from "./world.ts";

const TICK_MS = 500;
const PLACE = "coordinator";
/** Not worth a line in the log each time. */
const FREQUENT: ReadonlySet<Message["type"]> = new Set(["fleet", "migration-progress"]);

type Saved = Extract<Effect, { type: `save-${string}` }>;

export class SimulatedCoordinator {
  readonly lifetime: Lifetime;
  readonly links = new Map<HostId, Link>();
  management: Link | undefined;
  machine: Machine<State, Event, Effect> | undefined;
  private readonly cluster: Surroundings;
  /** Scenarios change it. */
  config: Config;
  private readonly chance: Chance;
  private readonly clock: SkewedClock;
  private readonly disk: SimulatedDisk<Saved>;
  private readonly saved = {
    hosts: new Map<string, HostRecord>(),
    vms: new Map<string, VmRecord>(),
    sagas: new Map<string, SagaRecord>(),
    protections: new Map<string, ProtectionRecord>(),
    failovers: new Map<string, FailoverRecord>(),
  };

  constructor(cluster: Surroundings, config: Config, chance: Chance, clock: SkewedClock) {
    this.cluster = cluster;
    this.config = config;
    this.chance = chance;
    this.clock = clock;
    this.lifetime = new Lifetime(cluster.world, () => this.crash());
    this.disk = new SimulatedDisk<Saved>(chance.split("disk"), (entry) => this.keep(entry));
  }

  start(): void {
    const { lifetime, cluster, saved } = this;
    if (lifetime.running) return;
    lifetime.begin();
    const { breakage } = cluster;
    const vms = [...saved.vms.values()];
    cluster.oracle.fences.begins();
    cluster.oracle.replicas.begins();
    const known = breakage?.coordinatorStart?.(vms) ?? vms;
    const step = breakage?.coordinatorStep?.(core.step) ?? core.step;
    this.machine = new Machine<State, Event, Effect>(
      core.start([...saved.hosts.values()], known, [...saved.sagas.values()], this.clock.nowMs(), {
        protections: [...saved.protections.values()],
        failovers: [...saved.failovers.values()],
      }),
      (state, event) => step(state, event, this.config),
      (effect) => this.perform(effect),
      (was, event, is, done) => {
        cluster.oracle.fences.stepped(was, event, is, done, this.config);
      },
    );
    cluster.world.note(PLACE, () => "starts");
    this.tick();
  }

  crash(): void {
    if (!this.lifetime.running) return;
    this.lifetime.end();
    this.machine = undefined;
    this.disk.crash();
    this.cluster.network.gone(PLACE);
    this.cluster.world.note(PLACE, () => "dies");
    this.cluster.died(this);
  }

  portFor(hostId: HostId): Port {
    return {
      place: PLACE,
      ready: () => this.lifetime.running,
      up: () => this.dispatch({ type: "agent-up", hostId, atMs: this.clock.nowMs() }),
      down: () => this.dispatch({ type: "agent-down", hostId, atMs: this.clock.nowMs() }),
      take: (message) => this.takeFromAgent(hostId, message),
    };
  }

  /** The host that is being fenced. */
  get fencing(): HostId | undefined {
    return this.machine?.state.fence?.hostId;
  }

  get managementPort(): Port {
    return {
      place: PLACE,
      ready: () => this.lifetime.running,
      up: () => this.dispatch({ type: "management-up", atMs: this.clock.nowMs() }),
      down: () => this.dispatch({ type: "management-down", atMs: this.clock.nowMs() }),
      take: (message) => this.takeFromManagement(message),
    };
  }

  private dispatch(event: Event): void {
    this.lifetime.guarded(() => this.machine?.dispatch(event));
  }

  private tick(): void {
    this.lifetime.after(TICK_MS, () => {
      const fresh = { stream: this.chance.hex(32) as StreamId, token: this.chance.hex(64) };
      this.dispatch({ type: "tick", fresh: [fresh], atMs: this.clock.nowMs() });
      this.tick();
    });
  }

  private takeFromAgent(hostId: HostId, message: Message): void {
    const atMs = this.clock.nowMs();
    switch (message.type) {
      case "inventory":
      case "vm-report":
      case "refusal":
      case "replica-status":
      case "protection-status":
        this.hear(hostId, message);
        this.dispatch({ ...message, atMs });
        return;
      case "observed":
        this.dispatch({ ...message, from: hostId, atMs });
        return;
      case "frozen":
      case "migration-progress":
        this.dispatch({ ...message, hostId, atMs });
        return;
      default:
        throw new Error(`The coordinator takes no ${message.type} of an agent`);
    }
  }

  private hear(hostId: HostId, message: Message): void {
    const { replicas } = this.cluster.oracle;
    if (message.type === "vm-report") replicas.heard(hostId, message.report);
    if (message.type !== "inventory") return;
    for (const report of message.vms) replicas.heard(hostId, report);
  }

  private takeFromManagement(message: Message): void {
    const atMs = this.clock.nowMs();
    switch (message.type) {
      case "migrate": {
        const stream = this.chance.hex(32) as StreamId;
        this.dispatch({ ...message, stream, token: this.chance.hex(64), atMs });
        return;
      }
      case "identify-host":
      case "cancel-saga":
      case "cordon":
      case "declare-off":
      case "fence":
      case "nic-links":
      case "run-vm":
      case "end-vm":
      case "protect-vm":
      case "failover":
      case "switch-over":
        this.dispatch({ ...message, atMs });
        return;
      default:
        throw new Error(`The coordinator takes no ${message.type} of the management server`);
    }
  }

  private perform(effect: Effect): void {
    const { cluster } = this;
    switch (effect.type) {
      case "save-host":
      case "save-vm":
      case "save-saga":
      case "save-protection":
      case "save-failover":
        this.disk.append(effect);
        cluster.reached(PLACE, `append:${effect.type}`);
        this.disk.flush();
        cluster.reached(PLACE, effect.type);
        return;
      case "send-agent":
        cluster.oracle.issued(effect.hostId, effect.message);
        this.links.get(effect.hostId)?.send(1, effect.message);
        cluster.sent(effect.hostId, effect.message);
        cluster.reached(PLACE, `send:${effect.message.type}`, effect.hostId);
        return;
      case "send-management":
        if (!FREQUENT.has(effect.message.type) && this.management?.connected(1) === true) {
          cluster.world.note(PLACE, () => `sends ${describe(effect.message)}`);
        }
        if (effect.message.type === "fleet") cluster.oracle.replicas.told(effect.message);
        this.management?.send(1, effect.message);
        return;
      case "power":
        this.askPower(effect);
        cluster.reached(PLACE, `power:${effect.command}`);
        return;
      case "note":
        cluster.world.mix(effect.text);
        cluster.world.note(PLACE, () => {
          const about = effect.vmId === undefined ? "" : `${vmName(effect.vmId)} `;
          return `${about}${effect.text}`;
        });
    }
  }

  private askPower(question: PowerAsk): void {
    const { cluster, machine } = this;
    const { operationId, request } = question;
    if (machine?.state.fence?.operationId === operationId) {
      cluster.world.note(PLACE, () => `asks ${question.serverId}: ${question.command}`);
    }
    cluster.askPower(question, (answer) => {
      if (this.machine !== machine) return;
      const atMs = this.clock.nowMs();
      this.dispatch({ type: "power-answer", operationId, request, answer, atMs });
    });
  }

  private keep(entry: Saved): void {
    const { saved, cluster } = this;
    switch (entry.type) {
      case "save-host":
        saved.hosts.set(entry.host.hostId, entry.host);
        cluster.oracle.savedHost(entry.host);
        return;
      case "save-vm":
        saved.vms.set(entry.vm.vmId, entry.vm);
        cluster.oracle.savedVm(entry.vm);
        return;
      case "save-saga":
        saved.sagas.set(entry.saga.sagaId, entry.saga);
        cluster.oracle.savedSaga(entry.saga);
        return;
      case "save-protection":
        saved.protections.set(entry.protection.vmId, entry.protection);
        cluster.oracle.replicas.savedProtection(entry.protection);
        return;
      case "save-failover":
        saved.failovers.set(entry.failover.vmId, entry.failover);
        cluster.oracle.replicas.savedFailover(entry.failover);
    }
  }
}
