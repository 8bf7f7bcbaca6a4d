/**
 * Other processes of this machine, known by their command lines.
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import { SystemError } from "../protocol/error.ts";
import type { Clock } from "./clock.ts";

/** A pid alone may have been given to somebody else: the start time, in ticks, tells. */
interface Found {
  readonly pid: number;
  readonly startTicks: string;
}

const LOOK_MS = 20;
const GONE_MS = 10_000;

/**
 * Ends at once every process whose command line is wanted, and resolves when none is left.
 * @throws SystemError TIMED_OUT, COMMAND_FAILED (a process of another user)
 */
export async function endProcesses(
  wanted: (args: readonly string[]) => boolean,
  clock: Clock,
): Promise<void> {
  const deadlineMs = clock.nowMs() + GONE_MS;
  for (;;) {
    const found = findProcesses(wanted);
    if (found.length === 0) return;
    if (clock.nowMs() >= deadlineMs) {
      const pids = found.map(({ pid }) => pid).join(", ");
      throw new SystemError("TIMED_OUT", `Processes ${pids} did not end within ${GONE_MS} ms`);
    }
    for (const one of found) end(one, wanted);
    await clock.sleep(LOOK_MS);
  }
}

function findProcesses(wanted: (args: readonly string[]) => boolean): Found[] {
  return readdirSync("/proc").flatMap((entry) => {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid || !wanted(argsOf(pid))) return [];
    const startTicks = startOf(pid);
    return startTicks === undefined ? [] : [{ pid, startTicks }];
  });
}

/** It is looked at once more: what is about to be ended must still be the one that was found. */
function end({ pid, startTicks }: Found, wanted: (args: readonly string[]) => boolean): void {
  if (startOf(pid) !== startTicks || !wanted(argsOf(pid))) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ESRCH") return;
    throw new SystemError("COMMAND_FAILED", `Cannot end process ${pid}`, { cause });
  }
}

/** A process that has ended and waits for its parent has none. */
function argsOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}

/** Field 22 of /proc/PID/stat; the name before it may hold spaces and brackets. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
