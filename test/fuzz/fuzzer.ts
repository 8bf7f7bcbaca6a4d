/**
 * Coverage-guided fuzzing of one parser.
 *
 * Its guide is looked at once a batch; the few batches that reached something new are run again in
 * halves to find the inputs that did, and those join the corpus that later inputs are mutated from.
 * When nothing new was reached for long, the guide is let go of, and the rest runs at full speed.
 * @module
 */
import assert from "node:assert/strict";
import { Coverage } from "./coverage.ts";
import { StrayWrite } from "./guarded.ts";
import type { Guide, Look } from "./guide.ts";
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
  /** How much of the code was reached, in words. */
  readonly reached: string;
  /** Executions that wrote outside of their ranges. */
  readonly strayWrites: number;
  /** The first input of each distinct crash, at most CRASHES_MAX. */
  readonly crashes: readonly Crash[];
}

/** After so many inputs without anything new, and so many in all, there is nothing to guide to. */
const SATURATED_EXECUTIONS = 500_000;
const BLIND_BATCH = 1_024;
const INPUT_BYTES_MAX = 64 * 1024;
const CORPUS_MAX = 4_096;
const CRASHES_MAX = 10;

const ROOT = new URL("../..", import.meta.url).href;

/** One run of the fuzzer: what its steps share. */
interface Run {
  readonly target: Target;
  readonly guide: Guide;
  readonly crashes: Map<string, Crash>;
  readonly deadlineMs: number;
  executions: number;
  newAt: number;
  strayWrites: number;
}

/** Runs `target` on mutated inputs until a limit is reached. Crashes are returned, not thrown. */
export function fuzz(target: Target, options: FuzzOptions): Summary {
  const { executionsMax, durationMs, seed, isMeasured = isOwnCode } = options;
  // A Buffer would share its memory with others.
  const seeds = target.seeds().map((seed) => Uint8Array.from(seed));
  assert(seeds.length > 0, `target ${target.name} has no seeds`);
  const guide = target.guide?.() ?? new Coverage(isMeasured);
  const pick = seededPick(seed);
  const bytesMax = target.inputBytesMax ?? INPUT_BYTES_MAX;
  const corpus: Uint8Array[] = [...seeds];
  const startedMs = performance.now();
  const deadlineMs = startedMs + durationMs;
  const crashes = new Map<string, Crash>();
  const run: Run = { target, guide, crashes, deadlineMs, executions: 0, newAt: 0, strayWrites: 0 };

  guide.reset();
  executeBatch(run, seeds, () => {});
  const left = (): number =>
    performance.now() < deadlineMs ? Math.max(0, executionsMax - run.executions) : 0;
  while (left() > 0 && run.executions - run.newAt < SATURATED_EXECUTIONS) {
    const batch = makeBatch(corpus, pick, Math.min(guide.batch, left()), bytesMax);
    executeBatch(run, batch, (input) => keep(corpus, input, pick));
  }
  const { reached } = guide;
  guide[Symbol.dispose]();
  while (left() > 0) {
    run.executions += executeAll(
      run,
      makeBatch(corpus, pick, Math.min(BLIND_BATCH, left()), bytesMax),
    );
  }
  return {
    target: target.name,
    executions: run.executions,
    elapsedMs: performance.now() - startedMs,
    corpus: corpus.length,
    reached,
    strayWrites: run.strayWrites,
    crashes: [...run.crashes.values()],
  };
}

function isOwnCode(url: string): boolean {
  return url.startsWith(ROOT) && !/^(node_modules|test)\//.test(url.slice(ROOT.length));
}

function makeBatch(
  corpus: readonly Uint8Array[],
  pick: Pick,
  size: number,
  bytesMax: number,
): Uint8Array[] {
  const choose = (): Uint8Array => corpus[pick(corpus.length)]!;
  return Array.from({ length: size }, () => mutate(choose(), choose(), pick, bytesMax));
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
  findNew(run, inputs, (input) => {
    run.newAt = run.executions;
    onNew(input);
  });
}

/** Looks at what `inputs`, just run, have reached; runs their halves again where it is new. */
function findNew(
  run: Run,
  inputs: readonly Uint8Array[],
  onNew: (input: Uint8Array) => void,
): void {
  const taken: Look = run.guide.look();
  if (!taken.isNew) return;
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
  taken.merge();
}

/** Returns how many inputs were run before the deadline. */
function executeAll(run: Run, inputs: readonly Uint8Array[]): number {
  let executions = 0;
  for (const input of inputs) {
    if (performance.now() >= run.deadlineMs) break;
    execute(run, input);
    executions++;
  }
  return executions;
}

function execute(run: Run, input: Uint8Array): void {
  const { target, crashes } = run;
  try {
    // A parser that keeps or changes what it was given must not spoil the corpus.
    target.run(input.slice());
  } catch (error) {
    if (error instanceof StrayWrite) run.strayWrites++;
    const key = describeCrash(error);
    if (!crashes.has(key) && crashes.size < CRASHES_MAX) crashes.set(key, { input, error });
  }
}

/** Two crashes are one if they were thrown at the same place. */
function describeCrash(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return /^\s+at .*$/m.exec(error.stack ?? "")?.[0] ?? error.message;
}
