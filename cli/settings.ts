/**
 * `lifeboat mode`, `disarm` and `arm`: what predictions may lead to.
 * @module
 */
import { Argument, type Command } from "commander";
import type { Settings } from "../management/state.ts";
import { type Ask, type Mode, mode } from "../protocol/operator.ts";
import { withClient } from "./client.ts";
import { type GlobalOptions, optionsOf, show } from "./output.ts";
import type { World } from "./world.ts";

const MODE_HELP = `
shadow  predict, plan and write down, but move nothing (a new site begins so)
act     evacuate a host whose server is predicted to fail

A mode holds for what is predicted from now on. Your own \`lifeboat evacuate\` works in both.

Examples:
  lifeboat mode
  lifeboat mode act`;

export function addSettingsCommands(program: Command, world: World): void {
  const change = async (command: Command, ask: Ask): Promise<void> => {
    const options = optionsOf<GlobalOptions>(command);
    const settings = await withClient(world, options, (client) => client.ask<Settings>(ask));
    const { mode: now, disarmed } = settings;
    show(world, options.output, { mode: now, disarmed }, () => {
      return `Mode ${now}${disarmed ? ", disarmed" : ""}\n`;
    });
  };
  program
    .command("mode")
    .description("show or set what is done about a prediction")
    .addArgument(new Argument("[mode]", "the new one").choices(mode.options))
    .addHelpText("after", MODE_HELP)
    .action((wanted: Mode | undefined, _options, command: Command) =>
      change(command, { method: "mode", ...(wanted === undefined ? {} : { mode: wanted }) }),
    );
  program
    .command("disarm")
    .description("start nothing by itself until `lifeboat arm`")
    .action((_options, command: Command) => change(command, { method: "disarm", disarmed: true }));
  program
    .command("arm")
    .description("take `lifeboat disarm` back")
    .action((_options, command: Command) => change(command, { method: "disarm", disarmed: false }));
}
