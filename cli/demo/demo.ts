/**
 * `lifeboat demo`: a whole site on this machine, from its start to its last process.
 * @module
 */
import { join } from "node:path";
import { type Command, Option } from "commander";
import { SystemError } from "../../protocol/error.ts";
import type { Program } from "../../runtime/program.ts";
import { EXIT } from "../exit.ts";
import { type GlobalOptions, optionsOf, paint, show } from "../output.ts";
import type { EndSignal, World } from "../world.ts";
import { play } from "./course.ts";
import type { Fleet } from "./fleet.ts";
import { reportText, tryText } from "./narration.ts";
import { type Cause, cause, type DemoReport } from "./report.ts";
import { makeSite } from "./site.ts";

const COMMAND = join(import.meta.dirname, "..", "..", "bin", "lifeboat.mjs");
const SWEEP = join(import.meta.dirname, "sweep", "main.ts");

interface DemoOptions extends GlobalOptions {
  readonly cause: Cause;
  readonly agentDead?: boolean;
  readonly once?: boolean;
  readonly keep?: boolean;
}

const HELP = `
Three hosts on this machine, two guests on the first of them. A device of its server begins to
fail, that is predicted, and the guests move while they go on counting.

  --cause disk   a disk dies; the host's agent predicts it
  --cause nic    the network adapter corrupts frames while the coordinator is away; the adapter's
                 own firmware predicts it, on a link of its own

Examples:
  lifeboat demo
  lifeboat demo --cause nic
  lifeboat demo --once -o json           # the report alone on standard output
  lifeboat demo --cause nic --agent-dead --once   # what cannot be done, and that it says so

Everything is kept in a new temporary folder, and Ctrl-C ends all that was started, guests too.
Ends with 0 only if every guest moved and lost nothing.`;

export function addDemoCommand(program: Command, world: World): void {
  program
    .command("demo")
    .description("show it all on this machine: real guests leave a host before it fails")
    .addOption(new Option("--cause <cause>", "what fails").choices(cause.options).default("disk"))
    .option("--agent-dead", "the failing host's agent is dead as well")
    .option("--once", "end after the report")
    .option("--keep", "keep the folder with state and logs, and say where it is")
    .addHelpText("after", HELP)
    .action((_options, command: Command) => runDemo(world, optionsOf<DemoOptions>(command)));
}

/** @throws SystemError when the demo could not be shown to its end */
async function runDemo(world: World, options: DemoOptions): Promise<void> {
  if (options.agentDead && options.cause === "disk") {
    throw new SystemError("USAGE", "A dead agent predicts no disk: --agent-dead needs --cause nic");
  }
  const ending = new AbortController();
  let signalled: EndSignal | undefined;
  let interrupt = (): void => {};
  const interrupted = new Promise<undefined>((resolve) => {
    interrupt = () => resolve(undefined);
  });
  const takeBack = world.onSignal((signal) => {
    signalled ??= signal;
    ending.abort();
    interrupt();
  });
  const say = speaker(world);
  const fleet = makeSite(world);
  const sweeper = startSweeper(world, fleet, options);
  try {
    const course = play({ world, fleet, say, ending: ending.signal }, courseOf(options));
    // Once interrupted, nobody waits for its end.
    course.catch(() => undefined);
    const report = await Promise.race([course, interrupted]);
    if (report === undefined) {
      world.exitWith(signalled === "SIGTERM" ? EXIT.terminated : EXIT.interrupted);
    } else {
      await present(world, fleet, say, options, report, interrupted);
    }
  } finally {
    say("Ending everything that was started.");
    await fleet.close({ keepFolder: options.keep === true });
    if (options.keep) say(`State and logs are kept in ${fleet.folder}`);
    sweeper.signal("SIGTERM");
    await sweeper.exited;
    takeBack();
  }
}

/** Cleans up after this process if it cannot. */
function startSweeper(world: World, fleet: Fleet, { keep }: DemoOptions): Program {
  const args = [...(keep ? ["--keep"] : []), fleet.folder, fleet.ramFolder];
  return world.startProgram(SWEEP, args, { onLine: () => undefined });
}

function courseOf({ cause: failing, agentDead = false }: DemoOptions) {
  return { cause: failing, agentDead };
}

async function present(
  world: World,
  fleet: Fleet,
  say: (text: string) => void,
  { output, once }: DemoOptions,
  report: DemoReport,
  interrupted: Promise<unknown>,
): Promise<void> {
  show(world, output, report, () => reportText(report));
  world.exitWith(report.ok ? EXIT.ok : EXIT.failed);
  if (once) return;
  say(tryText(join(fleet.folder, "site"), COMMAND));
  await interrupted;
}

/** Lines on standard error, each with the seconds since now. */
function speaker(world: World): (text: string) => void {
  const startedMs = world.clock.nowMs();
  return (text) => {
    const seconds = ((world.clock.nowMs() - startedMs) / 1_000).toFixed(1).padStart(5);
    for (const line of text.split("\n"))
      world.err(`${paint(world, "2", `${seconds} s`)}  ${line}\n`);
  };
}
