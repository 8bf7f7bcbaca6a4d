/**
 * What the programs cost while nothing happens: two guests run on alpha, and its agent reads its
 * sensors and keeps its links. Guests are processes of their own and are not counted.
 */
import type { Fleet } from "../cli/demo/fleet.ts";
import { counterGuest, linuxGuest } from "../cli/demo/guests.ts";
import { ASSETS, runGuest, withFleet } from "../cli/demo/operate.ts";
import { SystemError } from "../protocol/error.ts";
import type { VmId } from "../protocol/ids.ts";
import { childrenOf, type MemoryUse, readMemoryUse, readTimes } from "./processes.ts";
import { type Bench, type BenchPorts, type Row, sampledRow } from "./report.ts";

const LINUX = "11111111-1111-4111-8111-111111111111" as VmId;
const COUNTER = "22222222-2222-4222-8222-222222222222" as VmId;
/** After its start an agent reads its inventory, once. */
const SETTLE_MS = 10_000;
const SAMPLE_MS = 1_000;
const MIB = 1024 * 1024;

export const agentBench: Bench = {
  name: "agent",
  summary: "Measures memory and CPU of the agent, idle with two guests, and of the servers.",
  options: { seconds: { default: 60, help: "how long to watch" } },
  async run({ seconds = 1 }, ports) {
    const rows = await withFleet(ports.clock, "bench", (fleet) => watch(fleet, seconds, ports));
    return { rows, faults: [] };
  },
};

interface Watched {
  readonly name: string;
  readonly pid: number;
  readonly memory: MemoryUse[];
  readonly startCpuMs: number;
}

async function watch(fleet: Fleet, seconds: number, ports: BenchPorts): Promise<Row[]> {
  const { clock, note } = ports;
  const guests = `${fleet.folder}/guests`;
  await runGuest(clock, fleet, "alpha", await linuxGuest(guests, ASSETS, LINUX));
  await runGuest(clock, fleet, "alpha", await counterGuest(guests, COUNTER));
  await clock.sleep(SETTLE_MS);
  const first = readMemoryUse(workerOf(fleet));
  // A worker compiles its code at its first start on a host; what stays is one that loaded it.
  await fleet.stop("agent-alpha");
  await fleet.startAgent("alpha");
  await clock.sleep(SETTLE_MS);
  const watched = programsOf(fleet).map(
    ([name, pid]): Watched => ({ name, pid, memory: [], startCpuMs: readTimes(pid).cpuMs }),
  );
  note(`Watching ${watched.length} processes for ${seconds} s`);
  const startedMs = clock.nowMs();
  while (clock.nowMs() - startedMs < seconds * 1_000) {
    await clock.sleep(SAMPLE_MS);
    for (const { pid, memory } of watched) memory.push(readMemoryUse(pid));
  }
  const tookMs = clock.nowMs() - startedMs;
  return [
    ...watched.flatMap((one) => rowsOf(one, tookMs)),
    sampledRow("agent, worker, at its first start: RSS", "MiB", [first.rssBytes / MIB]),
    sampledRow("agent, worker, at its first start: private", "MiB", [first.privateBytes / MIB]),
  ];
}

function programsOf(fleet: Fleet): [name: string, pid: number][] {
  return [
    ["agent, worker", workerOf(fleet)],
    ["agent, parent", pidOf(fleet, "agent-alpha")],
    ["management server", pidOf(fleet, "management")],
    ["coordinator", pidOf(fleet, "coordinator")],
  ];
}

function workerOf(fleet: Fleet): number {
  // The parent starts nothing else: guests are the worker's children, or nobody's.
  const [worker] = childrenOf(pidOf(fleet, "agent-alpha"));
  if (worker !== undefined) return worker;
  throw new SystemError("STATE_CONFLICT", "The agent has no worker");
}

function pidOf(fleet: Fleet, name: string): number {
  const pid = fleet.programOf(name)?.pid;
  if (pid === undefined) throw new SystemError("STATE_CONFLICT", `${name} does not run`);
  return pid;
}

function rowsOf({ name, pid, memory, startCpuMs }: Watched, tookMs: number): Row[] {
  const row = (what: string, of: (use: MemoryUse) => number): Row =>
    sampledRow(
      `${name}: ${what}`,
      "MiB",
      memory.map((use) => of(use) / MIB),
    );
  const cpuPercent = ((readTimes(pid).cpuMs - startCpuMs) / tookMs) * 100;
  return [
    row("RSS", ({ rssBytes }) => rssBytes),
    row("private", ({ privateBytes }) => privateBytes),
    row("anonymous", ({ anonymousBytes }) => anonymousBytes),
    sampledRow(`${name}: CPU`, "% of a core", [cpuPercent]),
  ];
}
