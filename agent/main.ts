/**
 * The agent's process: `lifeboat agent` starts it. It is a parent that only starts its worker
 * again, so that guests stopped by an epoch go on within a second of the worker's death
 * (SAFETY 3.5).
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { reasonOf, SystemError } from "../protocol/error.ts";
import { realClock } from "../runtime/clock.ts";
import { openLog } from "../runtime/log.ts";
import { endWithParent } from "../runtime/program.ts";
import { EXIT, stopOnSignals } from "../runtime/shutdown.ts";
import { parseAgentConfig } from "./config.ts";
import { startWorker } from "./worker.ts";

/** A worker that lived longer than this is started again at once; others after growing pauses. */
const SETTLED_MS = 5_000;
const PAUSE_MS_MAX = 5_000;
const USAGE = "Usage: lifeboat agent --config FILE";

const { values } = parseArgs({
  options: { config: { type: "string" }, worker: { type: "boolean", default: false } },
});
if (values.config === undefined) {
  process.stderr.write(`${USAGE}\n`);
  process.exit(EXIT.usage);
}
await (values.worker ? work(values.config) : supervise(values.config));

async function work(file: string): Promise<void> {
  endWithParent();
  const config = readConfig(file);
  const log = openLog("agent", config.logLevel).child({ hostId: config.hostId });
  process.on("uncaughtException", (error) => {
    log.error("Programmer's error", { error, stack: error.stack });
    process.exit(EXIT.failed);
  });
  const worker = await startWorker(config, log, {
    residentBytes: () => process.memoryUsage.rss(),
    breathe: () => new Promise((resolve) => setImmediate(resolve)),
  });
  const ready = { program: "agent", listening: worker.listening, pid: process.pid };
  process.stdout.write(`${JSON.stringify(ready)}
`);
  stopOnSignals(realClock, log, () => worker.close());
  // Otherwise it is written only when a worker ends in order, which those that matter do not.
  flushCompileCache();
}

async function supervise(file: string): Promise<void> {
  const config = readConfig(file);
  const log = openLog("agent-parent", config.logLevel).child({ hostId: config.hostId });
  let stopping = false;
  let signalled = (_signal: NodeJS.Signals): void => {};
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      stopping = true;
      signalled(signal);
    });
  }
  const env = { ...process.env, ...compileCache(config.stateFolder) };
  for (let failures = 0; ; ) {
    const startedMs = realClock.nowMs();
    const args = [import.meta.filename, "--worker", "--config", file];
    const child = spawn(process.execPath, args, { stdio: ["pipe", "inherit", "inherit"], env });
    child.stdin?.on("error", () => {});
    signalled = (signal) => void child.kill(signal);
    const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
    if (stopping) process.exit(EXIT.ok);
    if (code === EXIT.usage) process.exit(EXIT.usage);
    failures = realClock.nowMs() - startedMs > SETTLED_MS ? 0 : failures + 1;
    log.error("The worker ended: starting it again", { code, signal });
    // The first restart is at once: a guest may be waiting for it.
    if (failures > 1) await realClock.sleep(Math.min(PAUSE_MS_MAX, 100 * 2 ** failures));
  }
}

/**
 * Where the worker keeps its compiled code: loading it takes a third of the time of compiling it,
 * and a stopped guest waits for that.
 */
function compileCache(stateFolder: string): { NODE_COMPILE_CACHE?: string } {
  if (process.env["NODE_COMPILE_CACHE"] !== undefined) return {};
  const folder = join(stateFolder, "compile-cache");
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return { NODE_COMPILE_CACHE: folder };
  } catch {
    // The worker cannot use its state folder either, and says why.
    return {};
  }
}

function readConfig(file: string): ReturnType<typeof parseAgentConfig> {
  try {
    return parseAgentConfig(readFileSync(file, "utf8"), file);
  } catch (thrown) {
    const code = thrown instanceof SystemError ? `${thrown.code}: ` : "";
    process.stderr.write(`${code}${reasonOf(thrown)}\n`);
    process.exit(EXIT.usage);
  }
}
