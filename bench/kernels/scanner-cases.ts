/**
 * The scan of a guest's RAM file, as in a last pause that finds nothing: how it gains by a second
 * thread against what C with pthreads gains by it, and a guest larger than a WASM memory.
 */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { scanInThread } from "../../agent/capture/scan-port.ts";
import { openScanner } from "../../agent/capture/scan-ram.ts";
import { loadKernelModule } from "../../epochs/kernel.ts";
import { type Scanned, Scanner, splitRam } from "../../epochs/scanner.ts";
import type { ScanMode } from "../../epochs/shadow.ts";
import type { Clock } from "../../runtime/clock.ts";
import { startThread } from "../../runtime/threads.ts";
import { readMemoryUse } from "../processes.ts";
import { isReached, type Row } from "../report.ts";
import { median, spreadOf } from "../statistics.ts";
import type { KernelGroup, KernelSite, Measured } from "./case.ts";
import { PAGE, ramImage } from "./images.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const LARGE_BYTES = 8 * GIB;
const SCALING = "scan by two threads";
const LARGE = "scan of a large guest";
/** Of what C gains. */
const SCALING_AIM = 0.95;
/** Of the agent's memory, over a scan of 8 GiB that holds nothing. */
const GROWN_MIB_AIM = 64;
/** Of so many turns of each a round keeps the fastest. */
const TURNS = 6;
const CHANGED_PAGES = 100;
const SCAN =
  "int peer_scan(const void *path, const void *shadow, uint64_t bytes, uint32_t threads)";

