/**
 * The agent's process: `lifeboat agent` starts it. It is a parent that only starts its worker
 * again, so that guests stopped by an epoch go on within a second of the worker's death
 * (docs/authority.md, section 3). It loads nothing that it does not need for that.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parse } from "yaml";
import { realClock } from "../runtime/clock.ts";
import { openLog } from "../runtime/log.ts";
import { endWithParent, LASTING } from "../runtime/program.ts";
import { EXIT } from "../runtime/shutdown.ts";

/** A worker that lived longer than this is started again at once; others after growing pauses. */
const SETTLED_MS = 5_000;
const PAUSE_MS_MAX = 5_000;
const USAGE = "Usage: lifeboat agent --config FILE";
const WORKER = join(import.meta.dirname, "worker", "main.ts");

const { values } = parseArgs({
  options: { config: { type: "string" }, "with-parent": { type: "boolean", default: false } },
});
if (values.config === undefined) {
  process.stderr.write(`${USAGE}\n`);
  process.exit(EXIT.usage);
}
if (values["with-parent"]) endWithParent();
await supervise(values.config);

async function supervise(file: string): Promise<void> {
  const log = openLog("agent-parent");
  let stopping = false;
  let signalled = (_signal: NodeJS.Signals): void => {};
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      stopping = true;
      signalled(signal);
    });
  }
  const env = { ...process.env, ...compileCache(file) };
  for (let failures = 0; ; ) {
    const startedMs = realClock.nowMs();
    const args = [...LASTING, WORKER, "--config", file];
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
function compileCache(file: string): { NODE_COMPILE_CACHE?: string } {
  if (process.env["NODE_COMPILE_CACHE"] !== undefined) return {};
  try {
    const folder = join(stateFolderOf(file), "compile-cache");
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return { NODE_COMPILE_CACHE: folder };
  } catch {
    // The worker cannot read its configuration or use its state folder either, and says why.
    return {};
  }
}

/** Only this is asked of the configuration here; the worker checks all of it. */
function stateFolderOf(file: string): string {
  const config: unknown = parse(readFileSync(file, "utf8"));
  return String((config as { stateFolder?: unknown } | null)?.stateFolder);
}
