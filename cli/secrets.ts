/**
 * `lifeboat secrets`: the files by which programs prove who they are.
 * @module
 */
import type { Command } from "commander";
import { type HostId, hostId, type Principal, principal } from "../protocol/ids.ts";
import { ensureSecret, secretPath } from "../runtime/secrets.ts";
import { eachParsedBy } from "./arguments.ts";
import { findSite } from "./client.ts";
import { type GlobalOptions, optionsOf, show } from "./output.ts";
import { renderTable } from "./table.ts";
import type { World } from "./world.ts";

const HELP = `
A secret is shared by a program and those it dials: copy an agent's to STATE/secrets on its
own host (mode 0600). Programs take up new files without a restart.

Examples:
  lifeboat secrets init --host alpha --host bravo
  lifeboat secrets create agent:charlie nic:charlie`;

export function addSecretsCommands(program: Command, world: World): void {
  const secrets = program
    .command("secrets")
    .description("make the secrets by which programs prove who they are")
    .addHelpText("after", HELP);
  const create = (command: Command, who: readonly Principal[]): void => {
    const options = optionsOf<GlobalOptions>(command);
    const folder = findSite(world, options).folders.secrets;
    for (const one of who) ensureSecret(folder, one, world.random);
    const made = who.map((one) => ({ principal: one, path: secretPath(folder, one) }));
    show(world, options.output, made, () =>
      renderTable(
        ["principal", "file"],
        made.map(({ principal: one, path }) => [one, path]),
      ),
    );
  };
  secrets
    .command("init")
    .description("make those of a site: management, operator, and of each host its agent's")
    .option("--host <host>", "a host of the site (again for each)", eachParsedBy(hostId))
    .action(({ host = [] }: { host?: HostId[] }, command: Command) => {
      const agents = host.map((id): Principal => `agent:${id}`);
      create(command, ["management", "operator", ...agents]);
    });
  secrets
    .command("create")
    .description("make one for each principal that has none yet")
    .argument(
      "<principal...>",
      "agent:HOST, nic:SERVER, management or operator",
      eachParsedBy(principal),
    )
    .action((names: Principal[], _options, command: Command) => {
      create(command, names);
    });
}
