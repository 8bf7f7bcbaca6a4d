/**
 * Which replicas of a VM are sealed, which of them is the newest, and what is lost with it.
 * @module
 */
import type { HostId } from "../protocol/ids.ts";
import type { ReplicaReport } from "../protocol/replication.ts";
import type { ChosenReplica, Failover } from "./failover-record.ts";
import { ageAt, promisedMs } from "./protection-state.ts";
import { type Host, reportFrom, type State, type Vm } from "./state.ts";

export interface Seals {
  /** Hosts that are connected and have not answered. */
  readonly open: readonly HostId[];
  /** Hosts with a replica on record that are not connected, and those that are off. */
  readonly away: readonly HostId[];
  readonly off: readonly HostId[];
}

type Sealing = Pick<Failover, "term" | "primary" | "granted">;

/** Who is to seal: whoever has a replica on record, has told of one, or was granted the VM. */
export function sealsOf(state: State, vm: Vm, { term, primary, granted }: Sealing): Seals {
  const copies = state.protections[vm.vmId]?.copies ?? [];
  const told = Object.values(state.hosts).filter(({ reports }) => {
    return (reports[vm.vmId]?.replicas ?? []).length > 0;
  });
  const ids = new Set([
    ...copies.map(({ hostId }) => hostId),
    ...told.map(({ hostId }) => hostId),
    ...granted,
  ]);
  ids.delete(primary);
  const hosts = [...ids].sort().map((id) => [id, state.hosts[id]] as const);
  const pick = (which: (host: Host | undefined) => boolean) =>
    hosts.filter(([, host]) => which(host)).map(([id]) => id);
  return {
    open: pick((host) => host?.connected === true && !isSealed(host, vm, term)),
    away: pick((host) => host?.connected !== true && host?.off === undefined),
    off: pick((host) => host?.connected !== true && host?.off !== undefined),
  };
}

/** The seal is durable there, and no later restore point can come. */
function isSealed({ reports }: Host, vm: Vm, term: number): boolean {
  const report = reports[vm.vmId];
  if (report === undefined || report.termSeen < term) return false;
  return (report.replicas ?? []).every((replica) => settled(replica, term));
}

function settled({ sealed, settled: exact, state }: ReplicaReport, term: number): boolean {
  return sealed === term && (exact === term || state === "broken");
}

/** What can be promoted, the newest first: by term of the stream, then by cut. */
export function candidates(
  state: State,
  vm: Vm,
  { term, tried, primary }: Pick<Failover, "term" | "tried" | "primary">,
): ChosenReplica[] {
  const found: ChosenReplica[] = [];
  for (const { hostId, connected, bootId } of Object.values(state.hosts)) {
    if (!connected || bootId === undefined || hostId === primary) continue;
    for (const replica of reportFrom(state, hostId, vm.vmId)?.replicas ?? []) {
      const { newest: point, stream, state: phase } = replica;
      if (point === undefined || phase === "broken" || !settled(replica, term)) continue;
      if (!tried.includes(stream)) found.push({ hostId, stream, term: replica.term, point });
    }
  }
  return found.sort(newestFirst);
}

function newestFirst(a: ChosenReplica, b: ChosenReplica): number {
  if (a.term !== b.term) return b.term - a.term;
  if (a.point.cut !== b.point.cut) return b.point.cut - a.point.cut;
  return a.hostId < b.hostId ? -1 : 1;
}

/** What a failover would choose as far as it is known before anything is sealed. */
export function likelyNewest(state: State, vm: Vm, primary: HostId): ChosenReplica | undefined {
  const found = Object.values(state.hosts).flatMap(({ hostId, connected, reports }) => {
    if (!connected || hostId === primary) return [];
    return (reports[vm.vmId]?.replicas ?? []).flatMap(({ newest, stream, state: phase, term }) => {
      const told = state.protections[vm.vmId]?.replicas[stream]?.status.newest;
      const point = told ?? newest;
      return point === undefined || phase === "broken" ? [] : [{ hostId, stream, term, point }];
    });
  });
  return found.sort(newestFirst)[0];
}

export interface Loss {
  readonly text: string;
  /** Older than promised when the primary was last heard, or of unknown age. */
  readonly stale: boolean;
}

/** In words of how much of the guest's work is un-happened, as far as anybody can know. */
export function lossOf(
  state: State,
  vm: Vm,
  { unheard }: Pick<Failover, "unheard">,
  { hostId, stream, point, term }: ChosenReplica,
): Loss {
  const protection = state.protections[vm.vmId];
  const copy = protection?.copies.find((one) => one.stream === stream);
  const heardAtMs = protection?.primary?.atMs ?? state.nowMs;
  const ageMs = protection && copy && ageAt(protection, copy, heardAtMs);
  const { policy } = protection ?? {};
  const stale = ageMs === undefined || policy === undefined || ageMs > promisedMs(policy);
  const age =
    ageMs === undefined
      ? "its age is not known"
      : `at most ${Math.round(ageMs)} ms old when its primary was last heard`;
  const away = unheard.length === 0 ? "" : `; ${unheard.join(", ")} could not be asked`;
  const from = `cut ${point.cut} of term ${term} on ${hostId}`;
  return { text: `All that the guest did after ${from} (${age})${away}`.slice(0, 1_000), stale };
}
