/**
 * `lifeboat parameter`: the operating parameters of hosts, and numbers that a site feeds in.
 * @module
 */
import { type Command, InvalidArgumentError } from "commander";
import type { ShownParameter } from "../management/rules/desk.ts";
import { type HostId, hostId } from "../protocol/ids.ts";
import { FED_SECONDS_MAX } from "../protocol/operator.ts";
import { parameterName } from "../protocol/parameters.ts";
import { parsedBy, wholeNumber } from "./arguments.ts";
import { withClient } from "./client.ts";
import { type GlobalOptions, optionsOf, show } from "./output.ts";
import { renderTable } from "./table.ts";
import type { World } from "./world.ts";

const FOR_SECONDS = 300;

const HELP = `
The number is the host's until --for is over; then it is unknown, which is never inside a range.
Feed it again before. It is forgotten when the management server starts anew. A name of Lifeboat's
own, such as temperature, cannot be fed.

Examples:
  lifeboat parameter set alpha carbon-intensity 312
  lifeboat parameter set alpha spot-price 0.031 --for 3600
  lifeboat parameter set alpha balance -- -12.5
  lifeboat parameter list alpha`;

interface SetOptions extends GlobalOptions {
  readonly for: number;
}

export function addParameterCommands(program: Command, world: World): void {
  const parameter = program
    .command("parameter")
    .description("the numbers of hosts that rules look at (docs/rules.md)");
  parameter
    .command("set")
    .description("feed in a number of a host")
    .argument("<host>", "whose", parsedBy(hostId))
    .argument("<name>", "of the parameter", parsedBy(parameterName))
    .argument("<value>", "a number, in the unit of your rules", decimal)
    .option("--for <seconds>", "how long it counts", wholeNumber(1, FED_SECONDS_MAX), FOR_SECONDS)
    .addHelpText("after", HELP)
    .action(async (host: HostId, name: string, value: number, _options, command: Command) => {
      const options = optionsOf<SetOptions>(command);
      const forSeconds = options.for;
      const taken = await withClient(world, options, (client) =>
        client.ask<object>({ method: "parameter-set", hostId: host, name, value, forSeconds }),
      );
      const text = `${name} of ${host} is ${value} for ${forSeconds} s\n`;
      show(world, options.output, taken, () => text);
    });
  parameter
    .command("list")
    .description("every parameter of every host, or of one, and those that are not known")
    .argument("[host]", "whose", parsedBy(hostId))
    .action(async (host: HostId | undefined, _options, command: Command) => {
      const options = optionsOf(command);
      const { parameters, left } = await withClient(world, options, (client) =>
        client.ask<{ parameters: ShownParameter[]; left: number }>({
          method: "parameters",
          ...(host === undefined ? {} : { hostId: host }),
        }),
      );
      show(world, options.output, parameters, () => renderTable(HEADINGS, parameters.map(row)));
      if (left > 0) world.err(`${left} more hosts: name one\n`);
    });
}

const HEADINGS = ["host", "parameter", "value", "unit", "from", "age", "counts for"];

function row({ hostId: host, name, unit, value, from, ...one }: ShownParameter) {
  const seconds = (count: number | undefined) => (count === undefined ? "" : `${count} s`);
  const shown = value === null ? "unknown" : numberText(value);
  return [host, name, shown, unit, from ?? "", seconds(one.ageSeconds), seconds(one.leftSeconds)];
}

/** A number as people read it: no more than three decimals. */
export function numberText(value: number): string {
  return String(Math.round(value * 1_000) / 1_000);
}

function decimal(text: string): number {
  const value = Number(text);
  if (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d{1,3})?$/i.test(text) && Number.isFinite(value))
    return value;
  throw new InvalidArgumentError("Want a number.");
}
