/**
 * `lifeboat events`: the time line of messages and decisions.
 * @module
 */
import type { Command } from "commander";
import type { Event } from "../protocol/operator.ts";
import { printable } from "../runtime/log.ts";
import { wholeNumber } from "./arguments.ts";
import { type Client, withClient } from "./client.ts";
import { type GlobalOptions, optionsOf, paint } from "./output.ts";
import type { World } from "./world.ts";

interface EventsOptions extends GlobalOptions {
  readonly follow?: boolean;
  readonly after: number;
}

const HELP = `
Each event has an id that only grows, who spoke to whom, and what caused it. With -o json each
is one line of JSON.

Examples:
  lifeboat events
  lifeboat events --follow
  lifeboat events --after 1042 -o json`;

export function addEventsCommand(program: Command, world: World): void {
  program
    .command("events")
    .description("print the time line: predictions, decisions, migrations, with their causes")
    .option("-f, --follow", "go on as it grows, until Ctrl-C")
    .option("--after <id>", "only what came after", wholeNumber(0, Number.MAX_SAFE_INTEGER), 0)
    .addHelpText("after", HELP)
    .action(async (_options, command: Command) => {
      const options = optionsOf<EventsOptions>(command);
      await withClient(world, options, async (client) => {
        const print = (event: Event): void => world.out(lineOf(world, event, options));
        if (options.follow) await client.follow(options.after, print);
        else await readAll(client, options.after, print);
      });
    });
}

/** Page by page: an answer holds so many at most. */
async function readAll(
  client: Client,
  after: number,
  print: (event: Event) => void,
): Promise<void> {
  let last = after;
  for (;;) {
    const ask = { method: "events", after: last, follow: false } as const;
    const { events } = await client.ask<{ events: Event[] }>(ask);
    for (const event of events) print(event);
    const newest = events.at(-1);
    if (newest === undefined) return;
    last = newest.id;
  }
}

function lineOf(world: World, event: Event, { output }: EventsOptions): string {
  if (output === "json") return `${JSON.stringify(event)}\n`;
  const { id, wallTime, message, from, to, subject, text, causedBy } = event;
  const way = from === to ? from : `${from} -> ${to}`;
  const about = [subject, text].filter((part) => part !== undefined).join(": ");
  const cause = causedBy === undefined ? "" : paint(world, "2", ` [${printable(causedBy)}]`);
  const what = paint(world, "1", printable(message));
  return `${id} ${wallTime} ${printable(way)} ${what} ${printable(about)}${cause}\n`;
}
