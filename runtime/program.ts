/**
 * Child programs that live on: started, listened to by lines, and ended.
 * @module
 */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { createInterface } from "node:readline";
import { reasonOf } from "../protocol/error.ts";

/** Longest line of a child's standard output that is handed on. */
const LINE_LENGTH_MAX = 65_536;

/** The Node that runs this, for programs that others start. */
export const NODE_PATH = process.execPath;

/**
 * Node's flags for a program that lives for years and makes garbage at an even pace. By default
 * the young generation doubles until it holds 100 MiB, and what was promoted meanwhile lies about
 * until a full collection: memory grows for hours. Kept small it is the same from the start.
 */
export const LASTING: readonly string[] = ["--max-semi-space-size=4"];

/** How a program ended: by itself with a status, or by a signal. */
export interface ProgramExit {
  readonly code?: number;
  readonly signal?: string;
  /** It could not be started at all. */
  readonly failure?: string;
}

export interface Program {
  /** Undefined if it could not be started. */
  readonly pid: number | undefined;
  /** Never rejects. */
  readonly exited: Promise<ProgramExit>;
  signal(name: "SIGINT" | "SIGTERM" | "SIGKILL"): void;
}

export interface ProgramOptions {
  /** Takes its standard output, line by line; without it the child writes to this process's. */
  readonly onLine?: (line: string) => void;
  readonly env?: Readonly<Record<string, string>>;
  /** A file that its standard error is appended to; without it, it is this process's. */
  readonly errorsTo?: string;
}

export type StartProgram = (
  main: string,
  args: readonly string[],
  options?: ProgramOptions,
) => Program;

/**
 * Runs a TypeScript program with this process's own Node. Its standard error is this one's; its
 * process group is its own, so that Ctrl-C reaches only who started it; its standard input ends
 * with this process.
 */
export const startProgram: StartProgram = (main, args, options = {}) => {
  const { onLine, env = {}, errorsTo } = options;
  const errors = errorsTo === undefined ? undefined : openSync(errorsTo, "a", 0o600);
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ["pipe", onLine === undefined ? "inherit" : "pipe", errors ?? "inherit"],
    detached: true,
    env: { ...process.env, ...env },
  });
  if (errors !== undefined) closeSync(errors);
  if (child.stdout !== null && onLine !== undefined) {
    const lines = createInterface({ input: child.stdout });
    lines.on("line", (line) => onLine(line.slice(0, LINE_LENGTH_MAX)));
  }
  // A pipe whose reader is gone says so; the child's end is told by `exited`.
  child.stdin?.on("error", () => {});
  const exited = new Promise<ProgramExit>((resolve) => {
    child.on("error", (error) => resolve({ failure: reasonOf(error) }));
    child.on("exit", (code, signal) => {
      resolve({ ...(code === null ? {} : { code }), ...(signal === null ? {} : { signal }) });
    });
  });
  return {
    pid: child.pid,
    exited,
    signal: (name) => void child.kill(name),
  };
};

/** Ends this process in order when whoever started it is gone, even by SIGKILL. */
export function endWithParent(): void {
  process.stdin.on("end", () => process.kill(process.pid, "SIGTERM"));
  process.stdin.on("error", () => process.kill(process.pid, "SIGTERM"));
  process.stdin.resume();
}
