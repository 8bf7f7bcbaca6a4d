/**
 * `lifeboat predictor fleet`: disks and servers next to their peers.
 * @module
 */
import type { Command } from "commander";
import type { FleetView, Group } from "../../management/fleet.ts";
import { wholeNumber } from "../arguments.ts";
import { withClient } from "../client.ts";
import { optionsOf, show } from "../output.ts";
import { type Cell, renderTable } from "../table.ts";
import type { World } from "../world.ts";
import { percent } from "./outcomes.ts";

const DAYS = 30;

const HELP = `
Compares the share of members that were predicted to fail with that of all others of that kind.
  p           Fisher's exact test, two-sided: how likely so large a difference is by chance
  stands out  p times the number of groups compared is below 0.05
  suspicion   so many at once that one fault of a sensor or of the surroundings is likelier

Racks come from management.racks of the configuration; models from the agents.`;

export function addFleetCommand(predictor: Command, world: World): void {
  predictor
    .command("fleet")
    .description("compare models and racks: where more is predicted than elsewhere")
    .option("--days <number>", "how far back a prediction counts", wholeNumber(1, 3_650), DAYS)
    .addHelpText("after", HELP)
    .action(async ({ days }: { readonly days: number }, command: Command) => {
      const options = optionsOf(command);
      const ask = { method: "fleet", days } as const;
      const view = await withClient(world, options, (client) => client.ask<FleetView>(ask));
      show(world, options.output, view, () => page(view));
    });
}

const HEADINGS = [
  "kind",
  "name",
  "predicted",
  "share",
  "of the rest",
  "suspect",
  "p",
  "stands out",
  "suspicion",
];

function page({ days, servers, disks, groups }: FleetView): string {
  const known = `${disks} disks of ${servers} servers, predictions of ${days} days\n\n`;
  return known + renderTable(HEADINGS, groups.map(row));
}

function row(group: Group): Cell[] {
  const { kind, name, hits, all, restHits, restAll, suspects, p, standsOut, suspicion } = group;
  const share = (of: number, whole: number): string | undefined =>
    whole === 0 ? undefined : percent(of / whole);
  return [
    kind,
    name,
    `${hits} of ${all}`,
    share(hits, all),
    share(restHits, restAll),
    suspects,
    p < 0.001 ? p.toExponential(1) : p.toFixed(3),
    standsOut,
    suspicion,
  ];
}
