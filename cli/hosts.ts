/**
 * `lifeboat hosts` and `lifeboat host cordon|uncordon`.
 * @module
 */
import type { Command } from "commander";
import { type HostId, hostId } from "../protocol/ids.ts";
import { parsedBy } from "./arguments.ts";
import { withClient } from "./client.ts";
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
    .description("keep VMs off a host, or allow them again")
    .addHelpText(
      "after",
      "\nExamples:\n  lifeboat host cordon alpha\n  lifeboat host uncordon alpha",
    );
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
}
