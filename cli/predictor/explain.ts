/**
 * `lifeboat predictor explain`: what stands of a host's devices, and why.
 * @module
 */
import type { Command } from "commander";
import type { Explanation, Reason } from "../../management/explain.ts";
import { type HostId, hostId } from "../../protocol/ids.ts";
import { parsedBy } from "../arguments.ts";
import { withClient } from "../client.ts";
import { optionsOf, show } from "../output.ts";
import type { World } from "../world.ts";
import { type Subject, subject } from "./subject.ts";

const HELP = `
Says of each device that is not well: since when, by which rule, which signal against which limit,
how it came there, and where the rule's probability comes from.

Examples:
  lifeboat predictor explain alpha
  lifeboat predictor explain alpha disk/sda -o json`;

export function addExplainCommand(predictor: Command, world: World): void {
  predictor
    .command("explain")
    .description("say why a host's devices are not well")
    .argument("<host>", "its id", parsedBy(hostId))
    .argument("[component/device]", "such as disk/sda; else all", parsedBy(subject))
    .addHelpText("after", HELP)
    .action(async (id: HostId, device: Subject | undefined, _options, command: Command) => {
      const options = optionsOf(command);
      const ask = { method: "explain", hostId: id, ...device } as const;
      const { explanations } = await withClient(world, options, (client) =>
        client.ask<{ explanations: Explanation[] }>(ask),
      );
      show(world, options.output, explanations, () =>
        explanations.length === 0
          ? `Nothing is known against ${id}\n`
          : explanations.map(paragraph).join("\n"),
      );
    });
}

function paragraph(one: Explanation): string {
  const { component, device, source, risk, since, prediction, reasons, earlier } = one;
  const now = risk === undefined ? "predicted to fail" : risk;
  const steps = earlier.map(({ to, wallTime, values }) => {
    const told = Object.entries(values).map(([signal, value]) => `${signal} ${value}`);
    const found = told.length === 0 ? "" : ` (${told.join(", ")})`;
    return `  before:     ${to} since ${wallTime}${found}`;
  });
  return `${[
    `${component}/${device} is ${now} since ${since}, says ${SPEAKER[source]}`,
    ...(prediction === undefined ? [] : predictionLines(prediction)),
    ...reasons.flatMap(reasonLines),
    ...steps,
  ].join("\n")}\n`;
}

const SPEAKER = { agent: "the agent", nic: "the adapter's firmware" } as const;

function predictionLines({ prediction, wallTime, decision, cleared }: Prediction): string[] {
  const { predictionId, probability, horizonMs, basis } = prediction;
  const how = basis === undefined ? "" : `, ${basis}`;
  const chance = `${probability.toFixed(2)} within ${timeText(horizonMs)}${how}`;
  return [
    `  prediction: ${predictionId} at ${wallTime}: ${chance}`,
    ...(decision === undefined ? [] : [`  decision:   ${decision}`]),
    ...(cleared === undefined
      ? []
      : [`  cleared:    ${cleared.cause} at ${cleared.wallTime}: ${cleared.reason}`]),
  ];
}

type Prediction = NonNullable<Explanation["prediction"]>;

function reasonLines({ text, signal, value, threshold, unit, rule, outlook }: Reason): string[] {
  const of = unit === undefined || unit === "count" ? "" : ` ${unit}`;
  const lines = [
    `  found:      ${text}`,
    `              ${signal} is ${value}${of}; the limit is ${threshold}${of}`,
  ];
  if (rule === undefined) return lines;
  if (outlook === undefined) return [...lines, `              by rule ${rule}`];
  const { probability, horizonMs, basis } = outlook;
  const chance = `${probability.toFixed(2)} within ${timeText(horizonMs)}`;
  return [...lines, `              by rule ${rule}: ${chance}, ${BASIS[basis]}`];
}

const BASIS = {
  measured: "measured on drives that failed (predictor/config.ts says where)",
  assumed: "assumed: nobody has published such data (predictor/config.ts)",
} as const;

/** 5184000000 -> "60 days". */
export function timeText(ms: number): string {
  const [amount, unit] =
    ms >= 86_400_000
      ? [ms / 86_400_000, "day"]
      : ms >= 3_600_000
        ? [ms / 3_600_000, "hour"]
        : [ms / 60_000, "minute"];
  const text = Number(amount.toFixed(1));
  return `${text} ${unit}${text === 1 ? "" : "s"}`;
}
