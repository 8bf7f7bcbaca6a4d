/**
 * One seed: a site under faults, then a time without any, in which everything must come to rest.
 */
import type { HostId } from "../../protocol/ids.ts";
import type { SimulatedAgent } from "./agent.ts";
import type { Breakage } from "./breakages.ts";
import { Chance } from "./chance.ts";
import { Cluster } from "./cluster.ts";
import { CALM, coordinatorConfig, drawFaults, managementConfig } from "./faults.ts";
import { vmIdOf, vmName } from "./model.ts";
import type { Violation } from "./oracle.ts";
import { drawPolicy, replicate } from "./replication-wishes.ts";
import { unrestOf } from "./rest.ts";

const HOSTS = ["alpha", "bravo", "charlie", "delta"];
const VMS = ["vm1", "vm2", "vm3"];
/** How long after the last fault everything must have come to rest. */
const REST_MS = 150_000;
const REST_LOOK_MS = 2_000;
/** Longer than replicas count as fresh. */
const LAPSE_MS = 30_000;
/** Far more than any seed needs: beyond it programs are answering each other without end. */
const EVENTS_MAX = 300_000;

export interface Outcome {
  readonly seed: number;
  readonly violation: Violation | undefined;
  readonly digest: string;
  readonly events: number;
  readonly simulatedMs: number;
  readonly log: readonly string[];
}

export interface Options {
  readonly tracing?: boolean;
  readonly breakage?: Breakage | undefined;
  /** Added to every wall-clock time: nothing may depend on it. */
  readonly wallClockMs?: number;
}

export function runSeed(
  seed: number,
  { tracing = false, breakage, wallClockMs = 0 }: Options = {},
): Outcome {
  const chance = new Chance(seed * 2_654_435_761);
  const plan = chance.split("plan");
  const cluster = new Cluster({
    hosts: HOSTS.slice(0, 2 + plan.below(3)),
    faults: drawFaults(chance.split("faults")),
    chance,
    random: true,
    tracing,
    wallClockMs,
    coordinator: coordinatorConfig(plan),
    management: managementConfig(plan),
    breakage,
  });
  const run = new Run(cluster, plan);
  run.play();
  const { world, oracle } = cluster;
  const { digest, events, nowMs, log } = world;
  return { seed, violation: oracle.violation, digest, events, simulatedMs: nowMs, log };
}

/** Runs `count` seeds from `from` on; keeps only those that broke a rule. */
export function runSeeds(
  from: number,
  count: number,
  breakage?: Breakage,
): { readonly violations: readonly Outcome[]; readonly events: number } {
  const violations: Outcome[] = [];
  let events = 0;
  for (let seed = from; seed < from + count; seed++) {
    const outcome = runSeed(seed, { breakage });
    events += outcome.events;
    if (outcome.violation !== undefined) violations.push(outcome);
  }
  return { violations, events };
}

export interface Caught {
  readonly name: string;
  /** The first seed in which the oracle noticed, and by which of its rules. */
  readonly seed: number | undefined;
  readonly rule: string | undefined;
}

export function catchBreakage(breakage: Breakage, from: number, count: number): Caught {
  const { name } = breakage;
  for (let seed = from; seed < from + count; seed++) {
    const { violation } = runSeed(seed, { breakage });
    if (violation !== undefined) return { name, seed, rule: violation.rule };
  }
  return { name, seed: undefined, rule: undefined };
}

class Run {
  private readonly cluster: Cluster;
  private readonly chance: Chance;
  private readonly vms: readonly string[];
  private readonly dead = new Set<SimulatedAgent>();
  private readonly clearing: Chance;
  private readonly sights: Chance;
  /** Whether operators want replicas in this seed. */
  private readonly replicates: boolean;
  private calm = false;
  private predictions = 0;

  constructor(cluster: Cluster, chance: Chance) {
    this.cluster = cluster;
    this.chance = chance;
    this.clearing = chance.split("clearing");
    this.sights = chance.split("sights");
    this.replicates = this.sights.hit(0.5);
    this.vms = VMS.slice(0, 1 + chance.below(3));
  }

  play(): void {
    const { cluster, chance } = this;
    cluster.onDied = (program) => {
      if (this.calm) return;
      const { respawnMs } = cluster.faults;
      cluster.world.after(chance.between(0, respawnMs), () => this.restart(program));
    };
    cluster.onForcedOff = (agent) => {
      cluster.world.after(chance.between(5_000, 25_000), () => {
        if (!this.dead.has(agent)) cluster.powerOn(agent);
      });
    };
    cluster.startAll();
    this.operatorBegins();
    this.scheduleFaults();
    this.run(chance.between(20_000, 60_000));
    this.calmDown();
    const endMs = cluster.world.nowMs + REST_MS;
    let unrest = "";
    while (cluster.world.nowMs < endMs && !this.over()) {
      this.run(cluster.world.nowMs + REST_LOOK_MS);
      unrest = unrestOf(cluster, (id) => this.isDead(id), this.dead.size > 0);
      if (unrest === "") return this.lapse();
      this.nudge();
    }
    if (!this.over()) cluster.oracle.fail("no-rest", unrest);
  }

