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
import type { Fleet } from "./fleet.ts";
import { tryText } from "./narration.ts";
import { type Cause, cause } from "./report.ts";
import { type Played, SCENARIOS, type ScenarioName, scenarioOf } from "./scenario.ts";
import { makeSite } from "./site.ts";

const COMMAND = join(import.meta.dirname, "..", "..", "bin", "lifeboat.mjs");
const SWEEP = join(import.meta.dirname, "sweep", "main.ts");

interface DemoOptions extends GlobalOptions {
  readonly scenario: ScenarioName;
  readonly cause: Cause;
  readonly agentDead?: boolean;
  readonly once?: boolean;
  readonly keep?: boolean;
}

const HELP = `
Three hosts on this machine, two guests on the first of them.

  --scenario evacuation   a device of its server begins to fail, that is predicted, and the guests
                          move while they go on counting
  --scenario power-cut    its server loses its power without warning, that is proven, and the guests
                          come up from their replicas
  --scenario swap         its server grows hot, by a rule the guests swap roles with their replicas,
                          and later come back

Of an evacuation:
  --cause disk   a disk dies; the host's agent predicts it
  --cause nic    the network adapter corrupts frames while the coordinator is away; the adapter's
                 own firmware predicts it, on a link of its own

Examples:
  lifeboat demo
  lifeboat demo --cause nic
  lifeboat demo --scenario power-cut
  lifeboat demo --once -o json           # the report alone on standard output
  lifeboat demo --cause nic --agent-dead --once   # what cannot be done, and that it says so

Everything is kept in a new temporary folder, and Ctrl-C ends all that was started, guests too.
Ends with 0 only if every guest moved and lost nothing, or no more than a failover may.`;

export function addDemoCommand(program: Command, world: World): void {
  program
    .command("demo")
    .description("show it all on this machine: real guests outlive the host they ran on")
    .addOption(
      new Option("--scenario <scenario>", "what is shown").choices(SCENARIOS).default("evacuation"),
    )
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
  const scenario = scenarioOf(options.scenario, world, courseOf(options));
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
  const fleet = makeSite(world, scenario.site);
  const sweeper = startSweeper(world, fleet, options);
  try {
    const course = scenario.play({ world, fleet, say, ending: ending.signal });
    // Once interrupted, nobody waits for its end.
    course.catch(() => undefined);
    const played = await Promise.race([course, interrupted]);
    if (played === undefined) {
      world.exitWith(signalled === "SIGTERM" ? EXIT.terminated : EXIT.interrupted);
    } else {
      await present(world, fleet, say, options, played, interrupted);
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
  { report, text }: Played,
  interrupted: Promise<unknown>,
): Promise<void> {
  show(world, output, report, text);
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
