/**
 * `lifeboat replicas`: how each VM is protected, and how fresh each of its replicas is.
 * @module
 */
import type { Command } from "commander";
import type { DrillRecord } from "../../management/drill.ts";
import { promisedRpoMs } from "../../management/protection.ts";
import type { Status, VmStatus } from "../../management/status.ts";
import type { VmId } from "../../protocol/ids.ts";
import type { ReplicaSummary } from "../../protocol/replication.ts";
import { findVm } from "../arguments.ts";
import { optionsOf, show } from "../output.ts";
import { readStatus } from "../status.ts";
import { bytesText, type Cell, renderTable } from "../table.ts";
import type { World } from "../world.ts";
import { fillingOf, fillingText } from "./filling.ts";
import { durationText } from "./units.ts";

const HELP = `
lag       how old the newest restore point is at most, by the secondary's own clock: what a
          failover to it would lose now
promised  what a failover may lose: twice the interval of the policy
drill     how the newest drill of it ended, and when (lifeboat drill)
fill      what of RAM and disks is there; the time left is an estimate, and what the guest writes
          meanwhile comes on top

Examples:
  lifeboat replicas
  lifeboat replicas web -o json | jq '.[].replicas[].lagMs'`;

export function addReplicasCommand(program: Command, world: World): void {
  program
    .command("replicas")
    .description("how VMs are protected: state, lag and size of each replica")
    .argument("[vm]", "only this one, by id or name")
    .addHelpText("after", HELP)
    .action(async (text: string | undefined, _options, command: Command) => {
      const options = optionsOf(command);
      const status = await readStatus(world, options);
      const vms = text === undefined ? status.vms.filter(isShown) : [findVm(status, text)];
      show(world, options.output, vms.map(documentOf(status)), () => replicasTable(vms, status));
    });
}

function isShown({ protection, replicas = [] }: VmStatus): boolean {
  return protection !== undefined || replicas.length > 0;
}

/** The same for scripts. */
const documentOf = (status: Status) => (vm: VmStatus) => {
  const { vmId, name, hostId, protection, replicas = [] } = vm;
  return {
    vmId,
    name,
    hostId: hostId ?? null,
    protection: protection ?? null,
    promisedRpoMs: protection === undefined ? null : promisedRpoMs(protection.policy),
    replicas: replicas.map((one) => ({
      ...one,
      filling: fillingOf(one) ?? null,
      drill: drillOf(status, vmId, one) ?? null,
    })),
  };
};

function drillOf(
  { drills }: Status,
  vmId: VmId,
  { hostId }: ReplicaSummary,
): DrillRecord | undefined {
  return drills.find((one) => one.vmId === vmId && one.hostId === hostId);
}

const HEADINGS = [
  "name",
  "primary",
  "protection",
  "secondary",
  "state",
  "lag",
  "promised",
  "standby",
  "disk",
  "memory",
  "fill",
  "drill",
  "reason",
];

function replicasTable(vms: readonly VmStatus[], status: Status): string {
  return renderTable(
    HEADINGS,
    vms.flatMap((vm) => rowsOf(vm, status)),
  );
}

function rowsOf(vm: VmStatus, status: Status): Cell[][] {
  const { vmId, name, hostId, protection, replicas = [] } = vm;
  const promised = protection && durationText(promisedRpoMs(protection.policy));
  const state = protection?.state ?? "not asked for";
  const head: Cell[] = [name, hostId, state];
  if (replicas.length === 0) {
    return [[...head, ...Array(3), promised, ...Array(5), protection?.reason]];
  }
  return replicas.map((one) => {
    const drill = drillText(drillOf(status, vmId, one));
    return [...head, ...replicaCells(one, promised, drill), reasonOf(one) ?? protection?.reason];
  });
}

function reasonOf({ reason, progress }: ReplicaSummary): string | undefined {
  return reason ?? progress?.reason;
}

function drillText(drill: DrillRecord | undefined): string | undefined {
  return drill && `${drill.ok ? "passed" : "failed"} ${drill.wallTime}`;
}

function replicaCells(one: ReplicaSummary, promised: Cell, drill: Cell): Cell[] {
  const filling = fillingOf(one);
  return [
    one.hostId,
    one.state,
    one.lagMs === undefined ? undefined : durationText(one.lagMs),
    promised,
    one.standby,
    one.diskBytes === undefined ? undefined : bytesText(one.diskBytes),
    one.memoryBytes === undefined ? undefined : bytesText(one.memoryBytes),
    filling && fillingText(filling),
    drill,
  ];
}