  /** In some seeds replicas get old at last, which nobody may be told to be fresh. */
  private lapse(): void {
    const { cluster, sights } = this;
    if (!sights.hit(0.15)) return;
    cluster.oracle.replicas.calm = true;
    if (sights.hit(0.5)) for (const vm of this.vms) cluster.stopVm(vm);
    else cluster.powerOff(sights.pick([...cluster.agents.values()]));
    this.run(cluster.world.nowMs + LAPSE_MS);
  }

  private over(): boolean {
    const { oracle, world } = this.cluster;
    if (world.events > EVENTS_MAX) oracle.fail("storm", `${world.events} events`);
    return oracle.violation !== undefined;
  }

  private run(untilMs: number): void {
    this.cluster.world.run(untilMs, () => this.over());
  }

  private restart(program: { start(): void }): void {
    const { cluster, chance } = this;
    const agent = [...cluster.agents.values()].find((one) => one === program);
    if (agent !== undefined && this.dead.has(agent)) return;
    // Who was switched off on purpose is switched on when somebody comes: see onForcedOff.
    if (agent?.host.forcedOff === true) return;
    if (agent !== undefined && !agent.host.powered) {
      cluster.world.after(chance.between(0, 5_000), () => {
        if (!this.dead.has(agent)) cluster.powerOn(agent);
      });
    } else program.start();
  }

  private operatorBegins(): void {
    const { cluster, chance, vms } = this;
    const { management, world } = cluster;
    if (chance.hit(0.9)) management.ask({ method: "mode", mode: "act" });
    const places = vms.map(() => this.anyHost().host.hostId);
    for (let again = 1; again <= 4; again++) {
      world.after(again * 1_000, () => {
        for (const [at, vm] of vms.entries()) {
          cluster.runVm(vm, places[at]!);
          if (again !== 2 || !this.replicates || !this.sights.hit(0.8)) continue;
          cluster.protect(vm, drawPolicy(this.sights));
        }
      });
    }
  }

  private anyHost(): SimulatedAgent {
    return this.chance.pick([...this.cluster.agents.values()]);
  }

  /** Faults from outside, each at its own mean interval, until the calm. */
  private scheduleFaults(): void {
    const { cluster } = this;
    const { everyMs, staysDead } = cluster.faults;
    this.every(everyMs.agentCrash, () => this.anyHost().crash());
    this.every(everyMs.reboot, () => this.reboot());
    this.every(everyMs.controlCrash, () => {
      if (this.chance.hit(0.5)) cluster.coordinator.crash();
      else cluster.management.crash();
    });
    this.every(everyMs.guestDeath, () => {
      const guests = [...this.anyHost().host.guests.values()];
      if (guests.length > 0) this.chance.pick(guests).end();
    });
    this.every(everyMs.partition, () => this.partition());
    this.every(everyMs.dataCut, () => {
      for (const link of this.anyHost().dataLinks) link.cut();
    });
    this.every(everyMs.operator, () => this.operate());
    this.every(everyMs.prediction, () => this.predict());
    this.every(everyMs.isolation, () => {
      const { hostId } = this.anyHost().host;
      const except = this.sights.hit(0.3) ? "nic" : undefined;
      if (cluster.faults.firmware === "early" && cluster.coordinator.fencing === hostId) return;
      cluster.isolate(hostId, this.sights.between(1_000, 40_000), except);
    });
    this.every(everyMs.blackout, () => cluster.blackOut(this.sights.between(1_000, 30_000)));
    if (!staysDead) return;
    cluster.world.after(this.chance.between(5_000, 40_000), () => {
      const victim = this.anyHost();
      this.dead.add(victim);
      cluster.powerOff(victim);
    });
  }

  private every(meanMs: number, act: () => void): void {
    if (!Number.isFinite(meanMs)) return;
    this.cluster.world.after(this.chance.between(0, 2 * meanMs), () => {
      if (this.calm) return;
      act();
      this.every(meanMs, act);
    });
  }

  private reboot(): void {
    const agent = this.anyHost();
    if (!agent.host.powered) return;
    const was = agent.running;
    this.cluster.powerOff(agent);
    if (!was) this.restart(agent);
  }

  private partition(): void {
    const { cluster, chance } = this;
    const hosts = [...cluster.agents.keys()];
    const places = [...hosts, "coordinator", "management"];
    const [a, b] = [chance.pick(places), chance.pick(places)];
    const oneWay = chance.hit(0.4);
    cluster.network.cut(a, b);
    if (!oneWay) cluster.network.cut(b, a);
    const lengthMs = chance.between(10, 15_000);
    cluster.world.after(lengthMs, () => {
      cluster.network.join(a, b);
      cluster.network.join(b, a);
    });
  }

