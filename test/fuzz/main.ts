// `npm run fuzz -- --executions 1e6 --target qmp --seed 1`: fuzzes one parser or all,
// as many at a time as there are cores.
// Exit status 1 if anything crashed; the crashing inputs are on standard error, in hex.
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { loadTargets } from "./target.ts";
import { fuzzAll, type Told } from "./worker.ts";

const USAGE = "usage: npm run fuzz -- [--target NAME] [--executions N] [--seconds N] [--seed N]";
const EXECUTIONS = 1e6;
const EXIT_USAGE = 64;

function readNumber(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  return value >= 0 ? value : refuse(`--${name} is not a number: ${text}`);
}

function refuse(reason: string): never {
  console.error(`${reason}\n${USAGE}`);
  process.exit(EXIT_USAGE);
}

function readOptions(): Record<"target" | "executions" | "seconds" | "seed", string | undefined> {
  const type = "string";
  const options = {
    target: { type },
    executions: { type },
    seconds: { type },
    seed: { type },
  } as const;
  try {
    const { target, executions, seconds, seed } = parseArgs({ options }).values;
    return { target, executions, seconds, seed };
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

function report(told: Told): void {
  const { target, executions, elapsedMs, corpus, reached, strayWrites, crashes } = told;
  const rate = Math.round((executions / elapsedMs) * 1_000);
  console.log(
    `${target}: ${executions} executions, ${rate} a second, ${crashes.length} crashes, ` +
      `${strayWrites} stray writes, ${corpus} inputs kept, ${reached}`,
  );
  for (const { input, error } of crashes) {
    console.error(error);
    console.error(`${target} input: ${Buffer.from(input).toString("hex")}`);
  }
  if (crashes.length > 0) process.exitCode = 1;
}

const values = readOptions();
const executionsMax = readNumber("executions", values.executions, EXECUTIONS);
const durationMs = readNumber("seconds", values.seconds, Number.POSITIVE_INFINITY) * 1_000;
const seed = readNumber("seed", values.seed, 1);

const names = (await loadTargets()).map(({ name }) => name);
const chosen = names.filter((name) => name === (values.target ?? name));
if (chosen.length === 0) refuse(`no such target: one of ${names.join(", ")}`);
const tasks = chosen.map((target) => ({ target, executionsMax, durationMs, seed }));
await fuzzAll(tasks, availableParallelism(), report);
