/**
 * The commands that start programs: `lifeboat control`, `management`, `coordinator` and `agent`.
 * @module
 */
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { SystemError } from "../protocol/error.ts";
import type { Program, ProgramExit } from "../runtime/program.ts";
import type { ReadyLine } from "../runtime/server-program.ts";
import { COORDINATOR_LISTEN, MANAGEMENT_LISTEN } from "../runtime/site.ts";
import { EXIT } from "./exit.ts";
import { type GlobalOptions, optionsOf, show } from "./output.ts";
import type { EndSignal, World } from "./world.ts";

export const MAIN = {
  agent: fileURLToPath(new URL("../agent/main.ts", import.meta.url)),
  coordinator: fileURLToPath(new URL("../coordinator/main.ts", import.meta.url)),
  management: fileURLToPath(new URL("../management/main.ts", import.meta.url)),
} as const;

/** A program that has not ended in order by then is ended. */
const END_MS = 20_000;

interface ServerOptions extends GlobalOptions {
  readonly listen?: string | undefined;
  readonly coordinator?: string | undefined;
  readonly coordinatorListen?: string;
  readonly insecureNetwork?: boolean;
}

const CONTROL_HELP = `
State is kept in /var/lib/lifeboat as root, in ~/.local/state/lifeboat otherwise, or where
--state or the configuration's \`state\` says. Log lines (JSON) go to standard error.

Examples:
  lifeboat control
  lifeboat control --state ./state --listen 127.0.0.1:7500
  lifeboat control --config /etc/lifeboat.yaml`;

const INSECURE = "allow addresses beyond loopback: links are proven, but not encrypted";

export function addServerCommands(program: Command, world: World): void {
  program
    .command("control")
    .description("run the management server and the coordinator of a small site")
    .option("--listen <address>", `where management listens (default: ${MANAGEMENT_LISTEN})`)
    .option(
      "--coordinator-listen <address>",
      `where the coordinator listens (default: ${COORDINATOR_LISTEN})`,
    )
    .option("--insecure-network", INSECURE)
    .addHelpText("after", CONTROL_HELP)
    .action((_options, command: Command) => control(world, optionsOf<ServerOptions>(command)));
  program
    .command("management")
    .description("run the management server: takes predictions, decides, answers operators")
    .option("--listen <address>", `where it listens (default: ${MANAGEMENT_LISTEN})`)
    .option("--coordinator <address>", `where the coordinator is (default: ${COORDINATOR_LISTEN})`)
    .option("--insecure-network", INSECURE)
    .action((_options, command: Command) => {
      const options = optionsOf<ServerOptions>(command);
      return foreground(world, MAIN.management, serverArguments(options, options.listen));
    });
  program
    .command("coordinator")
    .description("run the coordinator: the authority on which host runs which VM")
    .option("--listen <address>", `where it listens (default: ${COORDINATOR_LISTEN})`)
    .option("--insecure-network", INSECURE)
    .action((_options, command: Command) => {
      const options = optionsOf<ServerOptions>(command);
      return foreground(world, MAIN.coordinator, serverArguments(options, options.listen));
    });
  program
    .command("agent")
    .description("run the agent of a hypervisor host (needs --config FILE)")
    .addHelpText("after", "\nExample:\n  lifeboat agent --config /etc/lifeboat/agent.yaml")
    .action((_options, command: Command) => agent(world, optionsOf<ServerOptions>(command)));
}

/** The arguments that a server takes: those of this command, but for where it listens. */
function serverArguments(options: ServerOptions, listen: string | undefined): string[] {
  const { config, state, coordinator, insecureNetwork } = options;
  const given = { config, state, listen, coordinator };
  const named = Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, value],
  );
  return insecureNetwork ? [...named, "--insecure-network"] : named;
}

async function agent(world: World, options: ServerOptions): Promise<void> {
  if (options.config === undefined) {
    throw new SystemError("USAGE", "lifeboat agent needs --config FILE");
  }
  await foreground(world, MAIN.agent, ["--config", options.config, "--with-parent"]);
}

/** Runs a program as if it were this one: signals reach it, and its status is this one's. */
export async function foreground(
  world: World,
  main: string,
  args: readonly string[],
): Promise<void> {
  const child = world.startProgram(main, args);
  const takeBack = world.onSignal((signal) => child.signal(signal));
  const exit = await child.exited;
  takeBack();
  world.exitWith(statusOf(exit));
}

async function control(world: World, options: ServerOptions): Promise<void> {
  const { coordinatorListen, listen } = options;
  const started: Program[] = [];
  let signal: EndSignal | undefined;
  const end = (): void => {
    for (const program of started) program.signal("SIGTERM");
  };
  const takeBack = world.onSignal((name) => {
    signal = name;
    end();
  });
  try {
    const coordinator = await startServer(
      world,
      started,
      "coordinator",
      serverArguments(options, coordinatorListen),
    );
    const known = { ...options, coordinator: coordinator.listening };
    const management = await startServer(
      world,
      started,
      "management",
      serverArguments(known, listen),
    );
    show(world, options.output, { management, coordinator }, () =>
      readyText(management, coordinator),
    );
    const first = await Promise.race(started.map((program) => program.exited));
    if (signal === undefined) {
      throw new SystemError("COMMAND_FAILED", `A program of the control plane ${howOf(first)}`);
    }
  } catch (thrown) {
    if (signal === undefined) throw thrown;
  } finally {
    takeBack();
    end();
    await ended(world, started);
  }
}

/** Starts one server; resolves once it listens. @throws SystemError COMMAND_FAILED, USAGE */
async function startServer(
  world: World,
  started: Program[],
  program: "management" | "coordinator",
  args: readonly string[],
): Promise<ReadyLine> {
  return await new Promise((resolve, reject) => {
    const child = world.startProgram(MAIN[program], [...args, "--with-parent"], {
      onLine: (line) => resolve(JSON.parse(line) as ReadyLine),
    });
    started.push(child);
    void child.exited.then((exit) => {
      // It has said itself what it does not understand.
      const code = exit.code === EXIT.usage ? "USAGE" : "COMMAND_FAILED";
      reject(new SystemError(code, `The ${program} ${howOf(exit)}`));
    });
  });
}

async function ended(world: World, started: readonly Program[]): Promise<void> {
  const late = world.clock.after(END_MS, () => {
    for (const program of started) program.signal("SIGKILL");
  });
  await Promise.all(started.map((program) => program.exited));
  late.cancel();
}

function readyText(management: ReadyLine, coordinator: ReadyLine): string {
  return [
    `management server listens on ${management.listening} (pid ${management.pid})\n`,
    `coordinator listens on ${coordinator.listening} (pid ${coordinator.pid})\n`,
  ].join("");
}

function howOf({ code, signal, failure }: ProgramExit): string {
  if (failure !== undefined) return `could not be started: ${failure}`;
  return signal === undefined ? `ended with status ${code}` : `was ended by ${signal}`;
}

function statusOf({ code, signal }: ProgramExit): number {
  if (code !== undefined) return code;
  if (signal === "SIGINT") return EXIT.interrupted;
  return signal === "SIGTERM" ? EXIT.terminated : EXIT.failed;
}
