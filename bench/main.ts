/** Runs a bench by its name: `npm run bench -- NAME [--json] [options]`. */
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { bytesText } from "../cli/table.ts";
import { reasonOf, SystemError } from "../protocol/error.ts";
import { realClock } from "../runtime/clock.ts";
import { EXIT } from "../runtime/shutdown.ts";
import { agentBench } from "./agent.ts";
import { evacuationBench } from "./evacuation.ts";
import { type Bench, type Report, renderReport } from "./report.ts";
import { restartBench } from "./restart.ts";

const BENCHES: readonly Bench[] = [evacuationBench, agentBench, restartBench];

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (thrown) {
  process.stderr.write(`bench: ${reasonOf(thrown)}\n`);
  const usage = thrown instanceof SystemError && thrown.code === "USAGE";
  process.exitCode = usage ? EXIT.usage : EXIT.failed;
}

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name.startsWith("-")) {
    process.stdout.write(listing());
    return EXIT.ok;
  }
  const bench = BENCHES.find((one) => one.name === name);
  if (bench === undefined) throw new SystemError("USAGE", `No bench ${name}.\n${listing()}`);
  const { json, options } = readOptions(bench, rest);
  const note = (text: string): void => void process.stderr.write(`${text}\n`);
  const { rows, faults } = await bench.run(options, { clock: realClock, note });
  const report: Report = { bench: name, machine: machine(), node: process.versions.node, rows };
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : renderReport(report));
  for (const fault of faults) note(`Fault: ${fault}`);
  return faults.length === 0 ? EXIT.ok : EXIT.failed;
}

function listing(): string {
  const lines = BENCHES.flatMap(({ name, summary, options }) => [
    `  ${name}  ${summary}`,
    ...Object.entries(options).map(
      ([option, { help, default: usual }]) => `      --${option} N  ${help} (${usual})`,
    ),
  ]);
  return `Usage: npm run bench -- NAME [--json] [options]\n${lines.join("\n")}\n`;
}

function readOptions(
  bench: Bench,
  args: readonly string[],
): { json: boolean; options: Record<string, number> } {
  const names = Object.keys(bench.options);
  const known = Object.fromEntries(names.map((name) => [name, { type: "string" as const }]));
  const { values } = parse(args, { ...known, json: { type: "boolean" as const } });
  const options = names.map((name): [string, number] => {
    const value = values[name];
    const number = value === undefined ? bench.options[name]!.default : Number(value);
    if (Number.isSafeInteger(number) && number > 0) return [name, number];
    throw new SystemError("USAGE", `--${name} must be a whole number above zero`);
  });
  return { json: values["json"] === true, options: Object.fromEntries(options) };
}

function parse(
  args: readonly string[],
  options: Record<string, { type: "string" | "boolean" }>,
): { values: Record<string, string | boolean | undefined> } {
  try {
    return parseArgs({ args: [...args], options }) as ReturnType<typeof parse>;
  } catch (cause) {
    throw new SystemError("USAGE", reasonOf(cause), { cause });
  }
}

function machine(): string {
  const all = cpus();
  return `${all.length} x ${all[0]?.model.trim() ?? "?"}, ${bytesText(totalmem())}`;
}
