/**
 * The simulated site: hosts with their agents, NIC firmware, coordinator and management server,
 * joined by one network, watched by one oracle.
 */
import type { PowerAnswer, PowerAsk } from "../../coordinator/fence.ts";
import type { Config as CoordinatorConfig } from "../../coordinator/state.ts";
import type { Config as ManagementConfig } from "../../management/state.ts";
import type { HostId, OperationId, Principal } from "../../protocol/ids.ts";
import type { Message } from "../../protocol/message.ts";
import type { ProtectionPolicy } from "../../protocol/replication.ts";
import { SimulatedAgent } from "./agent.ts";
import type { Breakage } from "./breakages.ts";
import type { Chance } from "./chance.ts";
import { SimulatedCoordinator } from "./coordinator.ts";
import type { Faults } from "./faults.ts";
import { uuidOf, wiredTo } from "./firmware.ts";
import { SimulatedHost } from "./host.ts";
import { Crash } from "./lifetime.ts";
import { SimulatedManagement } from "./management.ts";
import { DEFINITIONS, vmIdOf } from "./model.ts";
import { Network } from "./network.ts";
import { Oracle } from "./oracle.ts";
import { Reporter } from "./reporter.ts";
import { ServiceProcessor } from "./service-processor.ts";
import type { Program, Surroundings } from "./surroundings.ts";
import { SkewedClock, World } from "./world.ts";

export interface Site {
  readonly hosts: readonly string[];
  readonly faults: Faults;
  readonly chance: Chance;
  /** Whether the fault model acts by itself; in scenarios only commands do. */
  readonly random: boolean;
  readonly tracing: boolean;
  readonly wallClockMs?: number;
  readonly coordinator: CoordinatorConfig;
  readonly management: ManagementConfig;
  readonly breakage?: Breakage | undefined;
}

export class Cluster implements Surroundings {
  readonly world: World;
  readonly oracle: Oracle;
  readonly network: Network;
  readonly chance: Chance;
  readonly breakage: Breakage | undefined;
  readonly wallClockMs: number;
  random: boolean;
  readonly agents = new Map<HostId, SimulatedAgent>();
  /** By place: agents under their host's name, NIC firmware under `nic-` and it. */
  readonly reporters = new Map<string, Reporter>();
  readonly coordinator: SimulatedCoordinator;
  readonly management: SimulatedManagement;
  /** Called at each step of the protocol, before the fault model: scenarios aim with it. */
  onReached: ((place: string, step: string) => void) | undefined;
  /** Called with everything the coordinator sends to agents. */
  onSent: ((hostId: HostId, message: Message) => void) | undefined;
  /** Called when a program has died. */
  onDied: ((program: Program) => void) | undefined;
  /** Called when a server was switched off by its service processor. */
  onForcedOff: ((agent: SimulatedAgent) => void) | undefined;
  private readonly processors = new Map<HostId, ServiceProcessor>();
  private readonly strikes: Chance;

  constructor(site: Site) {
    const { chance, faults } = site;
    this.chance = chance;
    this.random = site.random;
    this.breakage = site.breakage;
    this.wallClockMs = site.wallClockMs ?? 0;
    this.strikes = chance.split("strikes");
    this.world = new World(site.tracing);
    this.oracle = new Oracle(this.world);
    this.oracle.isProtected = (vmId) => {
      const { config: now, machine } = this.coordinator;
      return machine !== undefined && now.protectedWithinRpo(machine.state, vmId);
    };
    this.oracle.reachable = (id) => this.coordinator.links.get(id)?.connected(1) === true;
    this.network = new Network(this.world, chance.split("network"), faults);
    const clocks = chance.split("clocks");
    const clock = () => this.clock(clocks);
    const of = (name: string) => chance.split(name);
    const servers = site.hosts.map((name) => [`server-${name}`, { uuid: uuidOf(name) }]);
    const config = { ...site.coordinator, servers: Object.fromEntries(servers) };
    this.coordinator = new SimulatedCoordinator(this, config, of("coordinator"), clock());
    this.management = new SimulatedManagement(this, site.management, of("management"), clock());
    this.joinManagement();
    for (const name of site.hosts) this.addHost(name);
  }

  get faults(): Faults {
    return this.network.faults;
  }

  agentAt(hostId: HostId): SimulatedAgent {
    const agent = this.agents.get(hostId);
    if (agent === undefined) throw new Error(`No host ${hostId}`);
    return agent;
  }

  startAll(): void {
    this.coordinator.start();
    this.management.start();
    for (const agent of this.agents.values()) agent.start();
  }

