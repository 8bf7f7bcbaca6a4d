/**
 * The Linux guest round three hosts, again and again: what its last pause is made of, and how long
 * the whole takes. Every figure but the total is the source agent's own, by its clock: `activate`
 * is the target's and reported to it, and the time on the wire is what is left between them.
 */
import type { Fleet } from "../cli/demo/fleet.ts";
import { linuxGuest } from "../cli/demo/guests.ts";
import {
  ASSETS,
  evacuate,
  HOSTS,
  readStatus,
  runGuest,
  until,
  withFleet,
} from "../cli/demo/operate.ts";
import type { MigrationProgress, PauseParts } from "../protocol/authority.ts";
import type { VmId } from "../protocol/ids.ts";
import type { Clock } from "../runtime/clock.ts";
import { type Bench, type BenchPorts, type Outcome, type Row, sampledRow } from "./report.ts";
import { stopAndCopy } from "./stop-and-copy.ts";

const VM = "11111111-1111-4111-8111-111111111111" as VmId;
/** The last pause of a guest of 128 MiB, found by comparing pages. */
const PAUSE_MS_AIM = 60;
const MIB = 1024 * 1024;
/** The guest counts five times a second: by then its workers have checked themselves again. */
const COUNTS_BETWEEN = 5;
const PARTS: readonly (keyof PauseParts)[] = [
  "stop",
  "scan",
  "state",
  "encode",
  "send",
  "apply",
  "release",
  "activate",
];

export const evacuationBench: Bench = {
  name: "evacuation",
  summary: "Evacuates a Linux guest of 128 MiB round three hosts: pause, time, bytes, errors.",
  options: { rounds: { default: 21, help: "evacuations, and as many of QEMU's own" } },
  async run({ rounds = 1 }, ports) {
    const { evacuations, errors } = await withFleet(ports.clock, "bench", (fleet) =>
      goRound(fleet, rounds, ports),
    );
    ports.note("QEMU's stop-and-copy of the same guest");
    const peer = await stopAndCopy(rounds, ports.clock);
    return outcomeOf(evacuations, errors, peer);
  },
};

interface Evacuated {
  readonly progress: MigrationProgress;
  readonly totalMs: number;
}

interface GuestErrors {
  readonly tornPages: number;
  readonly memoryErrors: number;
  readonly diskErrors: number;
}

async function goRound(
  fleet: Fleet,
  rounds: number,
  { clock, note }: BenchPorts,
): Promise<{ evacuations: Evacuated[]; errors: GuestErrors }> {
  const guest = await linuxGuest(`${fleet.folder}/guests`, ASSETS, VM);
  await runGuest(clock, fleet, HOSTS[0], guest);
  const evacuations: Evacuated[] = [];
  for (let round = 0; round < rounds; round++) {
    const from = HOSTS[round % HOSTS.length]!;
    const to = HOSTS[(round + 1) % HOSTS.length]!;
    const one = await evacuateOnce(fleet, from, to, clock);
    evacuations.push(one);
    const { lastPauseMs = Number.NaN } = one.progress;
    note(`${round + 1}/${rounds} ${from} > ${to}: ${lastPauseMs.toFixed(1)} ms paused`);
    await countsOn(fleet, to, clock);
  }
  const reports = await Promise.all(HOSTS.map((host) => fleet.counter(host, VM)));
  const sum = (of: keyof GuestErrors) => reports.reduce((total, report) => total + report[of], 0);
  const errors = {
    tornPages: sum("tornPages"),
    memoryErrors: sum("memoryErrors"),
    diskErrors: sum("diskErrors"),
  };
  return { evacuations, errors };
}

/** One evacuation, with the figures of its own saga and of no other. */
async function evacuateOnce(
  fleet: Fleet,
  from: string,
  to: string,
  clock: Clock,
): Promise<Evacuated> {
  const startedMs = clock.nowMs();
  const { moves } = await evacuate(clock, fleet, from, to);
  const totalMs = clock.nowMs() - startedMs;
  const sagaId = moves.find(({ vmId }) => vmId === VM)?.operationId;
  const seen = await until(
    clock,
    `the last pause from ${from} to ${to} is told`,
    async () => (await readStatus(fleet)).progress[VM],
    (progress) => progress?.sagaId === sagaId && progress?.stage === "done",
  );
  return { progress: seen!, totalMs };
}

async function countsOn(fleet: Fleet, host: string, clock: Clock): Promise<void> {
  const { counter: before = 0 } = await fleet.counter(host, VM);
  await until(
    clock,
    `the guest counts on ${host}`,
    () => fleet.counter(host, VM),
    ({ counter = 0 }) => counter >= before + COUNTS_BETWEEN,
  );
}

/** The event loop's other work in the pause, such as taking in the device state. */
function betweenParts({ lastPauseMs = Number.NaN, pauseParts }: MigrationProgress): number {
  return PARTS.reduce((rest, part) => rest - (pauseParts?.[part] ?? Number.NaN), lastPauseMs);
}

function outcomeOf(
  evacuations: readonly Evacuated[],
  errors: GuestErrors,
  peer: readonly number[],
): Outcome {
  const samples = (of: (one: MigrationProgress) => number | undefined): number[] =>
    evacuations.map(({ progress }) => of(progress) ?? Number.NaN);
  const errorRows = Object.entries(errors).map(
    ([name, count]): Row => sampledRow(name, "count", [count], { target: 0 }),
  );
  const rows = [
    sampledRow(
      "last pause",
      "ms",
      samples(({ lastPauseMs }) => lastPauseMs),
      {
        target: PAUSE_MS_AIM,
        peer: { name: "QEMU stop-and-copy", samples: peer },
      },
    ),
    ...PARTS.map((part) =>
      sampledRow(
        `last pause: ${part}`,
        "ms",
        samples(({ pauseParts }) => pauseParts?.[part]),
      ),
    ),
    sampledRow("last pause: between these", "ms", samples(betweenParts)),
    sampledRow(
      "evacuation in total",
      "ms",
      evacuations.map(({ totalMs }) => totalMs),
    ),
    sampledRow(
      "rounds before the last",
      "count",
      samples(({ round }) => round),
    ),
    sampledRow(
      "bytes found changed",
      "MiB",
      samples(({ bytesRaw }) => bytesRaw / MIB),
    ),
    sampledRow(
      "bytes sent",
      "MiB",
      samples(({ bytesSent }) => bytesSent / MIB),
    ),
    sampledRow(
      "bytes sent / RAM",
      "ratio",
      samples(({ bytesSent, memoryBytes }) => bytesSent / memoryBytes),
    ),
    ...errorRows,
  ];
  const faults = Object.entries(errors)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `The guest reports ${count} ${name}`);
  return { rows, faults };
}
