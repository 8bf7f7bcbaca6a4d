/**
 * `lifeboat failover`, `lifeboat switch-over` and `lifeboat failback`: a secondary takes over.
 * @module
 */
import type { Command } from "commander";
import { switchOverFault } from "../../management/protection.ts";
import type { Status, VmStatus } from "../../management/status.ts";
import { SystemError } from "../../protocol/error.ts";
import { type HostId, hostId } from "../../protocol/ids.ts";
import { printable } from "../../runtime/log.ts";
import { findVm, parsedBy } from "../arguments.ts";
import { type Client, withClient } from "../client.ts";
import { EXIT } from "../exit.ts";
import { type GlobalOptions, optionsOf, show } from "../output.ts";
import type { World } from "../world.ts";
import { fillingOf, fillingText } from "./filling.ts";
import { durationText } from "./units.ts";

/** The coordinator says how it has ended, by its own deadline. */
const ANSWER_MS = 3_700_000;

interface FailoverOptions extends GlobalOptions {
  readonly allowStale?: boolean;
  readonly dryRun?: boolean;
}

interface SwitchOptions extends GlobalOptions {
  readonly to?: HostId;
  readonly dryRun?: boolean;
}

/** What became of it; of a dry run the coordinator says more. */
interface Switched {
  readonly outcome?: "moved" | "failed" | "cancelled";
  readonly reason?: string;
  readonly from?: string;
  /** null: no replica is known that could come up. */
  readonly to?: string | null;
  readonly term?: number;
  readonly lost?: string | null;
  /** Of a dry run: why it would be refused. */
  readonly refusal?: string | null;
}

const FAILOVER_HELP = `
Only of a VM whose host is proven to be off: \`lifeboat host fence\` proves it, or your word by
\`lifeboat host declare-off\`. Silence proves nothing. All replicas that can be reached are sealed,
so that the old primary can add nothing to them, and the newest comes up. What the guest did after
its newest restore point is lost; how much that is, is told.

Examples:
  lifeboat failover web --dry-run        # from which replica, and how old it is
  lifeboat failover web
  lifeboat failover web --allow-stale    # also from one that is older than promised

Ends with 0 when it runs, 1 when it could not be brought up, 3 for an unknown VM, 4 when nothing
proves that its host is off.`;

const SWITCH_HELP = `
The VM is paused, one last epoch is sent, and it goes on there: nothing is lost. Its old host
becomes a secondary, and starts from what it has.

Examples:
  lifeboat switch-over web --to bravo --dry-run
  lifeboat switch-over web --to bravo

Ends with 0 when it runs there, 1 when it stays where it is, 3 for an unknown VM, 4 while that
host's replica is not current.`;

const FAILBACK_HELP = `
A switch-over to the host that ran the VM before, once that has a current replica; until then it
says what is missing. Nothing is lost.

Examples:
  lifeboat failback web --dry-run
  lifeboat failback web

Ends as switch-over does.`;

export function addSwitchCommands(program: Command, world: World): void {
  program
    .command("failover")
    .description("bring a VM of a dead host up from its newest replica")
    .argument("<vm>", "its id or name")
    .option("--allow-stale", "also from a replica that is older than promised")
    .option("--dry-run", "say what would come up and what would be lost, and do nothing")
    .addHelpText("after", FAILOVER_HELP)
    .action((text: string, _options, command: Command) =>
      failover(world, text, optionsOf<FailoverOptions>(command)),
    );
  program
    .command("switch-over")
    .description("swap the roles of a VM's host and a secondary; nothing is lost")
    .argument("<vm>", "its id or name")
    .requiredOption("--to <host>", "the secondary", parsedBy(hostId))
    .option("--dry-run", "say whether it can be done now, and do nothing")
    .addHelpText("after", SWITCH_HELP)
    .action((text: string, _options, command: Command) =>
      switchOver(world, text, optionsOf<SwitchOptions>(command)),
    );
  program
    .command("failback")
    .description("bring a VM back to the host that ran it before; nothing is lost")
    .argument("<vm>", "its id or name")
    .option("--dry-run", "say whether it can be done now, and do nothing")
    .addHelpText("after", FAILBACK_HELP)
    .action((text: string, _options, command: Command) =>
      switchOver(world, text, optionsOf<SwitchOptions>(command)),
    );
}

async function failover(
  world: World,
  text: string,
  { allowStale = false, dryRun = false, ...options }: FailoverOptions,
): Promise<void> {
  await withClient(world, options, async (client) => {
    const { vmId, name } = findVm(await client.ask<Status>({ method: "status" }), text);
    const ask = { method: "failover", vmId, allowStale, dryRun } as const;
    tell(world, options, name, dryRun, await client.ask<Switched | null>(ask, ANSWER_MS));
  });
}

/** To the host that is named, or else to the one before. */
async function switchOver(world: World, text: string, options: SwitchOptions): Promise<void> {
  const { dryRun = false } = options;
  await withClient(world, options, async (client) => {
    const vm = findVm(await client.ask<Status>({ method: "status" }), text);
    const target = options.to ?? formerOf(vm);
    refuseUnready(vm, target);
    const result = dryRun
      ? { reason: "Its replica is current", from: vm.hostId ?? "nowhere", to: target }
      : await swap(client, vm, target);
    tell(world, options, vm.name, dryRun, result);
  });
}

function swap(client: Client, { vmId }: VmStatus, target: HostId): Promise<Switched | null> {
  return client.ask<Switched | null>({ method: "switch-over", vmId, target }, ANSWER_MS);
}

/** @throws SystemError STATE_CONFLICT */
function formerOf({ name, formerHostId }: VmStatus): HostId {
  if (formerHostId !== undefined) return formerHostId;
  const reason = `${name} has run on no other host since it is protected`;
  throw new SystemError("STATE_CONFLICT", `${reason}: lifeboat switch-over ${name} --to HOST`);
}

/** @throws SystemError STATE_CONFLICT: what is missing, and how long that may take */
function refuseUnready(vm: VmStatus, target: HostId): void {
  const fault = switchOverFault(vm, target);
  if (fault === undefined) return;
  const replica = vm.replicas?.find((one) => one.hostId === target);
  const filling = replica && fillingOf(replica);
  const how = filling === undefined ? "" : `: ${fillingText(filling)}`;
  const lag = replica?.lagMs === undefined ? "" : `, ${durationText(replica.lagMs)} old`;
  throw new SystemError("STATE_CONFLICT", `${fault}${how}${lag}`);
}

/** What has become of it; a dry run tells what would. */
function tell(
  world: World,
  { output }: GlobalOptions,
  name: string,
  dryRun: boolean,
  switched: Switched | null,
): void {
  show(world, output, switched, () => {
    const { outcome, reason, from, to, term, lost, refusal } = switched ?? {};
    const way = from === undefined || to === undefined ? "" : `, ${from} -> ${to ?? "nowhere"}`;
    const would = (refusal ?? null) === null ? "would come up there" : "would be refused";
    const head = outcome ?? (dryRun ? would : "under way");
    const at = term === undefined ? "" : ` at term ${term}`;
    return [
      `${name}: ${head}${way}${at}\n`,
      reason === undefined ? "" : `  ${printable(reason)}\n`,
      (lost ?? null) === null ? "" : `  lost: ${printable(lost!)}\n`,
    ].join("");
  });
  const failed = switched?.outcome !== undefined && switched.outcome !== "moved";
  world.exitWith(failed ? EXIT.failed : EXIT.ok);
}
