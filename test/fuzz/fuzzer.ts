/**
 * Coverage-guided fuzzing of one parser.
 *
 * Reading V8's coverage costs as much as many executions, so it is read once a batch; the
 * few batches that reached something new are run again in halves to find the inputs that did, and
 * those join the corpus that later inputs are mutated from.
 * @module
 */
import assert from "node:assert/strict";
import { Coverage } from "./coverage.ts";
import { mutate, type Pick, seededPick } from "./mutate.ts";
import type { Target } from "./target.ts";

export interface FuzzOptions {
  /** Stops after this many inputs, */
  readonly executionsMax: number;
  /** or after this long, whichever comes first. Infinity for no limit. */
  readonly durationMs: number;
  readonly seed: number;
  /** Whether a script counts for coverage; by default the project's own code but tests. */
  readonly isMeasured?: (url: string) => boolean;
}

export interface Crash {
  readonly input: Uint8Array;
  readonly error: unknown;
}

export interface Summary {
  readonly target: string;
  readonly executions: number;
  readonly elapsedMs: number;
  /** Inputs that each reached something new. */
  readonly corpus: number;
  /** Functions of the measured scripts that were reached. */
  readonly functions: number;
  /** The first input of each distinct crash, at most CRASHES_MAX. */
  readonly crashes: readonly Crash[];
}

/** A slow target must not go without looking for long; a fast one must not look all the time. */
const BATCH = 128;
const INPUT_BYTES_MAX = 64 * 1024;
const CORPUS_MAX = 4_096;
const CRASHES_MAX = 10;

const ROOT = new URL("../..", import.meta.url).href;

/** One run of the fuzzer: what its steps share. */
interface Run {
  readonly target: Target;
  readonly coverage: Coverage;
  readonly crashes: Map<string, Crash>;
  readonly deadlineMs: number;
  executions: number;
}

/** Runs `target` on mutated inputs until a limit is reached. Crashes are returned, not thrown. */
export function fuzz(target: Target, options: FuzzOptions): Summary {
  const { executionsMax, durationMs, seed, isMeasured = isOwnCode } = options;
  const seeds = target.seeds();
  assert(seeds.length > 0, `target ${target.name} has no seeds`);
  using coverage = new Coverage(isMeasured);
  const pick = seededPick(seed);
  const corpus: Uint8Array[] = [...seeds];
  const startedMs = performance.now();
  const deadlineMs = startedMs + durationMs;
  const run: Run = { target, coverage, crashes: new Map(), deadlineMs, executions: 0 };

  coverage.reset();
  executeBatch(run, seeds, () => {});
  while (run.executions < executionsMax && performance.now() < deadlineMs) {
    const batch = makeBatch(corpus, pick, Math.min(BATCH, executionsMax - run.executions));
    executeBatch(run, batch, (input) => keep(corpus, input, pick));
  }
  return {
    target: target.name,
    executions: run.executions,
    elapsedMs: performance.now() - startedMs,
    corpus: corpus.length,
    functions: coverage.functions,
    crashes: [...run.crashes.values()],
  };
}

function isOwnCode(url: string): boolean {
  return url.startsWith(ROOT) && !/^(node_modules|test)\//.test(url.slice(ROOT.length));
}

function makeBatch(corpus: readonly Uint8Array[], pick: Pick, size: number): Uint8Array[] {
  const choose = (): Uint8Array => corpus[pick(corpus.length)]!;
  return Array.from({ length: size }, () => mutate(choose(), choose(), pick, INPUT_BYTES_MAX));
}

/** A full corpus forgets any one of its members for the new one. */
function keep(corpus: Uint8Array[], input: Uint8Array, pick: Pick): void {
  if (corpus.length < CORPUS_MAX) corpus.push(input);
  else corpus[pick(corpus.length)] = input;
}

/** Runs `inputs`; if together they reached something new, finds which did. */
function executeBatch(
  run: Run,
  inputs: readonly Uint8Array[],
  onNew: (input: Uint8Array) => void,
): void {
  run.executions += executeAll(run, inputs);
  findNew(run, inputs, onNew);
}

/** Looks at what `inputs`, just run, have reached; runs their halves again where it is new. */
function findNew(
  run: Run,
  inputs: readonly Uint8Array[],
  onNew: (input: Uint8Array) => void,
): void {
  const taken = run.coverage.take();
  if (!run.coverage.isNew(taken)) return;
  const [only, second] = inputs;
  if (only !== undefined && second === undefined) {
    onNew(only);
  } else {
    const middle = inputs.length >> 1;
    for (const half of [inputs.slice(0, middle), inputs.slice(middle)]) {
      executeAll(run, half);
      findNew(run, half, onNew);
    }
  }
  // Whatever the halves did not show again (a cache was warm) must not be searched for ever.
  run.coverage.merge(taken);
}

/** Returns how many inputs were run before the deadline. */
function executeAll({ target, crashes, deadlineMs }: Run, inputs: readonly Uint8Array[]): number {
  let executions = 0;
  for (const input of inputs) {
    if (performance.now() >= deadlineMs) break;
    execute(target, input, crashes);
    executions++;
  }
  return executions;
}

function execute(target: Target, input: Uint8Array, crashes: Map<string, Crash>): void {
  try {
    // A parser that keeps or changes what it was given must not spoil the corpus.
    target.run(input.slice());
  } catch (error) {
    const key = describeCrash(error);
    if (!crashes.has(key) && crashes.size < CRASHES_MAX) crashes.set(key, { input, error });
  }
}

/** Two crashes are one if they were thrown at the same place. */
function describeCrash(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return /^\s+at .*$/m.exec(error.stack ?? "")?.[0] ?? error.message;
}