export const scannerGroup: KernelGroup = {
  kernels: [SCALING, LARGE],
  async cases(site, rounds) {
    const folder = mkdtempSync("/dev/shm/lifeboat-scan-");
    try {
      // Before anything else has taken memory that may be given back.
      const large = await largeRows(site.clock, join(folder, "large.ram"));
      return [await scalingRow(site, join(folder, "guest.ram"), rounds), ...large];
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

/** As in a pause of a guest that wrote nothing; or as the first round. */
async function scan(scanner: Scanner, mode: ScanMode = "delta"): Promise<Scanned> {
  const none = async (): Promise<void> => {};
  return scanner.encode(mode, { before: none, payload: none, after: none });
}

/** Scans by one and by two threads, ours and C's, in turns. */
async function scalingRow(site: KernelSite, ramPath: string, rounds: number): Promise<Measured> {
  const { native, clock } = site;
  const { name, bytes } = ramImage();
  const base = { case: SCALING, input: `${(2 * bytes.length) / MIB} MiB of ${name}`, unit: "x" };
  const aim = { aim: "ratio at least", target: SCALING_AIM } as const;
  const peer = native.find(SCAN);
  if (peer === undefined) {
    return { row: { ...base, ...aim, ours: Number.NaN, missing: native.why, reached: false } };
  }
  const shadow = Buffer.concat([bytes, bytes]);
  const fd = openSync(ramPath, "w+");
  for (let at = 0; at < shadow.length; ) at += writeSync(fd, shadow, at);
  const scanners = [1, 2].map((threads) => threadsOf(ramPath, shadow.length, threads));
  const peerBy = (threads: number): number =>
    peer(Buffer.from(`${ramPath}\0`), shadow, BigInt(shadow.length), threads);
  try {
    for (const scanner of scanners) await scan(scanner, "full");
    const fault = await faultOf(fd, shadow, scanners, peerBy);
    const contenders = [
      ...scanners.map((scanner) => async () => void (await scan(scanner))),
      ...[1, 2].map((threads) => async () => void peerBy(threads)),
    ];
    const turns = await measureTurns(contenders, rounds, clock);
    const [ours, theirs] = [scalingOf(turns[0]!, turns[1]!), scalingOf(turns[2]!, turns[3]!)];
    const ratios = ours.map((one, round) => one / theirs[round]!);
    const row: Row = {
      ...base,
      ...aim,
      ours: median(ours),
      peer: median(theirs),
      peerName: "C, pthreads",
      ratio: median(ratios),
      ratioSpread: spreadOf(ratios),
    };
    const reached = fault === undefined && isReached(row) === true;
    return { row: { ...row, reached }, ...(fault === undefined ? {} : { fault }) };
  } finally {
    for (const scanner of scanners) await scanner.close();
    closeSync(fd);
  }
}

/** Always threads of their own, also where it is one. */
function threadsOf(ramPath: string, ramBytes: number, threads: number): Scanner {
  const module = loadKernelModule();
  const parts = splitRam(ramBytes, threads, 0);
  return new Scanner(parts.map((part) => scanInThread({ module, ramPath, part }, startThread)));
}

/** All find the same pages. Afterwards they are what they were. */
async function faultOf(
  fd: number,
  shadow: Buffer,
  scanners: readonly Scanner[],
  peerBy: (threads: number) => number,
): Promise<string | undefined> {
  const step = Math.floor(shadow.length / PAGE / CHANGED_PAGES);
  const each = (write: (at: number) => void): void => {
    for (let page = 0; page < CHANGED_PAGES; page++) write(page * step * PAGE);
  };
  each((at) => void writeSync(fd, Buffer.alloc(PAGE, 0xa5), 0, PAGE, at));
  const found = [peerBy(1), peerBy(2)];
  for (const scanner of scanners) found.push((await scan(scanner)).changedBytes / PAGE);
  each((at) => void writeSync(fd, shadow, at, PAGE, at));
  for (const scanner of scanners) await scan(scanner);
  if (found.every((pages) => pages === CHANGED_PAGES)) return undefined;
  return `${SCALING}: ${found.join(", ")} of ${CHANGED_PAGES} changed pages were found`;
}

/** Of each contender the fastest turn of every round, on the wall's clock. */
async function measureTurns(
  contenders: readonly (() => Promise<void>)[],
  rounds: number,
  clock: Clock,
): Promise<number[][]> {
  const best = contenders.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    const fastest = contenders.map(() => Number.POSITIVE_INFINITY);
    for (let turn = 0; turn < TURNS; turn++) {
      for (const [index, run] of contenders.entries()) {
        const startedMs = clock.nowMs();
        await run();
        fastest[index] = Math.min(fastest[index]!, clock.nowMs() - startedMs);
      }
    }
    for (const [index, ms] of fastest.entries()) best[index]!.push(ms);
  }
  return best;
}

/** How many times as fast two are as one, round by round. */
function scalingOf(byOne: readonly number[], byTwo: readonly number[]): number[] {
  return byOne.map((ms, round) => ms / byTwo[round]!);
}

/** A sparse file is read like any other; what it holds is zeros, and the shadow stays untouched. */
async function largeRows(clock: Clock, ramPath: string): Promise<Measured[]> {
  const fd = openSync(ramPath, "w+");
  ftruncateSync(fd, LARGE_BYTES);
  const ram = { ramPath, memoryBytes: LARGE_BYTES, stagingBytesMax: 0, threads: 1 };
  const beforeBytes = readMemoryUse(process.pid).anonymousBytes;
  const scanner = openScanner(ram, { module: loadKernelModule(), clock, startThread });
  try {
    await scan(scanner, "full");
    const marks = [0, 2 ** 32 - PAGE, 2 ** 32, LARGE_BYTES - PAGE];
    for (const at of marks) writeSync(fd, Buffer.alloc(PAGE, 7), 0, PAGE, at);
    const startedMs = clock.nowMs();
    const { changedBytes } = await scan(scanner);
    const ms = clock.nowMs() - startedMs;
    const grownMiB = (readMemoryUse(process.pid).anonymousBytes - beforeBytes) / MIB;
    const base = { case: LARGE, input: "sparse file of 8 GiB" };
    const grown: Row = { ...base, unit: "MiB grown", ours: grownMiB, target: GROWN_MIB_AIM };
    const found = changedBytes === marks.length * PAGE;
    const fault = `${LARGE}: ${changedBytes / PAGE} of ${marks.length} changed pages were found`;
    return [
      { row: { ...base, unit: "GB/s", ours: LARGE_BYTES / ms / 1e6 }, ...(found ? {} : { fault }) },
      { row: { ...grown, reached: isReached(grown) === true } },
    ];
  } finally {
    await scanner.close();
    closeSync(fd);
  }
}
