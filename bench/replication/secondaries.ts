/**
 * Secondaries in processes of their own, each with its replica on disk.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { FrozenDefinition } from "../../protocol/definition.ts";
import { SystemError } from "../../protocol/error.ts";
import type { HostId, Term } from "../../protocol/ids.ts";
import { streamId, token } from "../../protocol/ids.ts";
import type { Secondary } from "../../protocol/replication.ts";
import { realRandom } from "../../runtime/random.ts";
import type { HostSaid, HostTask } from "./host.ts";

const MAIN = new URL("host.ts", import.meta.url).pathname;

export interface RunningSecondary {
  readonly secondary: Secondary;
  /** What it has told, newest last. */
  readonly statuses: Extract<HostSaid, { type: "status" }>[];
  close(): Promise<void>;
}

/** @throws SystemError LISTEN_FAILED when it ends before it listens */
export async function startSecondary(
  name: string,
  folder: string,
  definition: FrozenDefinition,
  term: Term,
): Promise<RunningSecondary> {
  const own = join(folder, name);
  mkdirSync(own, { recursive: true });
  const stream = streamId.parse(realRandom.hex(16));
  const secret = token.parse(realRandom.hex(32));
  const primary = "primary" as HostId;
  const task: HostTask = {
    folder: own,
    replica: { stream, term, primary, token: secret, sealed: 0, whole: false },
    definition,
  };
  const child = spawn(process.execPath, [MAIN, JSON.stringify(task)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const statuses: RunningSecondary["statuses"] = [];
  const address = await new Promise<string>((resolve, reject) => {
    child.once("exit", (code) =>
      reject(new SystemError("LISTEN_FAILED", `A secondary ended with ${code}`)),
    );
    createInterface({ input: child.stdout! }).on("line", (line) => {
      const said = JSON.parse(line) as HostSaid;
      if (said.type === "listening") resolve(said.address);
      else statuses.push(said);
    });
  });
  const secondary = { hostId: name as HostId, stream, address, token: secret };
  return { secondary, statuses, close: () => ended(child) };
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.stdin!.end();
  });
}
