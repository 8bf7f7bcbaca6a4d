/**
 * What protecting a guest costs it, and how fresh its replicas are: a Linux guest of 256 MiB that
 * dirties some 12 MB/s, the real engine, and secondaries in processes of their own with their
 * replicas on disk. The lag is the secondary's own word.
 */

import type { Protection } from "../agent/protection/engine.ts";
import type { MeasuredCut } from "../agent/protection/session.ts";
import type { ProtectionStatus } from "../protocol/replication.ts";
import { TERM } from "./replication/engine.ts";
import {
  type GuestOptions,
  MEMORY_MIB,
  type ProtectedGuest,
  withProtected,
} from "./replication/guest.ts";
import { type RunningSecondary, startSecondary } from "./replication/secondaries.ts";
import { type Bench, type BenchPorts, type Outcome, type Row, sampledRow } from "./report.ts";
import { median, quantile } from "./statistics.ts";

const PAUSE_MS_MAX = 40;
/** Three secondaries: neither pause nor encoding may be as much as this times those of one. */
const THREE_TO_ONE_MAX = 1.5;
const READY_MS = 120_000;
const LOOK_MS = 100;

interface Case {
  readonly name: string;
  readonly intervalMs: number;
  readonly secondaries: number;
}

const WITH_DISK: readonly Case[] = [
  { name: "1 s, one secondary", intervalMs: 1_000, secondaries: 1 },
  { name: "1 s, three secondaries", intervalMs: 1_000, secondaries: 3 },
  { name: "5 s, one secondary", intervalMs: 5_000, secondaries: 1 },
];
const WITHOUT_DISK: readonly Case[] = [
  { name: "200 ms, no disks", intervalMs: 200, secondaries: 1 },
];

/** What one case has come to. */
interface Measured {
  readonly of: Case;
  readonly seconds: number;
  readonly cuts: readonly MeasuredCut[];
  readonly pauseCpuMs: readonly number[];
  readonly lagsMs: readonly number[];
  readonly sentBytes: number;
  /** Of the guest's own work: with protection, and without right before and after. */
  readonly workRate: number;
  readonly freeRate: number;
}

export const replicationBench: Bench = {
  name: "replication",
  summary: "Protects a Linux guest that writes: its pauses, bytes, the lag of its replicas.",
  options: {
    seconds: { default: 20, help: "of each case, after its first filling" },
    threads: { default: 1, help: "that scan the guest's RAM" },
  },
  async run({ seconds = 20, threads: scanThreads = 1 }, ports) {
    const withDisk = { hasDisk: true, scanThreads };
    const without = { hasDisk: false, scanThreads };
    const all = await measureAll(withDisk, WITH_DISK, seconds, ports);
    all.push(...(await measureAll(without, WITHOUT_DISK, seconds, ports)));
    return outcomeOf(all);
  },
};

async function measureAll(
  options: GuestOptions,
  cases: readonly Case[],
  seconds: number,
  ports: BenchPorts,
): Promise<Measured[]> {
  return withProtected(options, async (guest) => {
    const all: Measured[] = [];
    let before = await rateOf(guest, seconds, ports);
    for (const one of cases) {
      const measured = await measure(guest, one, seconds, ports);
      const after = await rateOf(guest, seconds, ports);
      all.push({ ...measured, freeRate: (before + after) / 2 });
      const pauses = measured.cuts.map(({ pauseMs }) => pauseMs);
      ports.note(`${one.name}: ${pauses.length} cuts, ${median(pauses).toFixed(1)} ms`);
      before = after;
    }
    return all;
  });
}

async function measure(
  guest: ProtectedGuest,
  of: Case,
  seconds: number,
  ports: BenchPorts,
): Promise<Omit<Measured, "freeRate">> {
  const running: RunningSecondary[] = [];
  let protection: Protection | undefined;
  try {
    for (let number = 0; number < of.secondaries; number++) {
      const folder = `${guest.folder}/${of.name.replaceAll(/\W/g, "-")}`;
      running.push(await startSecondary(`secondary-${number}`, folder, guest.definition, TERM));
    }
    const told = running.map(({ secondary }) => secondary);
    protection = guest.protect(told, of.intervalMs);
    await ready(guest, running, ports);
    const from = { cuts: guest.cuts.length, cpu: guest.pauseCpuMs.length, sent: sentBytes(guest) };
    for (const { statuses } of running) statuses.length = 0;
    const workRate = await rateOf(guest, seconds, ports);
    return {
      of,
      seconds,
      cuts: guest.cuts.slice(from.cuts),
      pauseCpuMs: guest.pauseCpuMs.slice(from.cpu),
      lagsMs: running.flatMap(({ statuses }) =>
        statuses.map(({ lagMs }) => lagMs ?? Number.POSITIVE_INFINITY),
      ),
      sentBytes: sentBytes(guest) - from.sent,
      workRate,
    };
  } finally {
    await protection?.end();
    await Promise.all(running.map((one) => one.close()));
  }
}

