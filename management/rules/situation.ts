/**
 * What the site is like for the swap of one VM: where it runs, who its secondaries are, and what
 * speaks against each.
 * @module
 */
import type { HostSummary, VmSummary } from "../../protocol/evacuation.ts";
import type { HostId, OperationId, ServerId } from "../../protocol/ids.ts";
import type { ReplicaSummary } from "../../protocol/replication.ts";
import type { State } from "../state.ts";

/** Swaps of one site at once: each ends a replication and begins another. */
export const SWAPS_AT_ONCE = 2;

/** The same for all VMs of a review, looked up once. */
export interface Site {
  readonly hosts: ReadonlyMap<HostId, HostSummary>;
  /** The evacuation that leaves a host. */
  readonly leaving: ReadonlyMap<HostId, OperationId>;
  /** The highest probability of what is predicted of a server and holds. */
  readonly risks: ReadonlyMap<ServerId, number>;
  /** Nothing is begun now, whatever the rules say. */
  readonly held: string | undefined;
  /** Swaps under way. */
  readonly swapsRunning: number;
}

/** A secondary as it is now, but for its parameters. */
export interface Candidate {
  readonly hostId: HostId;
  /** What speaks against it now. */
  readonly obstacles: readonly string[];
}

export interface Situation {
  readonly vm: VmSummary | undefined;
  readonly secondaries: readonly Candidate[];
  /** Something else is being done with the VM. */
  readonly busy: string | undefined;
  readonly site: Site;
}

export function siteOf(state: State): Site {
  const evacuations = Object.values(state.evacuations).filter(
    ({ phase, planOnly }) => phase !== "done" && !planOnly,
  );
  const swaps = Object.values(state.rules).flatMap((one) => one.swaps);
  return {
    hosts: new Map(state.fleet?.hosts.map((host) => [host.hostId, host])),
    leaving: new Map(evacuations.map(({ hostId, evacuationId }) => [hostId, evacuationId])),
    risks: risksOf(state),
    held: heldBy(state),
    swapsRunning: swaps.filter(({ outcome }) => outcome === "running").length,
  };
}

/** By server; of one that is not there nothing is predicted. */
export function risksOf({ predictions }: State): ReadonlyMap<ServerId, number> {
  const risks = new Map<ServerId, number>();
  for (const { cleared, prediction } of Object.values(predictions)) {
    const { serverId, probability } = prediction;
    if (cleared !== undefined) continue;
    risks.set(serverId, Math.max(probability, risks.get(serverId) ?? 0));
  }
  return risks;
}

function heldBy({ settings, coordinatorUp }: State): string | undefined {
  if (!coordinatorUp) return "The coordinator is not connected";
  if (settings.disarmed) return "Disarmed: nothing is started until it is armed again";
  return settings.mode === "shadow" ? "Mode is shadow: nothing is moved" : undefined;
}

export function situationOf(site: Site, vm: VmSummary | undefined): Situation {
  return {
    vm,
    secondaries: vm === undefined ? [] : secondariesOf(vm).map((one) => candidate(site, vm, one)),
    busy: vm === undefined ? undefined : busyWith(site, vm),
    site,
  };
}

/** The hosts that hold a replica of the VM, as the coordinator told last. */
export function secondariesOf(vm: VmSummary): readonly ReplicaSummary[] {
  return (vm.replicas ?? []).filter(({ hostId }) => hostId !== vm.hostId);
}

function candidate(site: Site, vm: VmSummary, { hostId, state }: ReplicaSummary): Candidate {
  const replica = state === "protected" ? [] : [`its replica is ${state}`];
  return { hostId, obstacles: [...replica, ...hostObstacles(site, vm, hostId)] };
}

function hostObstacles({ hosts, leaving, risks }: Site, vm: VmSummary, hostId: HostId): string[] {
  const host = hosts.get(hostId);
  if (host === undefined) return ["the coordinator has told of no such host"];
  const primary = vm.hostId === undefined ? undefined : hosts.get(vm.hostId);
  const obstacles: readonly (readonly [boolean, string])[] = [
    [!host.connected, "its agent is not connected"],
    [host.suspicion !== undefined, "its agent is silent"],
    [host.cordoned, "it is cordoned"],
    [host.off !== undefined, "its server counts as off"],
    [host.serverId === primary?.serverId, "it is on the primary's server"],
    [(risks.get(host.serverId) ?? 0) > 0, "a failure of its server is predicted"],
    [leaving.has(hostId), `${leaving.get(hostId)} moves the guests of it elsewhere`],
  ];
  return obstacles.flatMap(([stands, text]) => (stands ? [text] : []));
}

function busyWith({ hosts, leaving }: Site, vm: VmSummary): string | undefined {
  if (vm.sagaId !== undefined) return `It is being moved, by ${vm.sagaId}`;
  if (vm.hostId === undefined || vm.phase !== "active" || vm.guest !== "running") {
    return "It does not run";
  }
  const host = hosts.get(vm.hostId);
  if (host?.connected !== true || host.suspicion !== undefined) {
    return `The agent of ${vm.hostId} does not answer`;
  }
  const evacuation = leaving.get(vm.hostId);
  if (evacuation === undefined) return undefined;
  return `${evacuation} moves the guests of ${vm.hostId} elsewhere`;
}
