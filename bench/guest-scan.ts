/**
 * A real guest of 2 GiB of which a share of the pages was written: how long its RAM is scanned,
 * set aside and encoded on the way that a move takes (epochs/shadow.ts), what is sent, and that
 * the memory of the process stays flat. The writer is in the guest: busybox's dd, at random places
 * of a file in its memory; the guest is stopped while it is looked at.
 */
import { closeSync, openSync, readSync } from "node:fs";
import type { ReadInto } from "../epochs/guest-ram.ts";
import { loadKernelModule, WINDOW_BYTES } from "../epochs/kernel.ts";
import { reserveBytes, Shadow, STAGING_BYTES_MAX } from "../epochs/shadow.ts";
import type { Clock } from "../runtime/clock.ts";
import { type BenchGuest, printed, withGuest } from "./guest.ts";
import type { Stopwatch } from "./kernels/measure.ts";
import { loadNative } from "./kernels/native.ts";
import { readMemoryUse } from "./processes.ts";
import { type Bench, type BenchPorts, type Outcome, type Row, sampledRow } from "./report.ts";

const MIB = 1024 * 1024;
const MEMORY_MIB = 2048;
const PAGE = 4096;
const SHARES_PERCENT = [1, 10, 50] as const;
/** What the collector of the host language and the libraries may keep between two rounds. */
const GROWTH_MIB_AIM = 32;
/** Rounds until the process has all that it will ever reserve. */
const SETTLE_ROUNDS = 3;
const READY = "WRITER READY";

const NOTES = [
  "The guest itself writes, and is stopped while it is looked at. Times are the thread's CPU time.",
];

/** What a line on the console makes it do: `write RUNS`, each run 256 pages at a random place. */
const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o size=95% run /run
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty -echo
# Numbers, a program, symbols, sentences and noise: what memory holds.
seq 1 60000 > /run/source
cat /bin/busybox /proc/kallsyms >> /run/source
awk 'BEGIN { while (line++ < 60000) print "request " line " answered in 12 ms" }' >> /run/source
head -c 2097152 /dev/urandom >> /run/source
bytes=$(wc -c < /run/source)
SLOTS=1536
dd if=/dev/zero of=/run/memory bs=1048576 count=$SLOTS 2>/dev/null
# Each run of 256 pages goes to a slot of its own, from a place of the source that is no page's
# beginning: so no page is what it was.
write_runs() {
  first=$((RANDOM % SLOTS))
  run=0
  while [ $run -lt $1 ]; do
    slot=$(((first + run * 7) % SLOTS))
    skip=$(((RANDOM * 32768 + RANDOM) % (bytes - 1048576)))
    dd if=/run/source of=/run/memory bs=1048576 count=1 iflag=skip_bytes skip=$skip seek=$slot \\
      conv=notrunc 2>/dev/null
    run=$((run + 1))
  done
}
write_runs $SLOTS
echo ${READY}
while read -r command runs round; do
  write_runs $runs
  echo "WRITTEN $round"
