/**
 * The `lifeboat` command line: its groups, its global options, and how it ends.
 * @module
 */
import { Command, CommanderError, Option } from "commander";
import { SystemError } from "../protocol/error.ts";
import { PROGRAM_VERSION } from "../protocol/version.ts";
import { addDemoCommand } from "./demo/demo.ts";
import { addEvacuateCommand } from "./evacuate.ts";
import { addEventsCommand } from "./events.ts";
import { EXIT } from "./exit.ts";
import { addFirmwareSimCommands } from "./firmware-sim.ts";
import { addHostCommands } from "./hosts.ts";
import { type Format, showError } from "./output.ts";
import { addParameterCommands } from "./parameter.ts";
import { addPredictorCommands } from "./predictor.ts";
import { addProtectionCommands } from "./protection.ts";
import { addRulesCommands } from "./rules.ts";
import { addSecretsCommands } from "./secrets.ts";
import { addSensorsCommand } from "./sensors.ts";
import { addServerCommands } from "./servers.ts";
import { addSettingsCommands } from "./settings.ts";
import { addSmartCommands } from "./smart.ts";
import { addStatusCommand } from "./status.ts";
import { addVmCommands } from "./vms.ts";
import type { World } from "./world.ts";

/** Adds one group of commands. */
export type CommandGroup = (program: Command, world: World) => void;

const GROUPS: readonly CommandGroup[] = [
  addDemoCommand,
  addServerCommands,
  addFirmwareSimCommands,
  addStatusCommand,
  addHostCommands,
  addVmCommands,
  addEvacuateCommand,
  addProtectionCommands,
  addEventsCommand,
  addSettingsCommands,
  addSecretsCommands,
  addPredictorCommands,
  addRulesCommands,
  addParameterCommands,
  addSensorsCommand,
  addSmartCommands,
];

const HELP = `
A first look, on one machine:
  lifeboat control &                     # management server and coordinator, on loopback
  lifeboat status
  lifeboat evacuate alpha --dry-run      # who would go where, and why
  lifeboat events --follow

Commands find the management server by --management, LIFEBOAT_MANAGEMENT, the state folder, the
configuration's management.listen, or 127.0.0.1:7410, in this order.

Exit status: 0 done, 1 failed, 2 usage, 3 not found, 4 conflict, 5 unreachable, 6 timed out,
130 interrupted.`;

export function buildProgram(world: World): Command {
  const program = new Command("lifeboat")
    .description("Moves QEMU/KVM guests off a server before it fails")
    .version(PROGRAM_VERSION)
    .addOption(
      new Option("-o, --output <format>", "for people or for scripts (prometheus: sensors only)")
        .choices(["table", "json", "prometheus"])
        .default("table"),
    )
    .hook("preAction", (_program, command) => refuseMetrics(command))
    .option("--config <file>", "a configuration file (docs/operations.md)")
    .option("--state <dir>", "the state folder")
    .option("--management <address>", "host:port of the management server")
    .addHelpText("after", HELP)
    .showHelpAfterError("(--help says more)")
    .exitOverride()
    .configureOutput({ writeOut: world.out, writeErr: world.err });
  for (const add of GROUPS) add(program, world);
  for (const command of everyCommand(program)) command.copyInheritedSettings(program);
  return program;
}

/** Only what is measured can be a metric. */
function refuseMetrics(command: Command): void {
  if (command.name() === "sensors" || command.optsWithGlobals()["output"] !== "prometheus") return;
  throw new SystemError("USAGE", "-o prometheus is for lifeboat sensors only");
}

/** Runs one command line (without the program's own name); never throws. */
export async function runCommandLine(world: World, argv: readonly string[]): Promise<void> {
  const program = buildProgram(world);
  try {
    await program.parseAsync([...argv], { from: "user" });
  } catch (thrown) {
    // Commander has printed its own complaint, or the help or version that was asked for.
    if (thrown instanceof CommanderError) {
      world.exitWith(thrown.exitCode === 0 ? EXIT.ok : EXIT.usage);
    } else {
      showError(world, program.opts<{ output?: Format }>().output ?? "table", thrown);
    }
  }
}

function everyCommand(command: Command): Command[] {
  return command.commands.flatMap((one) => [one, ...everyCommand(one)]);
}
