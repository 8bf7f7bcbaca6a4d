/**
 * A scenario: commands to a simulated site in which nothing goes wrong unless it is told to.
 *
 *   hosts alpha bravo            at the start; else alpha, bravo and charlie
 *   run VM on HOST | stop VM | evacuate HOST [to HOST] [only VM] [dry-run] | cancel HOST
 *   mode act|shadow | disarm | arm | cordon HOST | uncordon HOST
 *   predict HOST ID | predict nic-HOST ID | predict HOST ID for SERVER
 *   clear HOST ID | clear nic-HOST ID      that prediction holds no more
 *   declare-off HOST             an operator says that its server is off
 *   fence HOST                   an operator has its server switched off, whatever runs there
 *   automatic-fence              the site allows it, and every VM counts as protected
 *   isolate HOST MS              nobody hears or sees it, or its NIC firmware, for so long
 *   protect VM with N [every MS] | unprotect VM | failover VM [stale] | switch-over VM to HOST
 *   firmware KIND                what every service processor is like from now on
 *   crash NAME | crash NAME at STEP | start NAME | power-off HOST | power-on HOST
 *   cut A B | cut A>B | join A B | cut-stream HOST | guest-dies VM on HOST
 *   resend MESSAGE to HOST       the first such message, once more
 *   advance MS | until TEXT      at most two minutes, until a line has this text
 *   status                       who runs what
 */

import { DEFAULTS as COORDINATOR } from "../../coordinator/state.ts";
import { DEFAULTS as MANAGEMENT } from "../../management/state.ts";
import type { HostId } from "../../protocol/ids.ts";
import type { Message } from "../../protocol/message.ts";
import type { SimulatedAgent } from "./agent.ts";
import { Chance } from "./chance.ts";
import { Cluster } from "./cluster.ts";
import { CALM } from "./faults.ts";
import type { Firmware } from "./firmware.ts";
import { Crash } from "./lifetime.ts";
import { vmIdOf, vmName } from "./model.ts";

const UNTIL_MS_MAX = 120_000;
const UNTIL_STEP_MS = 1;

type Words = readonly string[];
type Command = (cluster: Cluster, words: Words) => void;

export class Scenario {
  private readonly cluster: Cluster;
  private readonly aims = new Map<string, string>();
  private readonly sent: { readonly hostId: HostId; readonly message: Message }[] = [];

  constructor(hosts: readonly string[] = ["alpha", "bravo", "charlie"]) {
    this.cluster = new Cluster({
      hosts,
      faults: CALM,
      chance: new Chance(1),
      random: false,
      tracing: true,
      coordinator: COORDINATOR,
      management: MANAGEMENT,
    });
    this.cluster.onReached = (place, step) => this.reached(place, step);
    this.cluster.onSent = (hostId, message) => this.sent.push({ hostId, message });
    this.cluster.startAll();
    this.advance(1_000);
    this.cluster.world.log.length = 0;
  }

  /** Carries out one line and returns what was logged meanwhile. */
  command(line: string): string[] {
    const { log } = this.cluster.world;
    const from = log.length;
    const [verb = "", ...words] = line.split(/\s+/);
    const command = COMMANDS[verb];
    if (command !== undefined) command(this.cluster, words);
    else this.ownCommand(verb, words);
    return log.slice(from);
  }

  /** The rule that was broken, if any was. */
  get violation(): string | undefined {
    const { violation } = this.cluster.oracle;
    return violation === undefined ? undefined : `${violation.rule}: ${violation.text}`;
  }

  private ownCommand(verb: string, words: Words): void {
    switch (verb) {
      case "advance":
        this.advance(Number(words[0]));
        return;
      case "until":
        this.until(words.join(" "));
        return;
      case "crash":
        if (words[1] === "at") this.aims.set(words[0]!, words[2]!);
        else program(this.cluster, words[0]!).crash();
        return;
      case "resend":
        this.resend(words[0]!, words[2]!);
        return;
      default:
        throw new Error(`No command "${verb}"`);
    }
  }

  private advance(forMs: number): void {
    const { world } = this.cluster;
    world.run(world.nowMs + forMs, () => false);
  }

  private until(text: string): void {
    const { world } = this.cluster;
    const from = world.log.length;
    const endMs = world.nowMs + UNTIL_MS_MAX;
    const seen = () => world.log.slice(from).some((line) => line.includes(text));
    while (world.nowMs < endMs && !seen()) world.run(world.nowMs + UNTIL_STEP_MS, seen);
    if (!seen()) world.note("scenario", () => `waited in vain for "${text}"`);
  }

  private reached(place: string, step: string): void {
    if (this.aims.get(place) !== step) return;
    this.aims.delete(place);
    throw new Crash(step);
  }

  private resend(type: string, hostId: string): void {
    const first = this.sent.find((one) => one.hostId === hostId && one.message.type === type);
    if (first === undefined) throw new Error(`No ${type} was sent to ${hostId}`);
    this.cluster.agentAt(first.hostId).port.take(first.message);
  }
}

