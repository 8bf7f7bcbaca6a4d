/**
 * `npm run sim`: runs seeds, replays one, and shows that each broken rule is caught.
 *
 *   npm run sim -- --seeds 5000 --from 1      violations, seeds a second, the table of breakages
 *   npm run sim -- --replay 4711              what happened in one seed, line by line
 *   npm run sim -- --breakage term-check-off  with one rule broken; --replay shows its trace
 */
import { Command, InvalidArgumentError } from "commander";
import { BREAKAGES, type Breakage } from "./breakages.ts";
import { type Caught, catchBreakage, type Outcome, runSeed, runSeeds } from "./seed.ts";

const BREAKAGE_SEEDS = 1_000;
const SHOWN_MAX = 20;

interface Arguments {
  readonly seeds: number;
  readonly from: number;
  readonly replay?: number;
  readonly breakage?: Breakage;
  readonly output: string;
}

const program = new Command("sim")
  .description("The whole control plane under a seed, with an oracle that watches every step")
  .option("--seeds <count>", "how many seeds to run", whole, 500)
  .option("--from <seed>", "the first of them", whole, 1)
  .option("--replay <seed>", "run one seed and print what happened", whole)
  .option("--breakage <name>", "break this rule on purpose", findBreakage)
  .option("-o, --output <form>", "table or json", "table");

function whole(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) {
    throw new InvalidArgumentError("Give a whole number.");
  }
  return number;
}

function findBreakage(name: string): Breakage {
  const found = BREAKAGES.find((breakage) => breakage.name === name);
  if (found !== undefined) return found;
  const names = BREAKAGES.map((breakage) => breakage.name).join(", ");
  throw new InvalidArgumentError(`There are: ${names}.`);
}

function main(): number {
  const options = program.parse().opts<Arguments>();
  const { replay, breakage, seeds, from, output } = options;
  if (replay !== undefined) return print(runSeed(replay, { tracing: true, breakage }));
  const startedMs = performance.now();
  const { violations, events } = runSeeds(from, seeds, breakage);
  const seconds = (performance.now() - startedMs) / 1_000;
  const wanted = breakage === undefined ? BREAKAGES : [];
  const caught = wanted.map((one) => catchBreakage(one, 1, BREAKAGE_SEEDS));
  const rate = { seedsPerSecond: Math.round(seeds / seconds), events };
  const found = violations.map(({ seed, violation }) => ({ seed, ...violation }));
  // With a rule broken on purpose it is the other way round: silence would be the failure.
  const asWanted = breakage === undefined ? violations.length === 0 : violations.length > 0;
  const ok = asWanted && caught.every((one) => one.seed !== undefined);
  if (output === "json") {
    console.log(JSON.stringify({ ok, seeds, from, ...rate, violations: found, breakages: caught }));
  } else show(violations, caught, `${seeds} seeds, ${rate.seedsPerSecond} a second`);
  return ok ? 0 : 1;
}

function print({ log, violation, digest }: Outcome): number {
  for (const line of log) console.log(line);
  const verdict = violation === undefined ? "no violation" : `${violation.rule}: ${violation.text}`;
  console.log(`${verdict} (${digest})`);
  return violation === undefined ? 0 : 1;
}

function show(violations: readonly Outcome[], caught: readonly Caught[], rate: string): void {
  for (const { seed, violation } of violations.slice(0, SHOWN_MAX)) {
    console.log(`seed ${seed}: ${violation?.rule}: ${violation?.text}`);
  }
  console.log(`${rate}, ${violations.length} violations`);
  const width = Math.max(...BREAKAGES.map(({ name }) => name.length));
  for (const { name, seed, rule } of caught) {
    const how = seed === undefined ? "NOT CAUGHT" : `caught by seed ${seed} (${rule})`;
    console.log(`${name.padEnd(width)}  ${how}`);
  }
}

process.exitCode = main();
