/**
 * The life of a program that listens: arguments, a line that says where, signals, and the end.
 * @module
 */
import { homedir } from "node:os";
import { parseArgs } from "node:util";
import { reasonOf, SystemError } from "../protocol/error.ts";
import { realClock } from "./clock.ts";
import { type Log, openLog } from "./log.ts";
import { endWithParent } from "./program.ts";
import { EXIT, stopOnSignals } from "./shutdown.ts";
import { defaultState } from "./site.ts";

export interface ServerArguments {
  readonly config?: string | undefined;
  readonly state?: string | undefined;
  readonly listen?: string | undefined;
  /** Where the management server finds the coordinator. */
  readonly coordinator?: string | undefined;
  readonly insecureNetwork: boolean;
  /** Where state is kept when neither the arguments nor the configuration say. */
  readonly defaultState: string;
}

export interface RunningServer {
  /** `host:port`, or a local socket's path; absent if it only dials. */
  readonly listening?: string;
  close(): Promise<void>;
}

/** The first line of a server's standard output: it listens from now on. */
export interface ReadyLine {
  readonly program: string;
  /** A program that only dials says it without this. */
  readonly listening: string;
  readonly pid: number;
}

/** Runs `start` until a signal; its failure is told in a sentence on standard error. */
export async function runServer(
  program: string,
  start: (args: ServerArguments, log: Log) => Promise<RunningServer>,
): Promise<void> {
  const log = openLog(program);
  process.on("uncaughtException", (error) => {
    log.error("Ending: what must be durable is not, or this program is wrong", { error });
    process.stderr.write(`${error.stack}\n`);
    process.exit(EXIT.failed);
  });
  try {
    const { args, withParent } = parseArguments(process.argv.slice(2));
    const server = await start(args, log);
    const { listening } = server;
    const where = listening === undefined ? {} : { listening };
    const ready: Partial<ReadyLine> = { program, ...where, pid: process.pid };
    stopOnSignals(realClock, log, () => server.close());
    process.stdout.write(`${JSON.stringify(ready)}\n`);
    if (withParent) endWithParent();
  } catch (thrown) {
    process.stderr.write(`lifeboat ${program}: ${reasonOf(thrown)}\n`);
    const code = thrown instanceof SystemError ? thrown.code : undefined;
    process.exit(code === "USAGE" || code === "CONFIG_INVALID" ? EXIT.usage : EXIT.failed);
  }
}

function parseArguments(argv: readonly string[]): { args: ServerArguments; withParent: boolean } {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        config: { type: "string" },
        state: { type: "string" },
        listen: { type: "string" },
        coordinator: { type: "string" },
        "insecure-network": { type: "boolean", default: false },
        "with-parent": { type: "boolean", default: false },
      },
    });
    const { "insecure-network": insecureNetwork, "with-parent": withParent, ...rest } = values;
    const environment = {
      root: process.geteuid?.() === 0,
      home: homedir(),
      stateHome: process.env["XDG_STATE_HOME"],
    };
    const args = { ...rest, insecureNetwork, defaultState: defaultState(environment) };
    return { args, withParent };
  } catch (cause) {
    throw new SystemError("USAGE", reasonOf(cause), { cause });
  }
}
