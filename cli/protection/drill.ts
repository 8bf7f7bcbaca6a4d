/**
 * `lifeboat drill`: whether a replica comes up, tried.
 * @module
 */
import type { Command } from "commander";
import type { DrillRecord } from "../../management/drill.ts";
import type { Status } from "../../management/status.ts";
import { type HostId, hostId } from "../../protocol/ids.ts";
import { drillCheck } from "../../protocol/replication.ts";
import { printable } from "../../runtime/log.ts";
import { findVm, parsedBy } from "../arguments.ts";
import { withClient } from "../client.ts";
import { EXIT } from "../exit.ts";
import { type GlobalOptions, optionsOf, show } from "../output.ts";
import type { World } from "../world.ts";
import { duration, durationText } from "./units.ts";

/** Memory and disks are copied first, and other drills may come before. */
const ANSWER_MS = 3_700_000;
const WITHIN_MS = 30_000;
const { send, expect, withinMs } = drillCheck.shape;
const within = duration.pipe(withinMs);

interface DrillOptions extends GlobalOptions {
  readonly host?: HostId;
  readonly send?: string;
  readonly expect?: string;
  readonly within?: number;
}

const HELP = `
The newest restore point of a replica is copied on its host, booted with network adapters that
reach nothing, looked at, and removed. The VM itself goes on, and so does its replication, but
frames wait while the replica is read. The copy takes the VM's memory, and room for its disks, for
that time.

It has passed when the guest's processors run and, with --expect, when the guest says that text on
its virtio-serial port (org.lifeboat.channel.0) or on its console. With --send a line is written to
that port first. \`lifeboat replicas\` shows how the last drill of each replica ended, and when.

Examples:
  lifeboat drill web
  lifeboat drill web --host bravo --expect "login:" --within 60s
  lifeboat drill web --send "check" --expect "all good" -o json

Ends with 0 when it has passed, 1 when not, 3 for an unknown VM, 4 when there is no replica that
can be restored.`;

export function addDrillCommand(program: Command, world: World): void {
  program
    .command("drill")
    .description("boot a copy of a replica where it reaches nothing, look at it and remove it")
    .argument("<vm>", "its id or name")
    .option("--host <host>", "whose replica (default: the newest)", parsedBy(hostId))
    .option("--send <text>", "a line for the guest's virtio-serial port", parsedBy(send))
    .option("--expect <text>", "what the guest must say", parsedBy(expect))
    .option("--within <time>", "how long it may take (default: 30s)", parsedBy(within))
    .addHelpText("after", HELP)
    .action((text: string, _options, command: Command) =>
      drill(world, text, optionsOf<DrillOptions>(command)),
    );
}

async function drill(world: World, text: string, options: DrillOptions): Promise<void> {
  const { host, send: line, expect: said, within: timeMs = WITHIN_MS } = options;
  const check = {
    withinMs: timeMs,
    ...(line === undefined ? {} : { send: line }),
    ...(said === undefined ? {} : { expect: said }),
  };
  await withClient(world, options, async (client) => {
    const { vmId, name } = findVm(await client.ask<Status>({ method: "status" }), text);
    const where = host === undefined ? {} : { hostId: host };
    const ask = { method: "drill", vmId, ...where, check } as const;
    const result = await client.ask<Omit<DrillRecord, "wallTime">>(ask, ANSWER_MS);
    show(world, options.output, result, () => resultText(name, result));
    world.exitWith(result.ok ? EXIT.ok : EXIT.failed);
  });
}

function resultText(name: string, result: Omit<DrillRecord, "wallTime">): string {
  const { ok, hostId: where, point, reason = "", restoreMs, runMs } = result;
  const at = point === undefined ? "" : `, cut ${point.cut}`;
  if (!ok) return `${name}: the replica on ${where}${at} did not pass: ${printable(reason)}\n`;
  const took = (ms: number | undefined): string => (ms === undefined ? "?" : durationText(ms));
  const times = `restored in ${took(restoreMs)}, seen to run ${took(runMs)} later`;
  return `${name}: the replica on ${where}${at} comes up: ${times}\n`;
}
