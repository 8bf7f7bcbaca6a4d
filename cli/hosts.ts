/**
 * `lifeboat hosts` and `lifeboat host cordon|uncordon|declare-off`.
 * @module
 */
import type { Command } from "commander";
import { type HostId, hostId, type ServerId, serverId, text } from "../protocol/ids.ts";
import { parsedBy } from "./arguments.ts";
import { withClient } from "./client.ts";
import { addFenceCommand } from "./fence.ts";
import { optionsOf, show } from "./output.ts";
import { hostsTable, readStatus } from "./status.ts";
import type { World } from "./world.ts";

export function addHostCommands(program: Command, world: World): void {
  program
    .command("hosts")
    .description("list the hosts")
    .action(async (_options, command: Command) => {
      const options = optionsOf(command);
      const status = await readStatus(world, options);
      show(world, options.output, status.hosts, () => hostsTable(status));
    });
  const host = program
    .command("host")
    .description(
      "keep VMs off a host, or allow them again; have its server switched off, or say that it is",
    )
    .addHelpText("after", HOST_EXAMPLES);
  for (const cordoned of [true, false]) {
    host
      .command(cordoned ? "cordon" : "uncordon")
      .description(cordoned ? "place no VM there any more" : "place VMs there again")
      .argument("<host>", "its id", parsedBy(hostId))
      .action(async (id: HostId, _options, command: Command) => {
        const options = optionsOf(command);
        const ask = { method: "cordon", hostId: id, cordoned } as const;
        await withClient(world, options, (client) => client.ask(ask));
        show(world, options.output, { hostId: id, cordoned }, () => {
          return `${id} is ${cordoned ? "cordoned" : "open to VMs"}\n`;
        });
      });
  }
  addDeclareOff(host, world);
  addFenceCommand(host, world);
}

const HOST_EXAMPLES = `
Examples:
  lifeboat host cordon alpha
  lifeboat host uncordon alpha
  lifeboat host declare-off alpha --server alpha --reason "pulled its plug"
  lifeboat host fence alpha --server alpha --dry-run`;

const DECLARE_OFF_HELP = `
Silence proves nothing: a server that does not answer may still run its guests. Look at the
machine, or take its power away, before you say this. VMs that were on their way to it, and stand
on their old host since, then go on there. It is refused of a host that is connected, kept in the
time line, and void as soon as the host is heard of again.`;

interface DeclareOffOptions {
  readonly server: ServerId;
  readonly reason: string;
}

function addDeclareOff(host: Command, world: World): void {
  host
    .command("declare-off")
    .description("say that you have seen a host's server to be off")
    .argument("<host>", "its id", parsedBy(hostId))
    .requiredOption("--server <name>", "the server's name, typed again", parsedBy(serverId))
    .requiredOption("--reason <text>", "how you know; kept with your word", parsedBy(text))
    .addHelpText("after", DECLARE_OFF_HELP)
    .action(async (id: HostId, { server, reason }: DeclareOffOptions, command: Command) => {
      const options = optionsOf(command);
      const ask = { method: "declare-off", hostId: id, serverId: server, reason } as const;
      await withClient(world, options, (client) => client.ask(ask));
      show(world, options.output, { hostId: id, serverId: server, reason }, () => {
        return `${id} counts as off until it is heard of again\n`;
      });
    });
}
