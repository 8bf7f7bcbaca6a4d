/**
 * Finds the QEMU process of a guest after the agent was restarted, by the QMP socket in its
 * command line: the one argument that is this guest's alone.
 */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import type { Clock } from "../../runtime/clock.ts";
import { adoptProcess, type ProcessIdentity, readProcess } from "./process.ts";

export interface FoundProcess {
  readonly identity: ProcessIdentity;
  /** The RAM file it was started with. */
  readonly ramPath: string | undefined;
}

export interface CommandLine {
  readonly pid: number;
  readonly args: readonly string[];
}

/** Undefined when no living process among `running` serves that socket. */
export async function findGuestProcess(
  qmpPath: string,
  running?: readonly CommandLine[],
): Promise<FoundProcess | undefined> {
  const wanted = `socket,id=qmp,path=${qmpPath},`;
  for (const { pid, args } of running ?? (await processes())) {
    if (!args.some((arg) => arg.startsWith(wanted))) continue;
    const stat = readProcess(pid);
    if (stat === undefined || stat.state === "Z") continue;
    const identity = { pid, startTicks: stat.startTicks };
    return { identity, ramPath: ramPathOf(args) };
  }
  return undefined;
}

function ramPathOf(args: readonly string[]): string | undefined {
  for (const arg of args) {
    const path = /"mem-path":\s*"([^"\\]+)"/.exec(arg)?.[1] ?? /mem-path=([^,]+)/.exec(arg)?.[1];
    if (path !== undefined) return path;
  }
  return undefined;
}

/** Ends every guest whose sockets are below `folder`. For sites that end as a whole. */
export async function endGuestsBelow(folder: string, clock: Clock): Promise<void> {
  assert(/^\/[^/]/.test(folder), "guests of the whole machine are nobody's to end");
  const wanted = `socket,id=qmp,path=${folder.replace(/\/$/, "")}/`;
  for (const { pid, args } of await processes()) {
    if (!args.some((arg) => arg.startsWith(wanted))) continue;
    const stat = readProcess(pid);
    if (stat === undefined) continue;
    await adoptProcess({ pid, startTicks: stat.startTicks }, clock)?.end();
  }
}

/** Every process of the machine with its command line. */
export async function processes(): Promise<CommandLine[]> {
  const found: CommandLine[] = [];
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const line = await readFile(`/proc/${entry}/cmdline`, "utf8").catch(() => "");
    found.push({ pid: Number(entry), args: line.split("\0") });
  }
  return found;
}