/** Until every secondary has the newest cut, and knows how old what it has is. */
async function ready(
  guest: ProtectedGuest,
  running: readonly RunningSecondary[],
  { clock }: BenchPorts,
): Promise<void> {
  const untilMs = clock.nowMs() + READY_MS;
  guest.messages.length = 0;
  for (;;) {
    const status = newest(guest);
    const states = status?.secondaries.map(({ state }) => state) ?? [];
    const isKnown = running.every(({ statuses }) => typeof statuses.at(-1)?.lagMs === "number");
    const isHad = states.length === running.length && states.every((one) => one === "protected");
    if (isHad && isKnown) return;
    if (clock.nowMs() > untilMs) throw new Error(`Not protected: ${JSON.stringify(status)}`);
    await clock.sleep(LOOK_MS);
  }
}

function newest({ messages }: ProtectedGuest): ProtectionStatus | undefined {
  return messages.findLast((message) => message.type === "protection-status");
}

function sentBytes(guest: ProtectedGuest): number {
  return newest(guest)?.secondaries.reduce((sum, one) => sum + one.sentBytes, 0) ?? 0;
}

/** How much the guest gets done a second. */
async function rateOf(guest: ProtectedGuest, seconds: number, ports: BenchPorts): Promise<number> {
  const { clock } = ports;
  const [fromMs, from] = [clock.nowMs(), await guest.work()];
  await clock.sleep(seconds * 1_000);
  return ((await guest.work()) - from) / (clock.nowMs() - fromMs);
}

function outcomeOf(all: readonly Measured[]): Outcome {
  const rows = all.flatMap(rowsOf);
  const [one, three] = all;
  if (one !== undefined && three !== undefined) rows.push(...comparison(one, three));
  const faults = all.flatMap(({ of, cuts, lagsMs }) => [
    ...(cuts.some(({ kind }) => kind !== "cut") ? [`${of.name}: a cut that was none`] : []),
    ...(lagsMs.some((lag) => !Number.isFinite(lag)) ? [`${of.name}: a lag was unknown`] : []),
  ]);
  const notes = [
    `A guest of ${MEMORY_MIB} MiB; a ratio is to what had changed, raw, or to the free guest.`,
    "Lags are as the secondary tells them, 20 times a second; the promise is twice the interval.",
  ];
  return { rows, notes, faults };
}

function rowsOf(measured: Measured): Row[] {
  const { of, cuts, pauseCpuMs, seconds, lagsMs, sentBytes, workRate, freeRate } = measured;
  const parts = (part: keyof MeasuredCut): number[] => cuts.map((cut) => Number(cut[part]));
  const pauses = parts("pauseMs");
  const changed = parts("changedBytes").reduce((sum, bytes) => sum + bytes, 0) / seconds;
  const sent = sentBytes / of.secondaries / seconds;
  const promised = 2 * of.intervalMs;
  const lag = quantile(lagsMs, 0.95);
  const worst = Math.max(...lagsMs);
  return [
    sampledRow(`${of.name}: pause`, "ms", pauses, { target: PAUSE_MS_MAX }),
    sampledRow("  the agent's processor time in it", "ms", pauseCpuMs),
    sampledRow("  stop and freeze the disks", "ms", parts("stopMs")),
    sampledRow("  scan and set aside", "ms", parts("scanMs")),
    sampledRow("  device state, meanwhile", "ms", parts("stateMs")),
    sampledRow("  continue", "ms", parts("continueMs")),
    sampledRow("encode, the guest runs", "ms", parts("encodeMs")),
    sampledRow("  until all is queued", "ms", parts("carryMs")),
    {
      case: "bytes a second to each, and raw",
      unit: "KiB/s",
      ours: sent / 1_024,
      peer: changed / 1_024,
      peerName: "raw",
      ratio: sent / changed,
    },
    { case: "lag, 95 % below", unit: "ms", ours: lag, target: promised, reached: lag <= promised },
    { case: "lag, worst", unit: "ms", ours: worst, target: promised, reached: worst <= promised },
    {
      case: "the guest's own work",
      unit: "1/ms",
      ours: workRate,
      peer: freeRate,
      peerName: "free",
      ratio: workRate / freeRate,
    },
  ];
}

/** What must not grow with the number of secondaries. */
function comparison(one: Measured, three: Measured): Row[] {
  const ratio = (what: string, of: (measured: Measured) => readonly number[]): Row => {
    const [a, b] = [median(of(one)), median(of(three))];
    return {
      case: `three secondaries to one: ${what}`,
      unit: "ms",
      ours: b,
      peer: a,
      peerName: "one",
      ratio: b / a,
      aim: "ratio at most",
      target: THREE_TO_ONE_MAX,
      reached: b / a <= THREE_TO_ONE_MAX,
    };
  };
  return [
    ratio("pause", ({ cuts }) => cuts.map(({ pauseMs }) => pauseMs)),
    ratio("processor time in it", ({ pauseCpuMs }) => pauseCpuMs),
    ratio("encode", ({ cuts }) => cuts.map(({ encodeMs }) => encodeMs)),
  ];
}
