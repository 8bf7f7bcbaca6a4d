/**
 * `lifeboat rules`: ranges of operating parameters that swap a VM's primary and secondary.
 * @module
 */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { rangeText } from "../management/rules/decide.ts";
import type { Explained, ExplainedHost } from "../management/rules/explain.ts";
import type { Status } from "../management/status.ts";
import { reasonOf, SystemError } from "../protocol/error.ts";
import { type VmId, vmId } from "../protocol/ids.ts";
import { type RuleSet, ruleSet } from "../protocol/rules.ts";
import { parseStrictYaml } from "../runtime/strict-yaml.ts";
import { findVm } from "./arguments.ts";
import { type Client, withClient } from "./client.ts";
import { type GlobalOptions, optionsOf, show } from "./output.ts";
import { numberText } from "./parameter.ts";
import { renderSection, renderTable } from "./table.ts";
import type { World } from "./world.ts";

const SET_HELP = `
FILE is YAML (docs/rules.md):
  parameters:
    temperature: { range: [null, 70], hysteresis: 5, weight: 2 }
    network-latency: { range: [0, 20], hysteresis: 2 }
  outsideSeconds: 60       # so long a parameter of the primary is outside before anything follows
  insideSeconds: 60        # so long a secondary is inside before it is chosen
  dwellSeconds: 600        # so long the VM stays on a host
  coolDownSeconds: 600     # so long nothing follows after a swap
  swapsPerDay: 4

Examples:
  lifeboat rules set web web-rules.yaml --dry-run   # what they would say now
  lifeboat rules set web web-rules.yaml
  lifeboat rules explain web`;

interface ChangeOptions extends GlobalOptions {
  readonly dryRun?: boolean;
}

/** What `rules-show` answers of one VM. */
interface ShownRules {
  readonly vmId: VmId;
  readonly rules: RuleSet;
  readonly wallTime: string;
}

export function addRulesCommands(program: Command, world: World): void {
  const rules = program
    .command("rules")
    .description("ranges of operating parameters that swap a VM's primary and secondary");
  addSet(rules, world);
  addShow(rules, world);
  addRemove(rules, world);
  rules
    .command("explain")
    .description("each value, range and verdict, what would happen, and why not yet")
    .argument("<vm>", "its id or name")
    .action(async (text: string, _options, command: Command) => {
      const options = optionsOf(command);
      const explained = await withClient(world, options, async (client) =>
        client.ask<Explained>({ method: "rules-explain", vmId: await idOf(client, text) }),
      );
      show(world, options.output, explained, () => explainedText(explained));
    });
}

function addSet(rules: Command, world: World): void {
  rules
    .command("set")
    .description("set the rules of a VM, in the place of those it has")
    .argument("<vm>", "its id or name")
    .argument("<file>", "the rules")
    .option("--dry-run", "say what they would say now, and set nothing")
    .addHelpText("after", SET_HELP)
    .action(async (text: string, path: string, _options, command: Command) => {
      const options = optionsOf<ChangeOptions>(command);
      const { dryRun = false, output } = options;
      const wanted = readRules(path);
      const said = await withClient(world, options, async (client) => {
        const id = await idOf(client, text);
        return client.ask<Explained>({ method: "rules-set", vmId: id, rules: wanted, dryRun });
      });
      const done = `The rules of ${text} are set; lifeboat rules explain ${text} tells more\n`;
      show(world, output, said, () => (dryRun ? explainedText(said) : done));
    });
}

/** @throws SystemError USAGE, CONFIG_INVALID: `file:line: reason`, a line for each mistake */
function readRules(path: string): RuleSet {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new SystemError("USAGE", `Cannot read ${path}: ${reasonOf(cause)}`, { cause });
  }
  return parseStrictYaml(text, path, ruleSet, { code: "CONFIG_INVALID" });
}

function addShow(rules: Command, world: World): void {
  rules
    .command("show")
    .description("the rules of all VMs, or of one")
    .argument("[vm]", "its id or name")
    .action(async (text: string | undefined, _options, command: Command) => {
      const options = optionsOf(command);
      const shown = await withClient(world, options, async (client) => {
        const of = text === undefined ? {} : { vmId: await idOf(client, text) };
        return client.ask<{ rules: ShownRules[]; left: number }>({ method: "rules-show", ...of });
      });
      show(world, options.output, shown.rules, () => rulesTable(shown.rules));
      if (shown.left > 0) world.err(`${shown.left} more VMs have rules: name one\n`);
    });
}

function addRemove(rules: Command, world: World): void {
  rules
    .command("remove")
    .description("remove the rules of a VM; a swap that is under way goes on")
    .argument("<vm>", "its id or name")
    .option("--dry-run", "say whether there are any, and remove nothing")
    .action(async (text: string, _options, command: Command) => {
      const options = optionsOf<ChangeOptions>(command);
      const { dryRun = false } = options;
      const said = await withClient(world, options, async (client) => {
        const id = await idOf(client, text);
        return client.ask<object>({ method: "rules-remove", vmId: id, dryRun });
      });
      const word = dryRun ? "would be removed" : "are removed";
      show(world, options.output, said, () => `The rules of ${text} ${word}\n`);
    });
}

/** A VM that is gone is still found by its id: its rules may be removed. */
async function idOf(client: Client, text: string): Promise<VmId> {
  const id = vmId.safeParse(text);
  return id.success ? id.data : findVm(await client.ask<Status>({ method: "status" }), text).vmId;
}

function rulesTable(all: readonly ShownRules[]): string {
  const rows = all.flatMap(({ vmId: id, rules, wallTime }) =>
    Object.entries(rules.parameters).map(([name, { range, hysteresis, weight }]) => [
      id,
      name,
      rangeText(range),
      hysteresis,
      weight,
      wallTime,
    ]),
  );
  return renderTable(["vm", "parameter", "range", "hysteresis", "weight", "set"], rows);
}

function explainedText({ vmId: id, name, hosts, ...explained }: Explained): string {
  const { target, reason, waits, neverFed = [], swaps, rules } = explained;
  const spelling = neverFed.map(
    (one) => `${one} is no parameter of Lifeboat's own, and nobody has fed it\n`,
  );
  const plan =
    target === undefined
      ? "Nothing would be swapped\n"
      : `${target} would become the primary: ${reason ?? ""}\n`;
  const why = waits.map((wait) => `  waits: ${wait}\n`);
  return [
    `${name ?? id}: ${swaps.length} of ${rules.swapsPerDay} swaps within 24 hours\n`,
    ...hosts.map(hostSection),
    "\n",
    ...spelling,
    plan,
    ...why,
  ].join("");
}

function hostSection(host: ExplainedHost): string {
  const { hostId, role, replica, verdict, score, insideForSeconds, obstacles } = host;
  const words = [
    ...(replica === undefined ? [] : [`replica ${replica}`]),
    insideForSeconds === undefined ? verdict : `${verdict} for ${insideForSeconds} s`,
    ...(score === undefined ? [] : [`score ${score.toFixed(2)}`]),
    ...obstacles,
  ];
  const rows = host.parameters.map((one) => [
    one.name,
    one.value === null ? "unknown" : numberText(one.value),
    one.unit,
    rangeText(one.range),
    one.verdict,
    `${one.forSeconds} s`,
    one.note ?? "",
  ]);
  const headings = ["parameter", "value", "unit", "range", "verdict", "for", "because"];
  return renderSection(`${role} ${hostId}: ${words.join(", ")}`, headings, rows);
}
