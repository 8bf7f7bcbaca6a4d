/** Runs a bench by its name: `npm run bench -- NAME [--json] [options]`. */
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { bytesText } from "../cli/table.ts";
import { reasonOf, SystemError } from "../protocol/error.ts";
import { realClock } from "../runtime/clock.ts";
import { EXIT } from "../runtime/shutdown.ts";
import { agentBench } from "./agent.ts";
import { evacuationBench } from "./evacuation.ts";
import { failoverBench } from "./failover.ts";
import { falseAlarmsBench } from "./false-alarms.ts";
import { guestScanBench } from "./guest-scan.ts";
import { injectedFaultsBench } from "./injected-faults.ts";
import { kernelsBench } from "./kernels/kernels.ts";
import { makeRamPairsBench } from "./make-ram-pairs.ts";
import { replicationBench } from "./replication.ts";
import { type Bench, type Report, renderReport } from "./report.ts";
import { restartBench } from "./restart.ts";
import { sensorsBench } from "./sensors.ts";
import { thinLinkBench } from "./thin-link.ts";

const BENCHES: readonly Bench[] = [
  evacuationBench,
  failoverBench,
  agentBench,
  restartBench,
  replicationBench,
  kernelsBench,
  makeRamPairsBench,
  guestScanBench,
  sensorsBench,
  thinLinkBench,
  falseAlarmsBench,
  injectedFaultsBench,
];

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
  const { json, options, texts } = readOptions(bench, rest);
  const note = (text: string): void => void process.stderr.write(`${text}\n`);
  const { rows, notes = [], faults } = await bench.run(options, { clock: realClock, note }, texts);
  const { node, v8 } = process.versions;
  const report: Report = { bench: name, machine: machine(), node, v8, notes, rows };
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : renderReport(report));
  for (const fault of faults) note(`Fault: ${fault}`);
  return faults.length === 0 ? EXIT.ok : EXIT.failed;
}

function listing(): string {
  const lines = BENCHES.flatMap(({ name, summary, options, texts = {} }) => [
    `  ${name}  ${summary}`,
    ...Object.entries(options).map(
      ([option, { help, default: usual }]) => `      --${option} N  ${help} (${usual})`,
    ),
    ...Object.entries(texts).map(([option, help]) => `      --${option} TEXT  ${help}`),
  ]);
  return `Usage: npm run bench -- NAME [--json] [options]\n${lines.join("\n")}\n`;
}

interface Options {
  readonly json: boolean;
  readonly options: Readonly<Record<string, number>>;
  readonly texts: Readonly<Record<string, string | undefined>>;
}

function readOptions(bench: Bench, args: readonly string[]): Options {
  const { options: numbers, texts = {} } = bench;
  const names = [...Object.keys(numbers), ...Object.keys(texts)];
  const known = Object.fromEntries(names.map((name) => [name, { type: "string" as const }]));
  const { values } = parse(args, { ...known, json: { type: "boolean" as const } });
  const options = Object.entries(numbers).map(([name, usual]): [string, number] => {
    const value = values[name];
    if (value === undefined) return [name, usual.default];
    const number = Number(value);
    if (Number.isSafeInteger(number) && number > 0) return [name, number];
    throw new SystemError("USAGE", `--${name} must be a whole number above zero`);
  });
  return {
    json: values["json"] === true,
    options: Object.fromEntries(options),
    texts: Object.fromEntries(
      Object.keys(texts).map((name) => [name, values[name] as string | undefined]),
    ),
  };
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