  /** @param peer who is to receive something by this step. */
  reached(place: string, step: string, peer?: HostId): void {
    this.onReached?.(place, step);
    if (!this.random) return;
    const { crash, aimedAt, aim } = this.faults;
    if (this.strikes.hit(crash)) throw new Crash(step);
    if (aimedAt.includes(step) && this.strikes.hit(aim)) this.strike(place, peer);
  }

  sent(hostId: HostId, message: Message): void {
    this.onSent?.(hostId, message);
  }

  died(program: Program): void {
    this.onDied?.(program);
  }

  /** Power lost: the agent with its memory, the guests, tmpfs. */
  powerOff(agent: SimulatedAgent): void {
    if (!agent.host.powered) return;
    agent.crash();
    agent.host.powerOff();
    this.network.gone(`nic-${agent.host.hostId}`);
    this.world.note(agent.host.hostId, () => "loses its power");
  }

  powerOn(agent: SimulatedAgent): void {
    if (!agent.host.powered) agent.host.powerOn();
    agent.start();
  }

  /** The service processor at the address that is configured for a server. */
  askPower({ serverId, command }: PowerAsk, answer: (told: PowerAnswer) => void): void {
    const host = this.oracle.hosts.find((one) => one.serverId === serverId)!;
    if (command === "force-off") this.oracle.forcedOff(host);
    const wired = wiredTo(this.oracle.hosts, host, this.faults.firmware);
    this.processors.get(wired.hostId)!.ask(command, answer);
  }

  forcedOff(agent: SimulatedAgent): void {
    agent.host.forcedOff = true;
    this.powerOff(agent);
    this.onForcedOff?.(agent);
  }

  runVm(name: string, hostId: HostId): void {
    const { asked } = DEFINITIONS.get(vmIdOf(name))!;
    const operationId = this.management.operation();
    this.management.pass({ type: "run-vm", operationId, hostId, definition: asked });
  }

  stopVm(name: string): void {
    const operationId = this.management.operation();
    this.management.pass({ type: "end-vm", operationId, vmId: vmIdOf(name) });
  }

  /** One VM to one host, past every plan: the coordinator decides whether it may. */
  migrate(name: string, target: HostId): void {
    const operationId = this.management.operation();
    const limits = { pauseMsMax: 1_000, roundsMax: 20 };
    const vmId = vmIdOf(name);
    this.management.pass({ type: "migrate", operationId, vmId, target, limits });
  }

  /** From now on, or without a policy no more. */
  protect(name: string, policy?: ProtectionPolicy): void {
    const operationId = this.management.operation();
    const wish = policy === undefined ? {} : { policy };
    const vmId = vmIdOf(name);
    this.management.pass({ type: "protect-vm", operationId, vmId, ...wish, dryRun: false });
  }

  failover(name: string, allowStale: boolean): void {
    const operationId = this.management.operation();
    const vmId = vmIdOf(name);
    this.management.pass({ type: "failover", operationId, vmId, allowStale, dryRun: false });
  }

  switchOver(name: string, target: HostId): void {
    const operationId = this.management.operation();
    this.management.pass({ type: "switch-over", operationId, vmId: vmIdOf(name), target });
  }

  /** Cancels whatever moves now. */
  cancelMoves(): void {
    for (const saga of Object.values(this.coordinator.machine?.state.sagas ?? {})) {
      if (saga.phase === "done") continue;
      const reason = "Cancelled by an operator";
      this.management.pass({ type: "cancel-saga", operationId: saga.sagaId, reason });
    }
  }

  cordon(hostId: HostId, cordoned: boolean): void {
    const operationId = this.management.operation();
    this.management.pass({ type: "cordon", operationId, hostId, cordoned });
  }

  /** An operator has looked at the server, and says so. */
  declareOff(hostId: HostId): void {
    const operationId = this.management.operation();
    const { serverId } = this.agentAt(hostId).host;
    const reason = "It has no power";
    this.management.pass({ type: "declare-off", operationId, hostId, serverId, reason });
  }

  fence(hostId: HostId, how: { evenIfConnected: boolean; guestsWillStop: boolean }): void {
    const operationId = this.management.operation();
    const { serverId } = this.agentAt(hostId).host;
    const dryRun = false;
    this.management.pass({ type: "fence", operationId, hostId, serverId, dryRun, ...how });
  }

  /** Nobody hears its agent, or its NIC firmware, or sees its kernel, for a while. */
  isolate(hostId: HostId, forMs: number, except?: "nic"): void {
    const others = [...this.agents.keys()].filter((other) => other !== hostId);
    const ways = waysOf(hostId).slice(0, except === "nic" ? 1 : 2);
    this.cutWays([...ways, ...others.map((other) => [hostId, other] as const)], forMs);
  }

