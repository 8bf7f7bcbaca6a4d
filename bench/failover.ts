/**
 * Failovers of a real guest in a row, round three hosts: the power of its server is taken by the
 * fence that proves it, and the guest comes up from its replica. A process of its own watches all
 * consoles: never do two instances print, and no more is lost than was promised.
 *
 * The fence is asked for by an operator, so that nothing has to be detected first. All servers are
 * this machine, on loopback: nobody there could see the kernel of a server fall silent.
 */
import { join } from "node:path";
import type { Fleet } from "../cli/demo/fleet.ts";
import { counterGuest } from "../cli/demo/guests.ts";
import { HOSTS } from "../cli/demo/hardware.ts";
import { readStatus, runGuest, silentWorld, until } from "../cli/demo/operate.ts";
import { type ServiceProcessor, serviceProcessorOf } from "../cli/demo/service-processor.ts";
import { makeSite, startSite } from "../cli/demo/site.ts";
import type { VmStatus } from "../management/status.ts";
import { SystemError } from "../protocol/error.ts";
import type { OffProof } from "../protocol/fence.ts";
import { type HostId, serverId, type VmId } from "../protocol/ids.ts";
import type { Event } from "../protocol/operator.ts";
import type { ProtectionPolicy } from "../protocol/replication.ts";
import { type Program, startProgram } from "../runtime/program.ts";
import {
  type Observation,
  type Round,
  roundFaults,
  roundTimes,
  TIMES,
  type Times,
} from "./failover-round.ts";
import { type Bench, type BenchPorts, type Outcome, sampledRow } from "./report.ts";

const VM = "44444444-4444-4444-8444-444444444444" as VmId;
const OBSERVER = join(import.meta.dirname, "guest-observer.ts");
const FENCE_MS = 60_000;
const READY_MS = 180_000;
/** So long a guest runs under protection before its server's power is taken, at least. */
const RUN_MS = 2_000;

export const failoverBench: Bench = {
  name: "failover",
  summary: "Takes the power of a guest's server, again and again: the time until a replica runs.",
  options: {
    times: { default: 50, help: "failovers" },
    "interval-ms": { default: 1_000, help: "from one cut to the next" },
  },
  async run({ times = 1, "interval-ms": intervalMs = 1_000 }, ports) {
    const world = silentWorld(ports.clock);
    const processors = HOSTS.map((host) => serviceProcessorOf(world, host));
    const site = { simulated: HOSTS, processors };
    const fleet = makeSite(world, site);
    const observed: Observation[] = [];
    let observer: Program | undefined;
    try {
      await startSite(fleet, site);
      const consoles = HOSTS.map((host) => join(fleet.stateOf(host), "vms", VM, "serial.log"));
      observer = startProgram(OBSERVER, consoles, {
        onLine: (line) => void observed.push(JSON.parse(line) as Observation),
      });
      const all = { fleet, processors, observed, ports, intervalMs };
      return await failOften(all, times);
    } finally {
      observer?.signal("SIGTERM");
      await fleet.close();
    }
  },
};

interface Scene {
  readonly fleet: Fleet;
  readonly processors: readonly ServiceProcessor[];
  readonly observed: readonly Observation[];
  readonly ports: BenchPorts;
  readonly intervalMs: number;
}

async function failOften(scene: Scene, times: number): Promise<Outcome> {
  const { fleet, ports, intervalMs } = scene;
  const first = HOSTS[0]!;
  await runGuest(ports.clock, fleet, first, await counterGuest(`${fleet.folder}/guests`, VM));
  const client = await fleet.operator();
  const policy: ProtectionPolicy = { mode: "async", intervalMs, secondaries: 1, apart: "server" };
  await client.ask({ method: "protect", vmId: VM, policy, dryRun: false });
  const rounds: Round[] = [];
  const all: Times[] = [];
  const faults: string[] = [];
  for (let time = 1; time <= times; time++) {
    const round = await failOnce(scene, rounds.at(-1));
    const wrong = roundFaults(round, scene.observed, 2 * intervalMs);
    faults.push(...wrong.map((one) => `Failover ${time}: ${one}`));
    rounds.push(round);
    const spans = roundTimes(round, scene.observed);
    all.push(spans);
    const parts = TIMES.map((name) => `${name} ${spans[name].toFixed(0)}`).join(", ");
    ports.note(`${time}: ${round.from} -> ${round.to}: ${parts} ms`);
  }
  const aims: Partial<Record<(typeof TIMES)[number], number>> = {
    activation: 100,
    "proof to running": 1_000,
    loss: 2 * intervalMs,
  };
  const rows = TIMES.map((name) => {
    const target = aims[name];
    const samples = all.map((spans) => spans[name]);
    return sampledRow(name, "ms", samples, target === undefined ? {} : { target });
  });
  const notes = [`${times} failovers; ${scene.observed.length} lines observed`];
  return { rows, notes, faults };
}

