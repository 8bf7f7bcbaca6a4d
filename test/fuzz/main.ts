// `npm run fuzz -- --executions 1e6 --target qmp --seed 1`: fuzzes one parser or each in turn.
// Exit status 1 if anything crashed; the crashing inputs are on standard error, in hex.
import { parseArgs } from "node:util";
import { fuzz, type Summary } from "./fuzzer.ts";
import { loadTargets } from "./target.ts";

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

function report({ target, executions, elapsedMs, corpus, functions, crashes }: Summary): void {
  const rate = Math.round((executions / elapsedMs) * 1_000);
  console.log(
    `${target}: ${executions} executions, ${rate} a second, ${crashes.length} crashes, ` +
      `${corpus} inputs kept, ${functions} functions reached`,
  );
  for (const { input, error } of crashes) {
    console.error(error instanceof Error ? error.stack : error);
    console.error(`${target} input: ${Buffer.from(input).toString("hex")}`);
  }
}

const values = readOptions();
const executionsMax = readNumber("executions", values.executions, EXECUTIONS);
const durationMs = readNumber("seconds", values.seconds, Number.POSITIVE_INFINITY) * 1_000;
const seed = readNumber("seed", values.seed, 1);

const targets = await loadTargets();
const chosen = targets.filter(({ name }) => name === (values.target ?? name));
if (chosen.length === 0) {
  refuse(`no such target: one of ${targets.map(({ name }) => name).join(", ")}`);
}
for (const target of chosen) {
  const summary = fuzz(target, { executionsMax, durationMs, seed });
  report(summary);
  if (summary.crashes.length > 0) process.exitCode = 1;
}
