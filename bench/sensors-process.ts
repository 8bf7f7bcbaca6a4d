/**
 * The process that the bench `sensors` measures, and that measures itself: rounds over a large
 * server's files, faster than they come.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { startRounds } from "../agent/sensors/rounds.ts";
import { FILE_SOURCES } from "../agent/sensors/sources.ts";
import { DEFAULT_CONFIG } from "../predictor/config.ts";
import { start, step } from "../predictor/predictor.ts";
import { realClock } from "../runtime/clock.ts";
import { realFiles } from "../runtime/files.ts";
import { realSmallFiles, rootsBelow } from "../runtime/small-files.ts";
import { type Outcome, type Row, sampledRow } from "./report.ts";
import { movingTexts, treeOf, writeTree } from "./sensor-tree.ts";

const ROUND_MS_MAX = 5;
/** At a round a second. */
const CORE_PERCENT_MAX = 0.5;
const GROWTH_MIB_MAX = 1;
const MIB = 1024 * 1024;
const PERIOD_MS = 1_000;
const TENTHS = 10;

const [rounds = 1, speed = 1] = process.argv.slice(2).map(Number);
const root = mkdtempSync("/dev/shm/lifeboat-sensors-");
try {
  writeTree(root, treeOf());
  const outcome = await measure(root, rounds, PERIOD_MS / speed);
  process.stdout.write(JSON.stringify(outcome));
} finally {
  rmSync(root, { recursive: true });
}

interface Samples {
  /** Of a core, in milliseconds. */
  readonly read: number[];
  readonly whole: number[];
  readonly wall: number[];
  readonly rss: number[];
  /** What is still referred to, right after a collection: the collector's own steps left out. */
  readonly live: number[];
}

async function measure(root: string, rounds: number, pauseMs: number): Promise<Outcome> {
  const faults: string[] = [];
  const rows: Row[] = [];
  for (const keepOpen of [true, false]) {
    const files = realSmallFiles(rootsBelow(root), keepOpen);
    const ports = { clock: realClock, files, slowFiles: realFiles(root) };
    const started = startRounds(FILE_SOURCES, { virtual: false, detail: false }, ports);
    await started.readSlow();
    const name = keepOpen ? "descriptors kept open" : "opened each time, as below another root";
    const { fast, slow } = started.counts();
    process.stderr.write(`${name}: ${fast} files a round, ${slow} seldom\n`);
    if (fast < 300) faults.push(`${fast} files in a round: most of the server is not read`);
    const many = keepOpen ? rounds : Math.ceil(rounds / TENTHS);
    const samples = await live(root, started, many, pauseMs);
    rows.push(...rowsOf(name, samples, keepOpen));
    files.close();
  }
  return { rows, faults };
}

type Started = ReturnType<typeof startRounds>;

async function live(
  root: string,
  rounds: Started,
  many: number,
  pauseMs: number,
): Promise<Samples> {
  const samples: Samples = { read: [], whole: [], wall: [], rss: [], live: [] };
  const tenth = Math.max(1, Math.floor(many / TENTHS));
  const collect = collector();
  let state = start(0);
  for (let second = 1; second <= many; second++) {
    writeTree(root, movingTexts(second));
    const beganMs = realClock.nowMs();
    const before = process.cpuUsage();
    const readings = rounds.read();
    const read = process.cpuUsage(before);
    [state] = step(state, { type: "readings", atMs: second * PERIOD_MS, readings }, DEFAULT_CONFIG);
    const whole = process.cpuUsage(before);
    samples.wall.push(realClock.nowMs() - beganMs);
    samples.read.push((read.user + read.system) / 1_000);
    samples.whole.push((whole.user + whole.system) / 1_000);
    samples.rss.push(process.memoryUsage.rss() / MIB);
    // Twice only: a collection of its own makes the heap another one.
    if (second === 2 * tenth || second === many) {
      collect();
      samples.live.push(process.memoryUsage().heapUsed / MIB);
    }
    await realClock.sleep(pauseMs);
  }
  return samples;
}

/** V8's collector, which Node gives only to those who ask at its start, or to a new context. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc");
}

function rowsOf(name: string, samples: Samples, judged: boolean): Row[] {
  const { read, whole, wall, rss, live: kept } = samples;
  const inUse = kept.at(-1)! - kept[0]!;
  const mean = whole.reduce((sum, ms) => sum + ms, 0) / whole.length;
  const aim = (target: number) => (judged ? { target } : {});
  return [
    sampledRow(`${name}: reading`, "ms of a core", read),
    sampledRow(`${name}: reading and judging`, "ms of a core", whole),
    sampledRow(`${name}: a round`, "ms", wall, aim(ROUND_MS_MAX)),
    sampledRow(`${name}: at 1 Hz, mean`, "% of a core", [mean / 10], aim(CORE_PERCENT_MAX)),
    ...(judged
      ? [
          sampledRow("growth of RSS", "MiB", [growth(rss)], aim(GROWTH_MIB_MAX)),
          sampledRow("growth of what is in use", "MiB", [inUse], aim(GROWTH_MIB_MAX)),
        ]
      : []),
  ];
}

/** The least of the last tenth against the least of the fifth: the start is over by then. */
function growth(rss: readonly number[]): number {
  const tenth = Math.max(1, Math.floor(rss.length / TENTHS));
  const least = (from: number) => Math.min(...rss.slice(from, from + tenth));
  return least(rss.length - tenth) - least(Math.min(4 * tenth, rss.length - tenth));
}
