/**
 * Two ways to do one thing, timed in turns: a machine that others use slows both alike, so the
 * ratio of a round holds where its times do not.
 * @module
 */
import type { Clock } from "../../runtime/clock.ts";

/** One way to do it. */
export interface Contender {
  readonly name: string;
  readonly run: () => void;
}

/** Milliseconds a run, one for each round, in the same order. */
export interface Timings {
  readonly ours: readonly number[];
  readonly peer: readonly number[];
  readonly peerName: string;
}

/** Milliseconds since some start. */
export type Stopwatch = () => number;

/** Until V8 has replaced its first code by the optimised one. */
const WARM_MS = 250;
const WARM_RUNS_MIN = 3;
/** Time for a compilation on another thread. */
const SETTLE_MS = 20;
/** A turn is as many runs as take this long: far above what reading the time and a call cost. */
const TURN_MS = 1;
/** Nothing takes less, whatever the stopwatch says. */
const RESOLUTION_MS = 0.001;
/** Of so many turns of each a round keeps the fastest: caches are disturbed too. */
const TURNS = 4;

/** Times `ours` against the fastest of `peers`; without peers, `ours` alone. */
export async function measure(
  ours: () => void,
  peers: readonly Contender[],
  rounds: number,
  clock: Clock,
  stopwatch: Stopwatch,
): Promise<Timings> {
  const oursMs = await warm(ours, clock, stopwatch);
  const warmed: { readonly peer: Contender; readonly ms: number }[] = [];
  for (const peer of peers) warmed.push({ peer, ms: await warm(peer.run, clock, stopwatch) });
  const best = warmed.toSorted((a, b) => a.ms - b.ms)[0];
  const timings = { ours: [] as number[], peer: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    const [fastest, fastestPeer] = [[] as number[], [] as number[]];
    for (let turn = 0; turn < TURNS; turn++) {
      fastest.push(takeTurn(ours, oursMs, stopwatch));
      if (best !== undefined) fastestPeer.push(takeTurn(best.peer.run, best.ms, stopwatch));
    }
    timings.ours.push(Math.min(...fastest));
    if (best !== undefined) timings.peer.push(Math.min(...fastestPeer));
  }
  return { ...timings, peerName: best?.peer.name ?? "" };
}

/** Runs until the code is the one that is to be measured; returns the fastest run after that. */
async function warm(run: () => void, clock: Clock, stopwatch: Stopwatch): Promise<number> {
  const startedMs = stopwatch();
  for (let runs = 0; runs < WARM_RUNS_MIN || stopwatch() - startedMs < WARM_MS; runs++) run();
  await clock.sleep(SETTLE_MS);
  const againMs = stopwatch();
  run();
  const onceMs = Math.max(stopwatch() - againMs, RESOLUTION_MS);
  return Math.min(...Array.from({ length: TURNS }, () => takeTurn(run, onceMs, stopwatch)));
}

function takeTurn(run: () => void, estimateMs: number, stopwatch: Stopwatch): number {
  const runs = Math.max(1, Math.ceil(TURN_MS / estimateMs));
  const startedMs = stopwatch();
  for (let done = 0; done < runs; done++) run();
  return Math.max(stopwatch() - startedMs, RESOLUTION_MS) / runs;
}
