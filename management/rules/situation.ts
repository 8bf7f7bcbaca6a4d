/**
 * What the site is like for the swap of one VM: where it runs, who its secondaries are, and what
 * speaks against each.
 * @module
 */
import type { HostSummary, VmSummary } from "../../protocol/evacuation.ts";
import type { HostId } from "../../protocol/ids.ts";
import type { ReplicaSummary } from "../../protocol/replication.ts";
import { riskOf } from "../evacuation.ts";
import type { State } from "../state.ts";
import type { Candidate } from "./standing.ts";

/** Swaps of one site at once: each ends a replication and begins another. */
export const SWAPS_AT_ONCE = 2;

/** The hosts that hold a replica of the VM, as the coordinator told last. */
export function secondariesOf(vm: VmSummary): readonly ReplicaSummary[] {
  return (vm.replicas ?? []).filter(({ hostId }) => hostId !== vm.hostId);
}

export interface Situation {
  readonly vm: VmSummary | undefined;
  readonly secondaries: readonly Candidate[];
  /** Something else is being done with the VM. */
  readonly busy: string | undefined;
  /** Nothing is begun now, whatever the rules say. */
  readonly held: string | undefined;
  /** Swaps of the site under way. */
  readonly swapsRunning: number;
}

export function situationOf(state: State, vm: VmSummary | undefined): Situation {
  const swaps = Object.values(state.rules).flatMap((one) => one.swaps);
  return {
    vm,
    secondaries: vm === undefined ? [] : secondariesOf(vm).map((one) => candidate(state, vm, one)),
    busy: vm === undefined ? undefined : busyWith(state, vm),
    held: heldBy(state),
    swapsRunning: swaps.filter(({ outcome }) => outcome === "running").length,
  };
}

function candidate(state: State, vm: VmSummary, secondary: ReplicaSummary): Candidate {
  const { hostId } = secondary;
  const host = hostOf(state, hostId);
  const obstacles = [...replicaObstacles(secondary), ...hostObstacles(state, vm, host)];
  return { hostId, obstacles };
}

function replicaObstacles({ state: replica }: ReplicaSummary): string[] {
  return replica === "protected" ? [] : [`its replica is ${replica}`];
}

function hostObstacles(state: State, vm: VmSummary, host: HostSummary | undefined): string[] {
  if (host === undefined) return ["the coordinator has told of no such host"];
  const primary = vm.hostId === undefined ? undefined : hostOf(state, vm.hostId);
  const leaves = evacuationOf(state, host.hostId);
  return [
    ...(host.connected ? [] : ["its agent is not connected"]),
    ...(host.cordoned ? ["it is cordoned"] : []),
    ...(host.off === undefined ? [] : ["its server counts as off"]),
    ...(host.serverId === primary?.serverId ? ["it is on the primary's server"] : []),
    ...(riskOf(state, host.serverId) > 0 ? ["a failure of its server is predicted"] : []),
    ...(leaves === undefined ? [] : [`${leaves} moves the guests of it elsewhere`]),
  ];
}

function hostOf({ fleet }: State, hostId: HostId): HostSummary | undefined {
  return fleet?.hosts.find((host) => host.hostId === hostId);
}

function evacuationOf(state: State, hostId: HostId): string | undefined {
  return Object.values(state.evacuations).find(
    (one) => one.hostId === hostId && one.phase !== "done" && !one.planOnly,
  )?.evacuationId;
}

function busyWith(state: State, vm: VmSummary): string | undefined {
  if (vm.sagaId !== undefined) return `It is being moved, by ${vm.sagaId}`;
  if (vm.hostId === undefined || vm.phase !== "active" || vm.guest !== "running") {
    return "It does not run";
  }
  const leaves = evacuationOf(state, vm.hostId);
  return leaves === undefined ? undefined : `${leaves} moves the guests of ${vm.hostId} elsewhere`;
}

function heldBy({ settings, coordinatorUp }: State): string | undefined {
  if (!coordinatorUp) return "The coordinator is not connected";
  if (settings.disarmed) return "Disarmed: nothing is started until it is armed again";
  return settings.mode === "shadow" ? "Mode is shadow: nothing is moved" : undefined;
}