  /** The coordinator hears no agent, and the management server no NIC firmware. */
  blackOut(forMs: number): void {
    this.cutWays([...this.agents.keys()].flatMap(waysOf), forMs);
  }

  private cutWays(ways: readonly (readonly [string, string])[], forMs: number): void {
    for (const [a, b] of ways) {
      this.network.cut(a, b);
      this.network.cut(b, a);
    }
    this.world.after(forMs, () => {
      for (const [a, b] of ways) {
        this.network.join(a, b);
        this.network.join(b, a);
      }
    });
  }

  predict(place: string, serverOf: string, predictionId: string, probability: number): void {
    const about = { ...subjectOf(place, serverOf), predictionId: predictionId as OperationId };
    const outlook = { probability, horizonMs: 3_600_000, evidence: [] };
    this.reporters.get(place)?.report({ type: "prediction", ...about, ...outlook });
  }

  /** What was predicted of the place's device holds no more. */
  clear(place: string, predictionId: string): void {
    const server = place.replace("nic-", "");
    const about = { ...subjectOf(place, server), predictionId: predictionId as OperationId };
    const end = { cause: "healed", reason: "It is well again" } as const;
    this.reporters.get(place)?.report({ type: "prediction-cleared", ...about, ...end });
  }

  private clock(chance: Chance): SkewedClock {
    const { clockOffsetMs, clockDrift } = this.faults;
    return new SkewedClock(this.world, chance.between(0, clockOffsetMs), 1 + clockDrift);
  }

  private joinManagement(): void {
    const { management, coordinator, network } = this;
    const link = network.open(management.coordinatorPort, coordinator.managementPort);
    management.coordinator = link;
    coordinator.management = link;
  }

  private addHost(name: string): void {
    const host = new SimulatedHost(
      name,
      this.world,
      this.oracle,
      this.chance.split(`disk ${name}`),
    );
    const agent = new SimulatedAgent(this, host, this.chance.split(`agent ${name}`));
    this.oracle.watch(host);
    this.agents.set(host.hostId, agent);
    const link = this.network.open(agent.port, this.coordinator.portFor(host.hostId));
    agent.link = link;
    this.coordinator.links.set(host.hostId, link);
    this.addReporter(name, `agent:${name}`, () => agent.running);
    this.addReporter(`nic-${name}`, `nic:server-${name}`, () => host.powered);
    const wiring = {
      firmware: () => this.faults.firmware,
      switchOff: () => this.forcedOff(agent),
      random: () => this.random,
    };
    const power = this.chance.split(`power ${name}`);
    this.processors.set(host.hostId, new ServiceProcessor(host, wiring, power));
  }

  private addReporter(place: string, principal: Principal, ready: () => boolean): void {
    const reporter = new Reporter(this, place, ready);
    const intake = this.management.intakeFor(principal, reporter.answer);
    reporter.link = this.network.open(reporter.port, intake);
    this.reporters.set(place, reporter);
  }

  /** Something happens right at this step: to who took it, or to somebody it depends on. */
  private strike(place: string, peer?: HostId): void {
    const agent = this.agents.get(place as HostId);
    const soon = (act: () => void) => this.world.after(0, act);
    const peers = peer === undefined ? [...this.agents.values()] : [this.agentAt(peer)];
    switch (this.strikes.pick(agent === undefined ? [0, 2, 7] : [0, 1, 2, 3, 4, 5, 6, 7])) {
      case 0:
      case 1:
        throw new Crash(place);
      case 2:
        soon(() => this.strikes.pick(peers).crash());
        return;
      case 7:
        soon(() => this.powerOff(this.strikes.pick(peers)));
        return;
      case 3:
        soon(() => agent !== undefined && this.powerOff(agent));
        throw new Crash(place);
      case 4:
        soon(() => {
          for (const link of agent?.dataLinks ?? []) link.cut();
        });
        return;
      case 5:
        soon(() => this.strikes.pick([...(agent?.host.guests.values() ?? [])])?.end());
        return;
      case 6:
        soon(() => this.coordinator.crash());
    }
  }
}

/** The one device of which a place predicts. */
function subjectOf(place: string, serverOf: string) {
  const serverId = `server-${serverOf}` as SimulatedHost["serverId"];
  return place.startsWith("nic-")
    ? ({ serverId, source: "nic", component: "nic", device: "eth0" } as const)
    : ({ serverId, source: "agent", component: "disk", device: "sda" } as const);
}

/** From a host to the control plane. */
function waysOf(hostId: HostId): (readonly [string, string])[] {
  return [
    [hostId, "coordinator"],
    [`nic-${hostId}`, "management"],
  ];
}
