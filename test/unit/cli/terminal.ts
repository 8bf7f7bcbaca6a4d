// A world for the command line: what it prints, and how it ends, are there to be looked at.
import { runCommandLine } from "../../../cli/program.ts";
import type { EndSignal, World } from "../../../cli/world.ts";
import { realClock } from "../../../runtime/clock.ts";
import { startProgram } from "../../../runtime/program.ts";
import { seededRandom } from "../../../runtime/random.ts";

export interface Outcome {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

export interface Running {
  readonly ended: Promise<Outcome>;
  /** What it has said so far. */
  soFar(): Outcome;
  signal(name: EndSignal): void;
}

let commands = 0;

/** Starts one command line; signals are given to it by hand. */
export function start(args: readonly string[], more: Partial<World> = {}): Running {
  const said = { out: "", err: "", code: 0 };
  const tasks = new Set<(signal: EndSignal) => void>();
  const world: World = {
    out(text) {
      said.out += text;
    },
    err(text) {
      said.err += text;
    },
    colour: false,
    clock: realClock,
    random: seededRandom(++commands),
    site: { root: false, home: "/nonexistent" },
    env: {},
    startProgram,
    onSignal(task) {
      tasks.add(task);
      return () => tasks.delete(task);
    },
    exitWith(code) {
      said.code = code;
    },
    ...more,
  };
  return {
    ended: runCommandLine(world, args).then(() => ({ ...said })),
    soFar: () => ({ ...said }),
    signal(name) {
      for (const task of [...tasks]) task(name);
    },
  };
}

export function run(args: readonly string[], more: Partial<World> = {}): Promise<Outcome> {
  return start(args, more).ended;
}
