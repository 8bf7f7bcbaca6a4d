// Coordinator and three agents, each its real core, under a network that duplicates, delays,
// reorders and loses, with restarts of everything: the rules of terms hold after every event.
import fc from "fast-check";
import * as assert from "uvu/assert";
import * as agent from "../../../agent/authority/authority.ts";
import * as agentState from "../../../agent/authority/state.ts";
import * as coordinator from "../../../coordinator/coordinator.ts";
import {
  DEFAULTS,
  type Effect,
  type Event,
  type SagaRecord,
  type State,
  type VmRecord,
} from "../../../coordinator/state.ts";
import type { BootId, HostId, StreamId } from "../../../protocol/ids.ts";
import type { Message } from "../../../protocol/message.ts";
import {
  capacity,
  HOSTS,
  type HostName,
  hostRecord,
  inventory,
  operation,
  VM,
  vmRecord,
} from "./session.ts";

const CHAINS: agentState.Chains = {
  disk0: [{ layer: 0, path: "/images/worker", format: "qcow2" }],
};

interface Agent {
  state: agentState.State;
  journal: agentState.Record[];
  boots: number;
}

/** One random choice: what happens next, and to which of what there is. */
export const choice = fc.record({
  what: fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom("agent", "coordinator", "work") },
    { weight: 6, arbitrary: fc.constantFrom("flow", "tick", "duplicate", "move") },
    { weight: 1, arbitrary: fc.constantFrom("lose", "cancel", "die") },
    { weight: 1, arbitrary: fc.constantFrom("restart", "reboot", "crash") },
  ),
  at: fc.nat(1_000),
  host: fc.constantFrom(...HOSTS),
});
type Choice = typeof choice extends fc.Arbitrary<infer Value> ? Value : never;

export class World {
  atMs = 0;
  moves = 0;
  /** Both ways: in flight, in no order. */
  readonly toAgents: { host: HostName; message: Message }[] = [];
  readonly toCoordinator: Event[] = [];
  /** What agents' QEMU processes and streams have to tell. */
  readonly work: { host: HostName; event: agentState.Event }[] = [];
  readonly agents = new Map<HostName, Agent>();
  readonly vms = new Map<string, VmRecord>();
  readonly sagas = new Map<string, SagaRecord>();
  /** To which host a term was ever given, unconditionally or as a target. */
  readonly given = new Map<number, string>();
  state: State;

  constructor() {
    for (const host of HOSTS) {
      const self = { hostId: host as string as HostId, bootId: bootOf(1), life: 1 };
      this.agents.set(host, { state: agent.start(self, []), journal: [], boots: 1 });
    }
    const first = vmRecord({ term: 0, termMax: 0, ran: false });
    this.vms.set(VM, first);
    this.state = this.life();
    for (const host of HOSTS) this.connect(host);
  }

  life(): State {
    const [vms, sagas] = [[...this.vms.values()], [...this.sagas.values()]];
    return coordinator.start(HOSTS.map(hostRecord), vms, sagas, this.atMs);
  }

  connect(host: HostName): void {
    const { state } = this.agents.get(host)!;
    this.decide({ type: "agent-up", hostId: state.hostId, atMs: this.atMs });
    const reports: Extract<agentState.Effect, { type: "report" }>["report"][] = [];
    for (const effect of agent.step(state, { type: "report-all" })[1]) {
      if (effect.type === "report") reports.push(effect.report);
    }
    this.toCoordinator.push({ ...inventory(host, reports, state.bootId), atMs: this.atMs });
  }

  decide(event: Event): void {
    const before = this.state;
    const [next, effects] = coordinator.step(before, event, DEFAULTS);
    this.state = next;
    for (const effect of effects) this.perform(effect);
  }

  perform(effect: Effect): void {
    if (effect.type === "save-vm") this.vms.set(effect.vm.vmId, effect.vm);
    if (effect.type === "save-saga") this.saveSaga(effect.saga);
    if (effect.type !== "send-agent") return;
    const { message } = effect;
    const host = effect.hostId as string as HostName;
    if (message.type === "grant" || message.type === "prepare") this.give(host, message.term);
    this.toAgents.push({ host, message });
  }

  give(host: HostName, term: number): void {
    const before = this.given.get(term);
    assert.ok(before === undefined || before === host, `term ${term}: ${before} and ${host}`);
    assert.ok(term <= this.vms.get(VM)!.termMax, `term ${term} was given before it was durable`);
    this.given.set(term, host);
  }

  saveSaga(saga: SagaRecord): void {
    const open = [...this.sagas.values()].filter((one) => one.phase !== "done");
    const others = open.filter((one) => one.sagaId !== saga.sagaId);
    assert.equal(others, [], "two sagas of one VM");
    const before = this.sagas.get(saga.sagaId)?.phase;
    assert.ok(before !== "done" || saga.phase === "done", "a finished saga went on");
    this.sagas.set(saga.sagaId, saga);
  }

  run(host: HostName, event: agentState.Event): void {
    const one = this.agents.get(host)!;
    const [next, effects] = agent.step(one.state, event);
    one.state = next;
    for (const effect of effects) this.act(host, one, effect);
    this.oneInstance();
  }

