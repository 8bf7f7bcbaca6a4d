/**
 * What the commands need of the world, so that tests can stand in for it.
 * @module
 */
import type { Clock } from "../runtime/clock.ts";
import type { StartProgram } from "../runtime/program.ts";
import type { Random } from "../runtime/random.ts";
import type { SiteEnvironment } from "../runtime/site.ts";

export type EndSignal = "SIGINT" | "SIGTERM";

export interface World {
  /** Standard output: what was asked for, and with `-o json` nothing but JSON. */
  readonly out: (text: string) => void;
  /** Standard error: everything else. */
  readonly err: (text: string) => void;
  /** Whether `err` may be coloured: a terminal, and NO_COLOR is not set. */
  readonly colour: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly site: SiteEnvironment;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly startProgram: StartProgram;
  /** Calls `task` at each signal, instead of ending; the result takes that back. */
  readonly onSignal: (task: (signal: EndSignal) => void) => () => void;
  /** The status with which this process ends; the last call counts. */
  readonly exitWith: (code: number) => void;
}
