// Runs the test files and counts: one process a file, two at a time, the end-to-end files after
// the others and one by one. `npm test -- assembly qmp` runs the files whose path has one of these.
//
// uvu itself has holes, each closed here: a suite that never runs or whose `before` throws exits
// with 0 (no tests, or fewer passed than there are, is a failure), and an open handle hangs for
// ever (each file has a limit, then its process group is ended).
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const ROOT = new URL("..", import.meta.url).pathname;
const PARALLEL_MAX = 2;
const LIMIT_SECONDS = 120;
const LIMIT_SECONDS_E2E = 300;
const LIMIT_COMMENT = /^\/\/ limit: (\d+) s$/m;
/** A file may ask for another limit in its head, not somewhere below. */
const HEAD_CHARACTERS = 1_000;
const OUTPUT_CHARACTERS_MAX = 256 * 1024;
/** How long a file that has exited may still hold its output or leave processes in its group. */
const GRACE_MS = 1_000;

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

interface Outcome extends Counts {
  readonly output: string;
  /** Why the file failed beyond what its own counts say. */
  readonly faults: readonly string[];
}

const running = new Set<ChildProcess>();

async function main(filters: readonly string[]): Promise<number> {
  const files = findFiles(filters);
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const serial = files.filter(isEndToEnd);
  const parallel = files.filter((file) => !isEndToEnd(file));
  const run = async (file: string): Promise<void> => add(total, await runFile(file));
  await drain(parallel, PARALLEL_MAX, run);
  await drain(serial, 1, run);
  if (files.length === 0) {
    console.log("No test file matches");
    total.failed++;
  }
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
  return total.failed === 0 ? 0 : 1;
}

function findFiles(filters: readonly string[]): string[] {
  const names = readdirSync(`${ROOT}test`, { recursive: true, encoding: "utf8" });
  return names
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `test/${name}`)
    .filter((path) => filters.length === 0 || filters.some((text) => path.includes(text)))
    .sort();
}

function isEndToEnd(file: string): boolean {
  return file.startsWith("test/e2e/");
}

/** Calls `task` for each file, `width` at a time, in order. */
async function drain(
  files: readonly string[],
  width: number,
  task: (file: string) => Promise<void>,
): Promise<void> {
  const queue = [...files];
  const work = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) await task(file);
  };
  await Promise.all(Array.from({ length: width }, work));
}

function add(total: Counts, { passed, failed, skipped }: Counts): void {
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
}

/** Runs one file and prints its line, and all it printed if it failed. */
async function runFile(file: string): Promise<Outcome> {
  const startedMs = performance.now();
  const outcome = await measure(file);
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1).padStart(6);
  const { passed, failed, skipped, output, faults } = outcome;
  const mark = failed === 0 ? "ok  " : "FAIL";
  const counts = `${passed}/${passed + failed}${skipped > 0 ? ` (${skipped} skipped)` : ""}`;
  console.log(`${mark} ${seconds} s  ${file}  ${counts}`);
  // What a test could not try on this machine is said, not hidden.
  for (const [line] of output.matchAll(/^skipped: .*$/gm)) console.log(`       ${line}`);
  if (failed > 0) console.log([output.trimEnd(), ...faults].join("\n"));
  return outcome;
}

async function measure(file: string): Promise<Outcome> {
  const limitSeconds = readLimit(file);
  const child = spawn(process.execPath, [file], {
    cwd: ROOT,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: undefined },
  });
  running.add(child);
  const faults: string[] = [];
  const output = collect(child);
  const timer = setTimeout(() => {
    faults.push(`${file} did not end within ${limitSeconds} s`);
    endGroup(child);
  }, limitSeconds * 1_000);
  const status = await new Promise<string>((resolve) => {
    child.on("exit", (code, signal) => resolve(signal ?? String(code)));
  });
  clearTimeout(timer);
  if (status !== "0") faults.push(`${file} ended with ${status}`);
  if (await outlives(child)) faults.push(`${file} left processes of its group behind`);
  await output.closed();
  running.delete(child);
  return judge(output.text(), faults);
}

function readLimit(file: string): number {
  const head = readFileSync(ROOT + file, "utf8").slice(0, HEAD_CHARACTERS);
  const asked = LIMIT_COMMENT.exec(head)?.[1];
  if (asked !== undefined) return Number(asked);
  return isEndToEnd(file) ? LIMIT_SECONDS_E2E : LIMIT_SECONDS;
}

/** Both streams in the order they came; the end is kept, where uvu prints its counts. */
function collect(child: ChildProcess): { text(): string; closed(): Promise<unknown> } {
  let text = "";
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      text = (text + chunk).slice(-OUTPUT_CHARACTERS_MAX);
    });
  }
  const closed = new Promise((resolve) => child.on("close", resolve));
  // A process that left the group may hold the pipe open: it is not waited for.
  const grace = (): Promise<unknown> => sleep(GRACE_MS, undefined, { ref: false });
  return { text: () => text, closed: () => Promise.race([closed, grace()]) };
}

/** Whether the group still has members once its leader is gone; ends them. */
async function outlives(child: ChildProcess): Promise<boolean> {
  const deadlineMs = performance.now() + GRACE_MS;
  while (hasGroup(child)) {
    if (performance.now() >= deadlineMs) return signalGroup(child, "SIGKILL");
    await sleep(20);
  }
  return false;
}

/** A zombie that nobody reaps (pid 1 of a container may be no init) is no process left behind. */
function hasGroup(child: ChildProcess): boolean {
  if (!signalGroup(child, 0)) return false;
  return readdirSync("/proc").some((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const [state, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return Number(group) === child.pid && state !== "Z" && state !== "X";
    } catch {
      // It ended while we looked.
      return false;
    }
  });
}

function endGroup(child: ChildProcess): void {
  signalGroup(child, "SIGKILL");
}

/** Whether the group has any member; with a signal, sends it. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals | 0): boolean {
  try {
    return child.pid !== undefined && process.kill(-child.pid, signal);
  } catch {
    return false;
  }
}

/** Adds up what uvu printed; several suites of a file may each have printed their counts. */
function judge(output: string, faults: string[]): Outcome {
  const sum = (word: string): number => {
    const matches = output.matchAll(new RegExp(`^ {2}${word}: +(\\d+)$`, "gm"));
    return [...matches].reduce((total, match) => total + Number(match[1]), 0);
  };
  const [total, passed, skipped] = [sum("Total"), sum("Passed"), sum("Skipped")];
  if (total + skipped === 0) faults.push("no test ran");
  const failed = Math.max(total - passed, faults.length > 0 ? 1 : 0);
  return { passed, failed, skipped, output, faults };
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    for (const child of running) endGroup(child);
    process.exit(130);
  });
}

process.exitCode = await main(process.argv.slice(2));