  /** What the shell of an agent would do; the guest's answers come later or never. */
  act(host: HostName, one: Agent, effect: agentState.Effect): void {
    const { hostId, bootId } = one.state;
    const later = (event: agentState.Event) => this.work.push({ host, event });
    switch (effect.type) {
      case "journal":
        one.journal.push(effect.record);
        break;
      case "report": {
        const { report } = effect;
        const message = { type: "vm-report", hostId, bootId, capacity, report } as const;
        this.toCoordinator.push({ ...message, atMs: 0 });
        break;
      }
      case "start-guest":
        later({ type: "chains", vmId: VM, chains: CHAINS });
        later({ type: "guest-running", vmId: VM });
        break;
      case "continue-guest":
        later({ type: "guest-running", vmId: VM });
        break;
      case "verify-guest":
        later({ type: "guest-verified", vmId: VM });
        break;
      case "receive": {
        const { stream } = effect.prepare;
        later({ type: "prepared", vmId: VM, stream, address: "127.0.0.1:7000", chains: CHAINS });
        break;
      }
      case "stream": {
        const { stream, target } = effect.migrateOut;
        const event = { type: "epoch-loaded", vmId: VM, stream, epoch: 2 } as const;
        this.work.push({ host: target as string as HostName, event });
        break;
      }
      case "send-ack": {
        const stance = one.state.vms[VM]?.stance;
        if (stance?.phase !== "incoming") break;
        const event = { type: "last-acked", vmId: VM, stream: effect.stream, epoch: 2 } as const;
        this.work.push({ host: stance.source as string as HostName, event });
        break;
      }
      default:
        break;
    }
  }

  /** docs/authority.md: at most one instance runs with authority, and each under its own term. */
  oneInstance(): void {
    const running = HOSTS.filter((host) => {
      const vm = this.agents.get(host)!.state.vms[VM];
      return vm?.stance.phase === "active" && vm.guest !== "absent";
    });
    assert.ok(running.length <= 1, `runs on ${running.join(" and ")}`);
  }

  restart(host: HostName, reboot: boolean): void {
    const one = this.agents.get(host)!;
    const before = one.state.vms[VM];
    if (reboot) one.boots++;
    const { life, vms } = agentState.replay(one.journal);
    const self = {
      hostId: one.state.hostId,
      bootId: bootOf(one.boots),
      life: Math.max(1, life) + 1,
    };
    one.state = agent.start(self, vms);
    const lost = this.work.filter((item) => item.host !== host);
    this.work.splice(0, this.work.length, ...lost);
    this.decide({ type: "agent-down", hostId: self.hostId, atMs: this.atMs });
    const guest = before?.guest === "paused" ? "paused" : "running";
    const alive = !reboot && (before?.guest === "running" || before?.guest === "paused");
    this.run(host, { type: "recovered", found: alive ? { [VM]: guest } : {} });
    this.connect(host);
  }

  move(host: HostName, stream: number): void {
    this.decide({
      type: "migrate",
      operationId: operation(`move-${++this.moves}`),
      vmId: VM,
      target: host as string as HostId,
      limits: { pauseMsMax: 1_000, roundsMax: 20 },
      stream: `${this.moves}${stream}`.padStart(32, "0") as StreamId,
      token: "7".repeat(64),
      atMs: this.atMs,
    });
  }

  /** A crash loses what was in flight; a restart knows only what was durable. */
  crash(): void {
    this.toAgents.length = 0;
    this.toCoordinator.length = 0;
    this.state = this.life();
    for (const host of HOSTS) this.connect(host);
  }

  choose({ what, at, host }: Choice): void {
    switch (what) {
      case "agent":
        return this.toAgent(at, true);
      case "coordinator":
        return this.toDecide(at, true);
      case "duplicate":
        this.toAgent(at, false);
        return this.toDecide(at, false);
      case "lose":
        this.toAgents.splice(at % (this.toAgents.length + 1), 1);
        this.toCoordinator.splice(at % (this.toCoordinator.length + 1), 1);
        return;
      case "work":
        return this.doWork(at);
      case "flow":
        return this.flow();
      case "tick":
        this.atMs += at * 50;
        return this.decide({ type: "tick", atMs: this.atMs });
      case "move":
        return this.move(host, at);
      case "cancel": {
        const operationId = operation(`move-${this.moves}`);
        return this.decide({ type: "cancel-saga", operationId, reason: "Stop", atMs: this.atMs });
      }
      case "die":
        return this.run(host, { type: "guest-died", vmId: VM, reason: "It died" });
      case "restart":
        return this.restart(host, false);
      case "reboot":
        return this.restart(host, true);
      case "crash":
        return this.crash();
    }
  }

  /** Everything in flight arrives once, in order. */
  flow(): void {
    for (let left = this.toCoordinator.length; left > 0; left--) this.toDecide(0, true);
    for (let left = this.toAgents.length; left > 0; left--) this.toAgent(0, true);
    for (let left = this.work.length; left > 0; left--) this.doWork(0);
  }

  doWork(at: number): void {
    const [item] = this.work.splice(at % (this.work.length + 1), 1);
    if (item !== undefined) this.run(item.host, item.event);
  }

  toAgent(at: number, take: boolean): void {
    const index = at % (this.toAgents.length + 1);
    const item = this.toAgents[index];
    if (item === undefined) return;
    if (take) this.toAgents.splice(index, 1);
    this.run(item.host, item.message as agentState.Event);
  }

  toDecide(at: number, take: boolean): void {
    const index = at % (this.toCoordinator.length + 1);
    const event = this.toCoordinator[index];
    if (event === undefined) return;
    if (take) this.toCoordinator.splice(index, 1);
    this.decide({ ...event, atMs: this.atMs });
  }
}

function bootOf(boots: number): BootId {
  return `b0070${boots.toString().padStart(3, "0")}` as BootId;
}

/** Every agent connects anew, and all is delivered in order for so long. */
export function settle(world: World, seconds: number): void {
  for (const host of HOSTS) world.connect(host);
  for (let second = 0; second < seconds; second++) {
    for (let round = 0; round < 5; round++) world.flow();
    world.choose({ what: "tick", at: 20, host: "alpha" });
  }
}
