/**
 * `lifeboat evacuate`: moves the VMs of a host elsewhere, and tells how it goes.
 * @module
 */
import type { Command } from "commander";
import type { EvacuationRecord } from "../management/state.ts";
import type { Status } from "../management/status.ts";
import { SystemError } from "../protocol/error.ts";
import { type HostId, hostId } from "../protocol/ids.ts";
import { findVm, parsedBy, wholeNumber } from "./arguments.ts";
import { type Client, withClient } from "./client.ts";
import { EXIT, exitCodeOf } from "./exit.ts";
import { type GlobalOptions, optionsOf, show } from "./output.ts";
import { movesTable, progressLines } from "./progress.ts";
import type { World } from "./world.ts";

const POLL_MS = 250;

interface EvacuateOptions extends GlobalOptions {
  readonly dryRun?: boolean;
  readonly cancel?: boolean;
  readonly to?: HostId;
  readonly vm?: string[];
  readonly pauseMs?: number;
  readonly wait: boolean;
  readonly timeout: number;
}

const HELP = `
The host is cordoned, and its running VMs are moved one after the other to the healthiest hosts
that can take them. Ctrl-C ends only this command; the evacuation goes on.

Examples:
  lifeboat evacuate alpha --dry-run              # who would go where, and why
  lifeboat evacuate alpha
  lifeboat evacuate alpha --vm web --to bravo --pause-ms 200
  lifeboat evacuate alpha --cancel

Ends with 0 when every VM has moved, 1 when not all could, 3 for an unknown host or VM, 4 when
one is under way already, 5 when a program is away, 6 when --timeout is over.`;

export function addEvacuateCommand(program: Command, world: World): void {
  program
    .command("evacuate")
    .description("move the VMs of a host elsewhere")
    .argument("<host>", "the host to leave", parsedBy(hostId))
    .option("--dry-run", "plan, and move nothing")
    .option("--cancel", "end an evacuation of this host: what has not moved stays")
    .option("--to <host>", "only to this host", parsedBy(hostId))
    .option("--vm <vm>", "only this VM, by id or name (again for each)", collect)
    .option("--pause-ms <n>", "longest last pause allowed", wholeNumber(1, 3_600_000))
    .option("--wait", "wait until it is done (the default)", true)
    .option("--no-wait", "return once it is under way")
    .option("--timeout <seconds>", "how long to wait", wholeNumber(1, 86_400), 1_800)
    .addHelpText("after", HELP)
    .action(async (host: HostId, _options, command: Command) => {
      const options = optionsOf<EvacuateOptions>(command);
      await withClient(world, options, async (client) => {
        if (options.cancel) await cancel(world, client, host, options);
        else await evacuate(world, client, host, options);
      });
    });
}

function collect(text: string, earlier: string[] | undefined): string[] {
  return [...(earlier ?? []), text];
}

async function cancel(
  world: World,
  client: Client,
  host: HostId,
  { output }: EvacuateOptions,
): Promise<void> {
  const result = await client.ask<{ evacuationId: string }>({ method: "cancel", hostId: host });
  show(world, output, result, () => `The evacuation of ${host} is being cancelled\n`);
}

async function evacuate(
  world: World,
  client: Client,
  host: HostId,
  options: EvacuateOptions,
): Promise<void> {
  const { dryRun = false, to, vm, pauseMs, output } = options;
  const status = await client.ask<Status>({ method: "status" });
  const vmIds = vm?.map((text) => findVm(status, text).vmId);
  const started = await client.ask<EvacuationRecord>({
    method: "evacuate",
    hostId: host,
    dryRun,
    ...(vmIds === undefined ? {} : { vmIds }),
    ...(to === undefined ? {} : { target: to }),
    ...(pauseMs === undefined ? {} : { pauseMsMax: pauseMs }),
  });
  if (dryRun || !options.wait) {
    show(world, output, started, () =>
      dryRun ? movesTable(host, started, {}) : `The evacuation of ${host} is under way\n`,
    );
    return;
  }
  const done = await untilDone(world, client, started, options);
  if (done === undefined) return;
  const { evacuation, progress } = done;
  show(world, output, done, () => movesTable(host, evacuation, progress));
  world.err(`${evacuation.outcome ?? "done"}: ${evacuation.reason}\n`);
  const good = evacuation.outcome === "evacuated" || evacuation.outcome === "nothing";
  world.exitWith(good ? EXIT.ok : EXIT.failed);
}

interface Done {
  readonly evacuation: EvacuationRecord;
  readonly progress: Status["progress"];
}

/** Undefined when a signal ended the waiting. @throws SystemError TIMED_OUT, LINK_CLOSED */
async function untilDone(
  world: World,
  client: Client,
  { evacuationId, hostId: host }: EvacuationRecord,
  { timeout }: EvacuateOptions,
): Promise<Done | undefined> {
  const deadlineMs = world.clock.nowMs() + timeout * 1_000;
  const news = progressLines(world);
  let interrupted: number | undefined;
  const takeBack = world.onSignal((signal) => {
    interrupted = signal === "SIGINT" ? EXIT.interrupted : EXIT.terminated;
  });
  try {
    for (;;) {
      const status = await statusWhenThere(client);
      const evacuation = status?.evacuations.find((one) => one.evacuationId === evacuationId);
      if (status !== undefined && evacuation !== undefined) {
        news.tell(evacuation, status.progress);
        if (evacuation.phase === "done") return { evacuation, progress: status.progress };
      }
      if (interrupted !== undefined) {
        world.err(`The evacuation goes on. To end it: lifeboat evacuate ${host} --cancel\n`);
        world.exitWith(interrupted);
        return undefined;
      }
      if (world.clock.nowMs() >= deadlineMs) {
        throw new SystemError("TIMED_OUT", `Not done after ${timeout} s; the evacuation goes on`);
      }
      await world.clock.sleep(POLL_MS);
    }
  } finally {
    takeBack();
  }
}

/** A management server that goes and comes back meanwhile ends nothing: it resumes by itself. */
async function statusWhenThere(client: Client): Promise<Status | undefined> {
  try {
    return await client.ask<Status>({ method: "status" });
  } catch (thrown) {
    if (exitCodeOf(thrown) === EXIT.unreachable) return undefined;
    throw thrown;
  }
}
