/**
 * `lifeboat predictor outcomes`, `outcome` and `failure`: what became of predictions.
 * @module
 */
import { Argument, type Command } from "commander";
import type { AlarmRecord, FailureRecord } from "../../management/alarm.ts";
import type { Outcomes } from "../../management/outcomes.ts";
import { type HostId, hostId, type OperationId, operationId, text } from "../../protocol/ids.ts";
import { type Ask, type Told, told, utcTime } from "../../protocol/operator.ts";
import { parsedBy } from "../arguments.ts";
import { withClient } from "../client.ts";
import { optionsOf, show } from "../output.ts";
import { type Cell, renderSection, renderTable } from "../table.ts";
import type { World } from "../world.ts";
import { type Subject, subject } from "./subject.ts";

const HELP_OUTCOMES = `
Predictions of one device that follow each other count once, under the first one's id.

failed    it came true, by an operator's word
healthy   it did not, by an operator's word, or it was acknowledged
cleared   it did not: the device became well by itself
acted-on  guests were moved away because of it: nobody knows what it would have done
replaced  other hardware is in its place: nobody knows either
unknown   its host was put back into service, or an operator does not know
open      it stands

Precision is the share that came true among failed, healthy and cleared only.`;

const HELP_OUTCOME = `
Say it of what was acted on as well, once the hardware was looked at: your word counts above all.

Examples:
  lifeboat predictor outcome 1f2e3d4c-disk-sda-1 failed --at 2026-01-31T12:00:00Z
  lifeboat predictor outcome 1f2e3d4c-disk-sda-1 replaced --note "swapped in the rack round"`;

const HELP_FAILURE = `
Needed for recall: a failure that nothing had told of is known only if somebody says so. One that
a prediction had told of makes that prediction come true.

Example:
  lifeboat predictor failure alpha disk/sdb --at 2026-01-31T12:00:00Z --note "no reply on SATA 2"`;

export function addOutcomeCommands(predictor: Command, world: World): void {
  predictor
    .command("outcomes")
    .description("list what became of each prediction, and how many came true")
    .addHelpText("after", HELP_OUTCOMES)
    .action(async (_options, command: Command) => {
      const options = optionsOf(command);
      const ask = { method: "outcomes" } as const;
      const outcomes = await withClient(world, options, (client) => client.ask<Outcomes>(ask));
      show(world, options.output, outcomes, () => page(outcomes));
    });
  addOutcome(predictor, world);
  addFailure(predictor, world);
}

interface WordOptions {
  readonly note?: string;
  readonly at?: string;
}

function addOutcome(predictor: Command, world: World): void {
  const command = predictor
    .command("outcome")
    .description("say what became of a prediction")
    .argument("<id>", "the prediction's", parsedBy(operationId))
    .addArgument(new Argument("<outcome>", "what became of it").choices(told.options))
    .addHelpText("after", HELP_OUTCOME);
  addWordOptions(command).action(
    async (predictionId: OperationId, outcome: Told, { note, at }: WordOptions) => {
      const ask: Ask = { method: "outcome", predictionId, outcome, note, at };
      const options = optionsOf(command);
      const alarm = await withClient(world, options, (client) => client.ask<AlarmRecord>(ask));
      show(world, options.output, alarm, () => `${alarm.alarmId}: ${outcome}\n`);
    },
  );
}

function addFailure(predictor: Command, world: World): void {
  const command = predictor
    .command("failure")
    .description("say that a device has failed, whether or not that was predicted")
    .argument("<host>", "its host", parsedBy(hostId))
    .argument("<component/device>", "such as disk/sda", parsedBy(subject))
    .addHelpText("after", HELP_FAILURE);
  addWordOptions(command).action(async (id: HostId, device: Subject, { note, at }: WordOptions) => {
    const ask: Ask = { method: "failure", hostId: id, ...device, note, at };
    const options = optionsOf(command);
    const kept = await withClient(world, options, (client) =>
      client.ask<AlarmRecord | { missed: FailureRecord }>(ask),
    );
    show(world, options.output, kept, () =>
      "missed" in kept
        ? "Kept as a failure that nothing had told of\n"
        : `Prediction ${kept.alarmId} came true\n`,
    );
  });
}

function addWordOptions(command: Command): Command {
  return command
    .option("--note <text>", "kept with your word", parsedBy(text))
    .option("--at <time>", "when it failed, in UTC; now unless said", parsedBy(utcTime));
}

const HEADINGS = ["time", "prediction", "server", "device", "probability", "outcome", "note"];

function page({ alarms, missed, missedCount, counts, precision }: Outcomes): string {
  const told = Object.entries(counts).map(([outcome, count]) => `${count} ${outcome}`);
  const lost = missed.map(({ failedAt, serverId, component: what, device, note }): Cell[] => {
    return [failedAt, serverId, `${what}/${device}`, note];
  });
  return [
    renderTable(HEADINGS, alarms.map(row)),
    missedCount === 0
      ? ""
      : renderSection("Failures without a prediction", ["time", "server", "device", "note"], lost),
    `\n${told.length === 0 ? "No prediction yet" : told.join(", ")}\n`,
    `${precisionText(precision)}\n`,
  ].join("");
}

function row(alarm: Outcomes["alarms"][number]): Cell[] {
  const { wallTime, alarmId, serverId, component: what, device, probability, outcome } = alarm;
  const note = alarm.word?.note ?? alarm.ended?.reason ?? alarm.actedOn;
  const told = probability.toFixed(2);
  return [wallTime, alarmId, serverId, `${what}/${device}`, told, outcome, note];
}

/** A share is never given without what it rests on. */
export function precisionText({
  known,
  cameTrue,
  unknown,
  interval,
}: Outcomes["precision"]): string {
  const rest = `of ${unknown} it is not known`;
  if (known === 0) return `Precision: nobody can say yet; ${rest}`;
  const [low, high] = interval.map(percent);
  const share = percent(cameTrue / known);
  const counted = `${cameTrue} of ${known} known came true`;
  return `Precision ${share} (95 %: ${low} to ${high}): ${counted}; ${rest}`;
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(share > 0 && share < 0.01 ? 2 : 0)} %`;
}