async function failOnce(scene: Scene, last: Round | undefined): Promise<Round> {
  const { fleet, processors, ports } = scene;
  const { clock } = ports;
  const before = await ready(scene);
  await clock.sleep(RUN_MS);
  await ready(scene);
  const from = before.hostId!;
  const strange = strangers(scene.observed, HOSTS.indexOf(from), last);
  if (strange > 0) {
    throw new SystemError("STATE_CONFLICT", `${strange} lines of an instance beside ${from}`);
  }
  const cutAtMs = Date.now();
  const client = await fleet.operator();
  const ids = { hostId: from, serverId: serverId.parse(from) };
  const how = { evenIfConnected: true, guestsWillStop: true, dryRun: false };
  const proof = await client.ask<OffProof>({ method: "fence", ...ids, ...how }, FENCE_MS);
  const up = await until(
    clock,
    `the guest runs elsewhere than on ${from}`,
    async () => (await vmOf(fleet))!,
    (vm) => vm.hostId !== undefined && vm.hostId !== from && vm.guest === "running",
  );
  const to = up.hostId!;
  const console = HOSTS.indexOf(to);
  const counted = () => scene.observed.some((one) => one.console === console && one.atMs > cutAtMs);
  await until(clock, `the guest counts on ${to}`, counted, (holds) => holds);
  const events = await eventsSince(fleet, cutAtMs);
  await bringBack(fleet, processors, from);
  return { from, to, consoles: [HOSTS.indexOf(from), console], cutAtMs, proof, events };
}

/** Lines of other hosts since the guest counts where it is now. */
function strangers(
  observed: readonly Observation[],
  console: number,
  last: Round | undefined,
): number {
  if (last === undefined) return 0;
  const began = observed.find((one) => one.console === console && one.atMs > last.cutAtMs);
  const since = began?.atMs ?? Number.POSITIVE_INFINITY;
  return observed.filter((one) => one.console !== console && one.atMs > since).length;
}

/** Power, agent and firmware are there again. */
async function bringBack(fleet: Fleet, processors: readonly ServiceProcessor[], host: HostId) {
  await fleet.stop(`agent-${host}`, "SIGKILL");
  await processors.find((one) => one.hostId === host)!.reset("On");
  await fleet.startAgent(host);
}

/** Every host is there, its firmware is heard, and the guest is protected as asked for. */
async function ready({ fleet, ports }: Scene): Promise<VmStatus> {
  const seen = await until(
    ports.clock,
    "the guest is protected, and every host is there",
    () => readStatus(fleet),
    ({ vms, hosts, connected }) => {
      const [vm] = vms;
      const there = HOSTS.every((id) => connected.includes(`nic:${id}`));
      const up = hosts.length === HOSTS.length && hosts.every((host) => host.connected);
      return there && up && vm?.guest === "running" && vm.protection?.state === "protected";
    },
    READY_MS,
  );
  return seen.vms[0]!;
}

async function vmOf(fleet: Fleet): Promise<VmStatus | undefined> {
  return (await readStatus(fleet)).vms[0];
}

/** The time line from that moment of the wall clock on. */
async function eventsSince(fleet: Fleet, atMs: number): Promise<Event[]> {
  const client = await fleet.operator();
  const found: Event[] = [];
  for (let after = 0; ; ) {
    const page = { method: "events", after, follow: false } as const;
    const { events } = await client.ask<{ events: Event[] }>(page);
    found.push(...events.filter(({ wallTime }) => Date.parse(wallTime) >= atMs));
    const last = events.at(-1);
    if (last === undefined) break;
    after = last.id;
  }
  if (found.length > 0) return found;
  throw new SystemError("STATE_CONFLICT", "The time line has nothing of the failover");
}
