/**
 * Child processes that are asked one question: bounded in time and output, never through a shell.
 * @module
 */
import { spawn } from "node:child_process";
import { SystemError } from "../protocol/error.ts";

export interface CommandOptions {
  /** The child is killed after this long. */
  readonly timeoutMs?: number;
  /** The child is killed once either stream grows beyond this. */
  readonly outputBytesMax?: number;
  readonly env?: Readonly<Record<string, string>>;
}

export interface CommandResult {
  /** Exit status; smartctl's is a bit mask, so it is not judged here. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `file` with `args`. What the caller is given instead of the function in tests. */
export type RunCommand = (
  file: string,
  args: readonly string[],
  options?: CommandOptions,
) => Promise<CommandResult>;

const TIMEOUT_MS = 10_000;
const OUTPUT_BYTES_MAX = 1024 * 1024;

/**
 * Runs a command and returns what it printed, whatever its exit status.
 * @throws SystemError COMMAND_NOT_FOUND, COMMAND_TIMEOUT, or COMMAND_FAILED (killed by a signal,
 * output over its bound).
 */
export const runCommand: RunCommand = (file, args, options = {}) =>
  new Promise((resolve, reject) => {
    const { timeoutMs = TIMEOUT_MS, outputBytesMax = OUTPUT_BYTES_MAX, env } = options;
    const child = spawn(file, args, {
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
      ...(env === undefined ? {} : { env: { ...process.env, ...env } }),
    });
    const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    const sizes = { stdout: 0, stderr: 0 };
    let failure: SystemError | undefined;

    const fail = (error: SystemError): void => {
      failure ??= error;
      killGroup(child.pid);
    };
    const timer = setTimeout(() => {
      fail(new SystemError("COMMAND_TIMEOUT", `${file} did not end within ${timeoutMs} ms`));
      // A child in uninterruptible sleep never closes; its caller must not wait for it.
      reject(failure);
    }, timeoutMs);

    for (const name of ["stdout", "stderr"] as const) {
      child[name].on("data", (chunk: Buffer) => {
        sizes[name] += chunk.length;
        if (sizes[name] > outputBytesMax) {
          fail(new SystemError("COMMAND_FAILED", `${file} printed over ${outputBytesMax} bytes`));
        } else {
          output[name].push(chunk);
        }
      });
    }
    child.on("error", (cause) => {
      clearTimeout(timer);
      reject(new SystemError("COMMAND_NOT_FOUND", `Cannot start ${file}`, { cause }));
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (failure !== undefined) return reject(failure);
      if (code === null) {
        return reject(new SystemError("COMMAND_FAILED", `${file} was ended by ${signal}`));
      }
      resolve({
        code,
        stdout: Buffer.concat(output.stdout).toString("utf8"),
        stderr: Buffer.concat(output.stderr).toString("utf8"),
      });
    });
  });

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Already gone.
  }
}