done
`;

export const guestScanBench: Bench = {
  name: "guest-scan",
  summary: "Scans, sets aside and encodes the RAM of a guest of 2 GiB that writes 1, 10 and 50 %.",
  options: { rounds: { default: 7, help: "rounds of each share" } },
  async run({ rounds = 7 }, ports) {
    const { clock } = ports;
    const besideBytes = reserveBytes(MEMORY_MIB * MIB);
    const native = loadNative();
    const stopwatch = native.threadMs ?? clock.nowMs;
    try {
      return await withGuest({ memoryMiB: MEMORY_MIB, init: INIT, clock, besideBytes }, (guest) =>
        scanOften(guest, rounds, stopwatch, ports),
      );
    } finally {
      native.close();
    }
  },
};

/** One pass over the guest's RAM, milliseconds and bytes. */
interface Pass {
  readonly scanMs: number;
  readonly copyMs: number;
  readonly encodeMs: number;
  readonly changedBytes: number;
  readonly sentBytes: number;
}

async function scanOften(
  guest: BenchGuest,
  rounds: number,
  stopwatch: Stopwatch,
  ports: BenchPorts,
): Promise<Outcome> {
  const { clock, note } = ports;
  await printed(guest, READY, clock);
  const stagingBytes = STAGING_BYTES_MAX;
  const shadow = new Shadow(loadKernelModule(), guest.ramBytes, { stagingBytes });
  const fd = openSync(guest.ram, "r");
  const readInto: ReadInto = (view, position) => readSync(fd, view, 0, view.length, position);
  const passes = new Map<number, Pass[]>(SHARES_PERCENT.map((percent) => [percent, []]));
  const rssBytes: number[] = [];
  try {
    await stopped(guest, async () => void scanOnce(shadow, readInto, stopwatch));
    for (let round = 0; round < rounds * SHARES_PERCENT.length; round++) {
      const percent = SHARES_PERCENT[round % SHARES_PERCENT.length]!;
      await write(guest, percent, round, clock);
      const pass = await stopped(guest, async () => scanOnce(shadow, readInto, stopwatch));
      passes.get(percent)!.push(pass);
      rssBytes.push(readMemoryUse(process.pid).rssBytes);
      note(progressOf(percent, pass, rssBytes.at(-1)!));
    }
  } finally {
    shadow.close();
    closeSync(fd);
  }
  const rows = [...passes].flatMap(([percent, all]) => rowsOf(percent, all));
  return { rows: [...rows, growthRow(rssBytes)], notes: NOTES, faults: [] };
}

async function stopped<Result>({ qmp }: BenchGuest, work: () => Promise<Result>): Promise<Result> {
  await qmp.execute("stop");
  const result = await work();
  await qmp.execute("cont");
  return result;
}

/** Tells the writer and waits for it. */
async function write(
  guest: BenchGuest,
  percent: number,
  round: number,
  clock: Clock,
): Promise<void> {
  const pages = (guest.ramBytes / PAGE) * (percent / 100);
  guest.type(`write ${Math.round(pages / 256)} ${round}`);
  await printed(guest, `WRITTEN ${round}`, clock);
}

/** Finds what changed, sets it aside while there is room, and encodes it. */
function scanOnce(shadow: Shadow, readInto: ReadInto, stopwatch: Stopwatch): Pass {
  const pass = { scanMs: 0, copyMs: 0, encodeMs: 0, changedBytes: 0, sentBytes: 0 };
  const encode = (): void => {
    const startedMs = stopwatch();
    for (let made = shadow.encodeAside(); made !== undefined; made = shadow.encodeAside()) {
      pass.sentBytes += made.payload.length;
      pass.changedBytes += made.dataBytes;
    }
    pass.encodeMs += stopwatch() - startedMs;
  };
  for (let at = 0; at < shadow.ramBytes; at += WINDOW_BYTES) {
    const startedMs = stopwatch();
    const found = shadow.scanWindow(readInto, at, WINDOW_BYTES, "delta");
    const foundMs = stopwatch();
    pass.scanMs += foundMs - startedMs;
    for (const part of found) shadow.setAside(part);
    pass.copyMs += stopwatch() - foundMs;
    if (!shadow.hasRoom) encode();
  }
  encode();
  return pass;
}

function rowsOf(percent: number, passes: readonly Pass[]): Row[] {
  const row = (name: string, unit: string, of: (pass: Pass) => number): Row => ({
    ...sampledRow(name, unit, passes.map(of)),
    input: `2 GiB, ${percent} % written by the guest`,
  });
  return [
    row("scan", "ms", ({ scanMs }) => scanMs),
    row("copy aside", "ms", ({ copyMs }) => copyMs),
    row("encode", "ms", ({ encodeMs }) => encodeMs),
    row("encode", "GB/s", ({ changedBytes, encodeMs }) => changedBytes / encodeMs / 1e6),
    row("found changed", "MiB", ({ changedBytes }) => changedBytes / MIB),
    row("sent", "MiB", ({ sentBytes }) => sentBytes / MIB),
    row("sent / changed", "ratio", ({ sentBytes, changedBytes }) => sentBytes / changedBytes),
  ];
}

/** What the process grew by after it had settled; every share was there by then. */
function growthRow(rssBytes: readonly number[]): Row {
  const settled = Math.max(...rssBytes.slice(0, SETTLE_ROUNDS));
  const last = Math.max(...rssBytes.slice(-SETTLE_ROUNDS));
  const grownMiB = (last - settled) / MIB;
  const row = sampledRow("memory grown", "MiB", [grownMiB], { target: GROWTH_MIB_AIM });
  return { ...row, input: `over ${rssBytes.length} rounds` };
}

function progressOf(percent: number, pass: Pass, rss: number): string {
  const { scanMs, copyMs, encodeMs, changedBytes, sentBytes } = pass;
  const ms = [scanMs, copyMs, encodeMs].map((one) => one.toFixed(0)).join(" + ");
  const mib = (bytes: number): string => `${(bytes / MIB).toFixed(0)} MiB`;
  const sent = `${mib(changedBytes)} changed, ${mib(sentBytes)} sent`;
  return `${percent} %: ${ms} ms of scan, copy, encode; ${sent}; ${mib(rss)} resident`;
}
