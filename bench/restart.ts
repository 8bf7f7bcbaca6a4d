/**
 * How long a guest stays paused by an agent's death: its worker ends by SIGKILL at each moment of
 * a move at which the guest is stopped, and the guest's own serial line tells when it runs again,
 * here or there. It prints every 10 to 30 ms, which the figures include.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Fleet } from "../cli/demo/fleet.ts";
import { counterGuest } from "../cli/demo/guests.ts";
import { readStatus, runGuest, startEvacuation, until, withFleet } from "../cli/demo/operate.ts";
import { makeBootDisk } from "../cli/guests/counter-guest.ts";
import { SystemError } from "../protocol/error.ts";
import type { HostId, VmId } from "../protocol/ids.ts";
import type { Clock } from "../runtime/clock.ts";
import type { CrashPoint } from "../runtime/crash-point.ts";
import { childrenOf, isRunning } from "./processes.ts";
import { type Bench, type BenchPorts, type Outcome, type Row, sampledRow } from "./report.ts";

const VM = "55555555-5555-4555-8555-555555555555" as VmId;
/** The promise: no guest stays paused longer by an agent's death (docs/authority.md, section 3). */
const PAUSE_MS_MAX = 1_000;
const WAIT_MS = 60_000;
const LOOK_MS = 2;
const PAGES = 2048;

const AT_SOURCE: readonly CrashPoint[] = [
  "agent-cut-stopped",
  "agent-cut-state",
  "agent-last-stopped",
  "agent-last-sent",
  "agent-last-acked",
  "agent-released-journal",
  "agent-released-sent",
];
const AT_TARGET: readonly CrashPoint[] = [
  "agent-target-loaded",
  "agent-target-last-acked",
  "agent-active-journal",
];

export const restartBench: Bench = {
  name: "restart",
  summary: "Ends the agent's worker while a guest is stopped: the time until the guest runs again.",
  options: { times: { default: 5, help: "deaths at each moment" } },
  async run({ times = 1 }, ports) {
    return withFleet(ports.clock, "bench", (fleet) => dieOften(fleet, times, ports));
  },
};

async function dieOften(fleet: Fleet, times: number, ports: BenchPorts): Promise<Outcome> {
  const { clock, note } = ports;
  await fleet.stop("agent-charlie");
  const guest = await counterGuest(`${fleet.folder}/guests`, VM);
  await makeBootDisk(guest.disks[0]!.path, { pages: PAGES, delay: 1 });
  await runGuest(clock, fleet, "alpha", guest);
  const rows: Row[] = [];
  let worst = 0;
  for (const point of [...AT_SOURCE, ...AT_TARGET]) {
    const pauses: number[] = [];
    for (let time = 0; time < times; time++) pauses.push(await die(fleet, point, time, clock));
    note(`${point}: ${pauses.map((ms) => ms.toFixed(0)).join(", ")} ms`);
    rows.push(sampledRow(point, "ms", pauses, { target: PAUSE_MS_MAX }));
    worst = Math.max(worst, ...pauses);
  }
  rows.push(sampledRow("the worst of all", "ms", [worst], { target: PAUSE_MS_MAX }));
  return { rows, faults: [] };
}

/** One death; returns how long afterwards the guest was still. */
async function die(fleet: Fleet, point: CrashPoint, time: number, clock: Clock): Promise<number> {
  const from = await hostOf(fleet, clock);
  const to = from === "alpha" ? "bravo" : "alpha";
  const victim = AT_TARGET.includes(point) ? to : from;
  await fleet.stop(`agent-${victim}`);
  await fleet.startAgent(victim, {
    LIFEBOAT_CRASH_AT: point,
    LIFEBOAT_CRASH_ONCE: join(fleet.folder, `${point}-${time}`),
  });
  await connected(fleet, clock);
  const pid = fleet.programOf(`agent-${victim}`)?.pid;
  const [worker] = pid === undefined ? [] : childrenOf(pid);
  if (worker === undefined) throw new SystemError("STATE_CONFLICT", "The agent has no worker");
  const client = await fleet.operator();
  for (const hostId of [from, to] as HostId[]) {
    await client.ask({ method: "cordon", hostId, cordoned: false });
  }
  const stillMs = stillAfter(fleet, worker, clock);
  await startEvacuation(fleet, from, to);
  return stillMs;
}

/** From the worker's end to the guest's next sign of life, wherever. */
async function stillAfter(fleet: Fleet, worker: number, clock: Clock): Promise<number> {
  const untilMs = clock.nowMs() + WAIT_MS;
  const wait = async (holds: () => boolean, what: string): Promise<number> => {
    while (!holds()) {
      if (clock.nowMs() > untilMs) throw new SystemError("TIMED_OUT", `Not in time: ${what}`);
      await clock.sleep(LOOK_MS);
    }
    return clock.nowMs();
  };
  const diedMs = await wait(() => !isRunning(worker), "the worker's death");
  const before = printed(fleet);
  return (await wait(() => printed(fleet) > before, "the guest's next line")) - diedMs;
}

function printed(fleet: Fleet): number {
  const sizes = ["alpha", "bravo"].map((host) => {
    const path = join(fleet.stateOf(host), "vms", VM, "serial.log");
    return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  });
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Where the guest runs, once nothing is under way any more. */
async function hostOf(fleet: Fleet, clock: Clock): Promise<string> {
  const seen = await until(
    clock,
    "the guest runs and nothing is open",
    () => readStatus(fleet),
    ({ vms, evacuations }) => {
      const vm = vms.find(({ vmId }) => vmId === VM);
      const open = evacuations.some(({ phase }) => phase !== "done");
      return vm?.guest === "running" && vm.sagaId === undefined && !open;
    },
  );
  const host = seen.vms.find(({ vmId }) => vmId === VM)?.hostId;
  if (host === undefined) throw new SystemError("STATE_CONFLICT", "The guest runs nowhere");
  return host;
}

async function connected(fleet: Fleet, clock: Clock): Promise<void> {
  await until(
    clock,
    "both agents are connected",
    () => readStatus(fleet),
    ({ coordinatorUp, hosts }) =>
      coordinatorUp &&
      ["alpha", "bravo"].every((id) => hosts.some((one) => one.hostId === id && one.connected)),
  );
}