const COMMANDS: Readonly<Record<string, Command>> = {
  run: (cluster, [vm, , host]) => cluster.runVm(vm!, host as HostId),
  stop: (cluster, [vm]) => cluster.stopVm(vm!),
  evacuate,
  cancel: (cluster, [host]) => cluster.management.ask({ method: "cancel", hostId: host as HostId }),
  mode: (cluster, [mode]) =>
    cluster.management.ask({ method: "mode", mode: mode === "act" ? "act" : "shadow" }),
  disarm: (cluster) => cluster.management.ask({ method: "disarm", disarmed: true }),
  arm: (cluster) => cluster.management.ask({ method: "disarm", disarmed: false }),
  cordon: (cluster, [host]) => cluster.cordon(host as HostId, true),
  uncordon: (cluster, [host]) => cluster.cordon(host as HostId, false),
  "declare-off": (cluster, [host]) => cluster.declareOff(host as HostId),
  fence: (cluster, [host]) =>
    cluster.fence(host as HostId, { evenIfConnected: true, guestsWillStop: true }),
  "automatic-fence": ({ coordinator }) => {
    const automaticFence = { enabled: true, perDayMax: 2 };
    coordinator.config = { ...coordinator.config, automaticFence, protectedWithinRpo: () => true };
  },
  isolate: (cluster, [host, ms]) => cluster.isolate(host as HostId, Number(ms)),
  protect: (cluster, [vm, , count, , every]) => {
    const intervalMs = Number(every ?? 1_000);
    const secondaries = Number(count);
    cluster.protect(vm!, { mode: "async", intervalMs, secondaries, apart: "server" });
  },
  unprotect: (cluster, [vm]) => cluster.protect(vm!),
  failover: (cluster, [vm, stale]) => cluster.failover(vm!, stale === "stale"),
  "switch-over": (cluster, [vm, , host]) => cluster.switchOver(vm!, host as HostId),
  firmware: (cluster, [kind]) => {
    const { network } = cluster;
    network.faults = { ...network.faults, firmware: kind as Firmware };
  },
  predict: (cluster, [place, id, , server]) =>
    cluster.predict(place!, server ?? place!.replace("nic-", ""), id!, 0.9),
  clear: (cluster, [place, id]) => cluster.clear(place!, id!),
  start: (cluster, [name]) => program(cluster, name!).start(),
  "power-off": (cluster, [host]) => cluster.powerOff(cluster.agentAt(host as HostId)),
  "power-on": (cluster, [host]) => cluster.powerOn(cluster.agentAt(host as HostId)),
  cut: (cluster, words) => {
    for (const [from, to] of ways(words)) cluster.network.cut(from, to);
  },
  join: (cluster, words) => {
    for (const [from, to] of ways(words)) cluster.network.join(from, to);
  },
  "cut-stream": (cluster, [host]) => {
    for (const link of cluster.agentAt(host as HostId).dataLinks) link.cut();
  },
  "guest-dies": (cluster, [vm, , host]) => {
    const { guests } = cluster.agentAt(host as HostId).host;
    guests.get(vmIdOf(vm!))?.end();
  },
  status,
};

function evacuate(cluster: Cluster, [host, ...rest]: Words): void {
  const after = (word: string) => rest[rest.indexOf(word) + 1];
  cluster.management.ask({
    method: "evacuate",
    hostId: host as HostId,
    dryRun: rest.includes("dry-run"),
    ...(rest.includes("to") ? { target: after("to") as HostId } : {}),
    ...(rest.includes("only") ? { vmIds: [vmIdOf(after("only")!)] } : {}),
  });
}

function ways([a, b]: Words): [string, string][] {
  if (b === undefined) return [a!.split(">") as [string, string]];
  return [
    [a!, b],
    [b, a!],
  ];
}

function program(cluster: Cluster, name: string): { start(): void; crash(): void } {
  if (name === "coordinator") return cluster.coordinator;
  if (name === "management") return cluster.management;
  return cluster.agentAt(name as HostId);
}

function status(cluster: Cluster): void {
  const { world, agents } = cluster;
  for (const agent of agents.values()) {
    for (const line of standing(agent)) world.note("status", () => line);
  }
  for (const vm of Object.values(cluster.coordinator.machine?.state.vms ?? {})) {
    if (vm.held === undefined) continue;
    world.note("status", () => `${vm.definition.name} is held: ${vm.held}`);
  }
  for (const agent of agents.values()) {
    for (const line of replicasOn(agent)) world.note("status", () => line);
  }
}

/** A line for each replica on a host's disk. */
function replicasOn({ host }: SimulatedAgent): string[] {
  return [...host.replicas.values()].map(({ vmId, term, points }) => {
    const newest = points.at(-1);
    const what = newest === undefined ? "nothing yet" : `cut ${newest.cut}`;
    return `${host.hostId} keeps a replica of ${vmName(vmId)}: term=${term}, ${what}`;
  });
}

/** A line for each VM of which a host has a record or a process. */
function standing({ host }: SimulatedAgent): string[] {
  const ids = new Set([...host.records.keys(), ...host.guests.keys()]);
  return [...ids].sort().flatMap((id) => {
    const stance = host.records.get(id)?.stance ?? { phase: "none" as const };
    const guest = host.guests.get(id);
    const state = guest === undefined ? "absent" : guest.state;
    if (stance.phase === "none" && guest === undefined) return [];
    const term = stance.phase === "none" ? "" : ` term=${stance.term}`;
    return [`${host.hostId} ${vmName(id)} ${stance.phase}${term}, guest ${state}`];
  });
}
