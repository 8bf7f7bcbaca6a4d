/**
 * `lifeboat predictor backtest`: how well the predictor did on this site's own record.
 * @module
 */
import { writeFile } from "node:fs/promises";
import type { Command } from "commander";
import type { Backtest, Figures, Share } from "../../management/backtest.ts";
import { SystemError } from "../../protocol/error.ts";
import { withClient } from "../client.ts";
import { optionsOf, show } from "../output.ts";
import { type Cell, renderSection } from "../table.ts";
import type { World } from "../world.ts";
import { timeText } from "./explain.ts";
import { percent } from "./outcomes.ts";
import { drawBacktest } from "./picture.ts";

const HELP = `
Each figure has its 95 % interval, and counts only what is known: what guests were moved for, what
was replaced and what stands is unknown until you say what became of it.
  precision  of the alarms known, those that came true (lifeboat predictor outcome)
  recall     of the failures recorded, those that were told before (lifeboat predictor failure)
  lead       from the first prediction to the failure
  false      alarms that did not come true, a thousand years of watching one host

Examples:
  lifeboat predictor backtest
  lifeboat predictor backtest -o json --svg backtest.svg`;

export function addBacktestCommand(predictor: Command, world: World): void {
  predictor
    .command("backtest")
    .description("say how well the predictor did on this site's own record")
    .option("--svg <file>", "draw it as well")
    .addHelpText("after", HELP)
    .action(async ({ svg }: { readonly svg?: string }, command: Command) => {
      const options = optionsOf(command);
      const ask = { method: "backtest" } as const;
      const result = await withClient(world, options, (client) => client.ask<Backtest>(ask));
      if (svg !== undefined) await write(svg, drawBacktest(result));
      show(world, options.output, result, () => page(result));
    });
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (cause) {
    throw new SystemError("FILE_FAILED", `Cannot write ${path}`, { cause });
  }
}

const HEADINGS = ["of", "alarms", "unknown", "precision", "recall", "lead", "false"];

function page({ hostYears, since, all, byComponent, byRule }: Backtest): string {
  const from = since === undefined ? "no prediction yet" : `predictions since ${since}`;
  return [
    `${hostYears.toFixed(2)} host-years watched, ${from}\n`,
    renderSection("All", HEADINGS, [row(all)]),
    renderSection("By component", HEADINGS, byComponent.map(row)),
    renderSection("By rule (several may tell of one failure)", HEADINGS, byRule.map(row)),
  ].join("");
}

function row(figures: Figures): Cell[] {
  const { of, alarms, unknown, precision, recall, lead } = figures;
  return [
    of,
    alarms,
    unknown,
    shareText(precision),
    recall && shareText(recall),
    lead && leadText(lead),
    falseText(figures),
  ];
}

/** "50 % (3 of 6; 12 to 88 %)" */
export function shareText({ hits, all, share, interval }: Share): string {
  if (share === undefined) return "not known";
  const [low, high] = interval.map((end) => (100 * end).toFixed(0));
  return `${percent(share)} (${hits} of ${all}; ${low} to ${high} %)`;
}

function leadText({ medianMs, medianIntervalMs, p25Ms }: NonNullable<Figures["lead"]>): string {
  const ends = medianIntervalMs?.map((ms) => timeText(ms)).join(" to ");
  const interval = ends === undefined ? "" : `; ${ends}`;
  return `median ${timeText(medianMs)} (p25 ${timeText(p25Ms)}${interval})`;
}

function falseText({ falsePer1000HostYears, falseInterval, falseAlarms }: Figures): string {
  if (falsePer1000HostYears === undefined || falseInterval === undefined) return `${falseAlarms}`;
  const [low, high] = falseInterval.map((end) => end.toPrecision(2));
  return `${falsePer1000HostYears.toPrecision(3)} (${falseAlarms}; ${low} to ${high})`;
}
