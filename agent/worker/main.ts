/**
 * The agent's worker: the process that does the work. agent/main.ts starts it, again if need be.
 */
import { readFileSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { parseArgs } from "node:util";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import { realClock } from "../../runtime/clock.ts";
import { openLog } from "../../runtime/log.ts";
import { endWithParent } from "../../runtime/program.ts";
import { EXIT, stopOnSignals } from "../../runtime/shutdown.ts";
import { type AgentConfig, parseAgentConfig } from "../config.ts";
import { startWorker } from "./worker.ts";

const { values } = parseArgs({ options: { config: { type: "string" } } });
endWithParent();
const config = readConfig(values.config ?? "");
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
process.stdout.write(`${JSON.stringify(ready)}\n`);
stopOnSignals(realClock, log, () => worker.close());
// Otherwise it is written only when a worker ends in order, which those that matter do not.
flushCompileCache();

function readConfig(file: string): AgentConfig {
  try {
    return parseAgentConfig(readFileSync(file, "utf8"), file);
  } catch (thrown) {
    const code = thrown instanceof SystemError ? `${thrown.code}: ` : "";
    process.stderr.write(`${code}${reasonOf(thrown)}\n`);
    process.exit(EXIT.usage);
  }
}
