/**
 * A guest that is protected over a thin link: how long the first filling takes, how honest its
 * estimate is, and how old the replica gets afterwards. The link is that of the network namespace
 * in which it runs, for control and data together; as root:
 *
 *   unshare -n sh -c 'ip link set lo mtu 1500 up &&
 *     tc qdisc add dev lo root tbf rate 20mbit burst 64kb latency 200ms &&
 *     node bench/main.ts thin-link'
 */
import type { Fleet } from "../cli/demo/fleet.ts";
import { linuxGuest } from "../cli/demo/guests.ts";
import { ASSETS, readStatus, runGuest, withFleet } from "../cli/demo/operate.ts";
import { fillingOf } from "../cli/protection/filling.ts";
import type { VmStatus } from "../management/status.ts";
import { SystemError } from "../protocol/error.ts";
import type { VmId } from "../protocol/ids.ts";
import type { ProtectionPolicy } from "../protocol/replication.ts";
import type { Clock } from "../runtime/clock.ts";
import { type Bench, type BenchPorts, type Outcome, type Row, sampledRow } from "./report.ts";

const VM = "77777777-7777-4777-8777-777777777777" as VmId;
const LOOK_MS = 500;
const FILL_MS_MAX = 1_800_000;
const MIB = 1024 ** 2;

export const thinLinkBench: Bench = {
  name: "thin-link",
  summary: "Protects a guest over the link of this namespace: first filling, its estimate, lag.",
  options: {
    "memory-mib": { default: 1_024, help: "of the guest" },
    "interval-ms": { default: 5_000, help: "from one cut to the next" },
    "observe-s": { default: 60, help: "so long it is looked at, once it is filled" },
  },
  async run(options, ports) {
    return withFleet(ports.clock, "bench", (fleet) => protectOver(fleet, options, ports));
  },
};

/** A moment of the filling, and what it was said to take from there on. */
interface Estimate {
  readonly atMs: number;
  readonly leftMs: number;
  readonly share: number;
}

async function protectOver(
  fleet: Fleet,
  options: Readonly<Record<string, number>>,
  { clock, note }: BenchPorts,
): Promise<Outcome> {
  const { "memory-mib": memoryMiB = 0, "interval-ms": intervalMs = 0 } = options;
  const guest = await linuxGuest(`${fleet.folder}/guests`, ASSETS, VM);
  await runGuest(clock, fleet, "alpha", { ...guest, memoryMiB });
  const client = await fleet.operator();
  const policy: ProtectionPolicy = { mode: "async", intervalMs, secondaries: 1, apart: "server" };
  const startedMs = clock.nowMs();
  await client.ask({ method: "protect", vmId: VM, policy, dryRun: false });
  const { filledMs, estimates, sentBytes } = await fill(fleet, clock, note);
  const ratios = estimates
    .filter(({ atMs, share }) => share > 0.05 && filledMs - atMs > 2 * LOOK_MS)
    .map(({ atMs, leftMs }) => leftMs / (filledMs - atMs));
  const rows: Row[] = [
    sampledRow("first filling", "s", [(filledMs - startedMs) / 1_000]),
    sampledRow("sent for it", "MiB", [sentBytes / MIB]),
    ...(ratios.length === 0 ? [] : [sampledRow("estimate / what it took", "ratio", ratios)]),
    ...(await observe(fleet, clock, (options["observe-s"] ?? 0) * 1_000)),
  ];
  return { rows, faults: [] };
}

async function fill(fleet: Fleet, clock: Clock, note: (text: string) => void) {
  const estimates: Estimate[] = [];
  const untilMs = clock.nowMs() + FILL_MS_MAX;
  while (clock.nowMs() < untilMs) {
    const vm = await guestOf(fleet);
    const [replica] = vm.replicas ?? [];
    const atMs = clock.nowMs();
    if (replica?.newest !== undefined) {
      return { filledMs: atMs, estimates, sentBytes: replica.progress?.sentBytes ?? 0 };
    }
    const filling = replica && fillingOf(replica);
    if (filling?.leftMs !== undefined) {
      const share = filling.doneBytes / filling.totalBytes;
      estimates.push({ atMs, leftMs: filling.leftMs, share });
      note(`${(100 * share).toFixed(0)} %, about ${(filling.leftMs / 1_000).toFixed(0)} s left`);
    }
    await clock.sleep(LOOK_MS);
  }
  throw new SystemError("TIMED_OUT", "The replica was not filled in time");
}

/** How it goes on: lag by the secondary's clock, and what goes over the link. */
async function observe(fleet: Fleet, clock: Clock, forMs: number): Promise<Row[]> {
  const lagsMs: number[] = [];
  const startedMs = clock.nowMs();
  const sentOf = async () => (await guestOf(fleet)).replicas?.[0]?.progress?.sentBytes ?? 0;
  const before = await sentOf();
  while (clock.nowMs() - startedMs < forMs) {
    const { lagMs } = (await guestOf(fleet)).replicas?.[0] ?? {};
    if (lagMs !== undefined) lagsMs.push(lagMs);
    await clock.sleep(LOOK_MS);
  }
  const seconds = (clock.nowMs() - startedMs) / 1_000;
  const rate = ((await sentOf()) - before) / 1_024 / seconds;
  const rows = [sampledRow("sent by cuts", "KiB/s", [rate])];
  return lagsMs.length === 0 ? rows : [sampledRow("lag", "ms", lagsMs), ...rows];
}

async function guestOf(fleet: Fleet): Promise<VmStatus> {
  return (await readStatus(fleet)).vms[0]!;
}
