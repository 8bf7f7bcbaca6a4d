/**
 * Finds the QEMU process of a guest after the agent was restarted, by the QMP socket in its
 * command line: the one argument that is this guest's alone.
 */
import { readdir, readFile } from "node:fs/promises";
import { type ProcessIdentity, readProcess } from "./process.ts";

export interface FoundProcess {
  readonly identity: ProcessIdentity;
  /** The RAM file it was started with. */
  readonly ramPath: string | undefined;
}

/** Undefined when no living process serves that socket. */
export async function findGuestProcess(qmpPath: string): Promise<FoundProcess | undefined> {
  const wanted = `socket,id=qmp,path=${qmpPath},`;
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const pid = Number(entry);
    const args = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    const list = args.split("\0");
    if (!list.some((arg) => arg.startsWith(wanted))) continue;
    const stat = readProcess(pid);
    if (stat === undefined || stat.state === "Z") continue;
    const identity = { pid, startTicks: stat.startTicks };
    return { identity, ramPath: ramPathOf(list) };
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
