/**
 * Running the installers: what they print is captured, and shown only when they fail, so that the
 * standard output of `npm start --silent` belongs to the program alone.
 * @module
 */
import { spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { constants as osConstants } from "node:os";
import { delimiter, join } from "node:path";

/** What sysexits.h calls EX_CONFIG: nothing is broken, but somebody must install something. */
export const EXIT_CONFIG = 78;

const OUTPUT_BYTES_MAX = 64 * 1024;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Ends the set-up with one message and an exit status instead of a stack trace. */
export class SetupError extends Error {
  name = "SetupError";

  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** One line of progress, for people: standard error only. */
export function log(line) {
  process.stderr.write(`set-up: ${line}\n`);
}

/** The path of an executable, or undefined. */
export function findProgram(name, path = process.env.PATH ?? "") {
  return path
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * Makes `run(file, args, options)`, which resolves when the child ends well and otherwise throws
 * a SetupError with the end of its output. `track` hears the pid of every child.
 */
export function createRunner(track = () => {}) {
  return (file, args, { cwd, env = {} } = {}) =>
    new Promise((resolve, reject) => {
      const child = spawn(file, args, {
        cwd,
        env: { ...process.env, ...env },
        stdio: ["ignore", "pipe", "pipe"],
      });
      if (child.pid !== undefined) track(child.pid);
      const output = captureTail(child);
      const removeSignals = forwardSignals(child);
      child.on("error", (error) => {
        removeSignals();
        reject(new SetupError(`cannot start ${file}: ${error.message}`));
      });
      child.on("close", (code, signal) => {
        removeSignals();
        if (code === 0) return resolve();
        const end = signal === null ? `exit status ${code}` : signal;
        const command = [file, ...args].join(" ");
        reject(new SetupError(`\`${command}\` failed (${end}):\n${output().trimEnd()}`));
      });
    });
}

function captureTail(child) {
  let tail = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      tail = (tail + text).slice(-OUTPUT_BYTES_MAX);
    });
  }
  return () => tail;
}

/** Asked to end, the set-up ends its child first: an orphaned installer would go on writing. */
function forwardSignals(child) {
  const stop = (signal) => {
    child.kill(signal);
    child.once("close", () => process.exit(128 + osConstants.signals[signal]));
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  return () => {
    for (const signal of SIGNALS) process.off(signal, stop);
  };
}
