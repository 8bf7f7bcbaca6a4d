/**
 * QEMU processes. A guest outlives its agent: it has its own process group and no pipe to it. It is
 * known again by pid and start time, because a pid alone may have been given to somebody else.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { kill } from "node:process";
import { SystemError } from "../../protocol/error.ts";
import type { Clock } from "../../runtime/clock.ts";

/** Goes into the agent's journal, and comes back from it to `adoptProcess`. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot: field 22 of /proc/PID/stat. */
  readonly startTicks: number;
}

export interface GuestProcess {
  readonly identity: ProcessIdentity;
  alive(): boolean;
  /** Calls `listener` once when the process is gone, at once if it is gone already. */
  onExit(listener: (reason: string) => void): void;
  /** Something broke off: the process may be ending, and its end is wanted soon. */
  suspect(): void;
  /** Ends the process and resolves when it is gone; one that is gone already is no error. */
  end(): Promise<void>;
  /** Stops watching; the process goes on. */
  release(): void;
}

export interface StartOptions {
  /** The program: a name on PATH, or a path. */
  readonly file: string;
  readonly args: readonly string[];
  /** The child's stdout and stderr are appended here. */
  readonly log: string;
  readonly clock: Clock;
}

/** An adopted process is looked at this often; its QMP connection tells of its end before that. */
const POLL_MS = 500;
const SUSPECT_POLL_MS = 10;
const END_MS = 10_000;
const LOG_TAIL_BYTES = 4096;

/**
 * Starts a process that will outlive this one.
 * @throws SystemError QEMU_MISSING when it cannot be started
 */
export async function startProcess({
  file,
  args,
  log,
  clock,
}: StartOptions): Promise<GuestProcess> {
  const fd = openSync(log, "a", 0o600);
  const child = spawn(file, args, { detached: true, stdio: ["ignore", fd, fd] });
  closeSync(fd);
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (cause) =>
      reject(new SystemError("QEMU_MISSING", `Cannot start ${file}`, { cause })),
    );
  });
  child.unref();
  return ownProcess(child, clock);
}

/** The process of `identity` if it still lives, watched by polling: it is not our child. */
export function adoptProcess(identity: ProcessIdentity, clock: Clock): GuestProcess | undefined {
  if (!isAlive(identity)) return undefined;
  const exit = new Exit();
  let timer = clock.every(POLL_MS, look);
  let released = false;
  function look(): void {
    if (isAlive(identity)) return;
    timer.cancel();
    exit.tell("the process is gone");
  }
  return {
    identity,
    alive: () => isAlive(identity),
    onExit: (listener) => exit.listen(listener),
    suspect() {
      timer.cancel();
      if (!released) timer = clock.every(SUSPECT_POLL_MS, look);
    },
    end: () => endProcess(identity, clock),
    release() {
      released = true;
      timer.cancel();
    },
  };
}

/** The last lines of a log, for the reason of a failure; "" when it cannot be read. */
export async function logTail(path: string): Promise<string> {
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    const from = Math.max(0, size - LOG_TAIL_BYTES);
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(LOG_TAIL_BYTES),
      0,
      LOG_TAIL_BYTES,
      from,
    );
    return buffer.toString("utf8", 0, bytesRead).trim();
  } catch {
    // The tail only explains another error, which must not be hidden by this one.
    return "";
  }
}

function ownProcess(child: ChildProcess, clock: Clock): GuestProcess {
  const pid = child.pid as number;
  const identity = { pid, startTicks: readProcess(pid)?.startTicks ?? -1 };
  const exit = new Exit();
  child.once("exit", (code, signal) => {
    exit.tell(signal === null ? `it exited with status ${code}` : `it was ended by ${signal}`);
  });
  return {
    identity,
    alive: () => isAlive(identity),
    onExit: (listener) => exit.listen(listener),
    // The kernel tells us of a child's end.
    suspect() {},
    end: () => endProcess(identity, clock),
    release: () => child.removeAllListeners("exit"),
  };
}

/** Tells each listener once, also those that come late. */
class Exit {
  private reason: string | undefined;
  private readonly listeners: ((reason: string) => void)[] = [];

  listen(listener: (reason: string) => void): void {
    if (this.reason === undefined) this.listeners.push(listener);
    else listener(this.reason);
  }

  tell(reason: string): void {
    if (this.reason !== undefined) return;
    this.reason = reason;
    for (const listener of this.listeners.splice(0)) listener(reason);
  }
}

/** SIGKILL, only ever to the process that was meant. */
async function endProcess(identity: ProcessIdentity, clock: Clock): Promise<void> {
  if (!isAlive(identity)) return;
  try {
    kill(identity.pid, "SIGKILL");
  } catch (cause) {
    if (!isAlive(identity)) return;
    throw new SystemError("COMMAND_FAILED", `Cannot end process ${identity.pid}`, { cause });
  }
  const untilMs = clock.nowMs() + END_MS;
  while (isAlive(identity)) {
    if (clock.nowMs() > untilMs) {
      const message = `Process ${identity.pid} did not end within ${END_MS} ms`;
      throw new SystemError("COMMAND_TIMEOUT", message);
    }
    await clock.sleep(5);
  }
}

/** A zombie runs nothing and holds nothing: it counts as gone. */
function isAlive({ pid, startTicks }: ProcessIdentity): boolean {
  const found = readProcess(pid);
  return found !== undefined && found.startTicks === startTicks && !/[ZX]/.test(found.state);
}

interface ProcessStat {
  readonly state: string;
  readonly startTicks: number;
}

/** What /proc says of `pid`; undefined when there is no such process. */
export function readProcess(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    // No file means no process: that is the answer.
    return undefined;
  }
  // The command's name is in parentheses and may itself hold blanks and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "", startTicks: Number(fields[19]) };
}