  private operate(): void {
    const { cluster, chance, vms } = this;
    const { management } = cluster;
    const { hostId } = this.anyHost().host;
    const vm = chance.pick(vms);
    if (this.replicates && this.sights.hit(0.35)) {
      replicate(cluster, this.sights, vm, () => this.declareOff());
      return;
    }
    switch (chance.below(31)) {
      case 0:
      case 1:
        management.ask({ method: "cancel", hostId });
        return;
      case 2:
        cluster.stopVm(vm);
        return;
      case 3:
        cluster.cordon(hostId, true);
        return;
      case 4:
        management.ask({ method: "evacuate", hostId, dryRun: true });
        return;
      case 5:
        management.ask({ method: "disarm", disarmed: chance.hit(0.3) });
        return;
      case 6:
      case 7:
        cluster.cancelMoves();
        return;
      case 8:
      case 9:
      case 10:
        this.declareOff();
        return;
      case 11:
      case 12:
      case 13:
      case 14:
        this.fence();
        return;
      default:
        this.move(vm);
    }
  }

  /** An operator says so only of a server seen to be off. */
  private declareOff(): void {
    for (const { host } of this.cluster.agents.values()) {
      if (!host.powered) this.cluster.declareOff(host.hostId);
    }
  }

  /** An operator has a host switched off; often it is cut off meanwhile, or has been before. */
  private fence(): void {
    const { cluster, chance } = this;
    const { hostId, world } = this.anyHost().host;
    const how = { evenIfConnected: chance.hit(0.7), guestsWillStop: chance.hit(0.7) };
    const later = (ms: number, act: () => void) => world.after(ms, () => this.calm || act());
    const { firmware } = cluster.faults;
    if (firmware === "early") {
      cluster.isolate(hostId, 30_000);
      return later(chance.between(6_000, 12_000), () => cluster.fence(hostId, how));
    }
    cluster.fence(hostId, how);
    if (firmware === "lying" || chance.hit(0.4)) return;
    later(chance.between(0, 3_000), () => cluster.isolate(hostId, 5_000 + chance.below(20_000)));
  }

  /** Mostly what makes guests move: an evacuation, or one VM sent to any host. */
  private move(vm: string): void {
    const { cluster, chance } = this;
    const running = cluster.oracle.booksOf(vmIdOf(vm)).running?.host.hostId;
    const from = running ?? this.anyHost().host.hostId;
    for (const hostId of cluster.agents.keys()) cluster.cordon(hostId, false);
    if (running === undefined) cluster.runVm(vm, from);
    else if (chance.hit(0.4))
      cluster.management.ask({ method: "evacuate", hostId: from, dryRun: false });
    else cluster.migrate(vm, this.anyHost().host.hostId);
  }

  private predict(): void {
    const { cluster, chance } = this;
    const { hostId } = this.anyHost().host;
    const place = chance.hit(0.5) ? hostId : `nic-${hostId}`;
    if (chance.hit(0.8)) this.predictions++;
    cluster.predict(place, hostId, `p${this.predictions}`, chance.pick([0.1, 0.5, 0.9]));
    if (!this.clearing.hit(0.3)) return;
    const afterMs = this.clearing.between(0, 5_000);
    cluster.world.after(afterMs, () => cluster.clear(place, `p${this.predictions}`));
  }

  /** Faults end, and everything that was not lost for good is started again. */
  private calmDown(): void {
    const { cluster, chance } = this;
    this.calm = true;
    cluster.random = false;
    const { impatient, firmware } = cluster.faults;
    cluster.network.faults = { ...CALM, impatient, firmware };
    cluster.network.joinAll();
    if (firmware !== "lying") for (const link of cluster.network.links) link.doom();
    cluster.world.note("world", () => "faults end");
    for (const agent of cluster.agents.values()) {
      if (this.dead.has(agent)) cluster.powerOff(agent);
      else cluster.world.after(chance.between(0, 1_000), () => cluster.powerOn(agent));
    }
    cluster.world.after(500, () => {
      cluster.coordinator.start();
      cluster.management.start();
    });
  }

  /** What an operator would do about VMs that keep dying. */
  private nudge(): void {
    const { cluster } = this;
    this.declareOff();
    for (const hostId of cluster.agents.keys()) cluster.cordon(hostId, false);
    for (const vm of Object.values(cluster.coordinator.machine?.state.vms ?? {})) {
      if (vm.held?.startsWith("Started ") === true) cluster.runVm(vmName(vm.vmId), vm.hostId);
    }
  }

  private isDead(hostId: HostId): boolean {
    return this.dead.has(this.cluster.agentAt(hostId));
  }
}
