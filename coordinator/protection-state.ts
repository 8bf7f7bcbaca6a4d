/**
 * How well a VM is protected: found out from what was heard last and how long ago that is, and
 * never kept. What is not heard of grows older.
 * @module
 */
import type { VmSummary } from "../protocol/evacuation.ts";
import type { VmId } from "../protocol/ids.ts";
import type {
  ProtectionPolicy,
  ProtectionSummary,
  ReplicaSummary,
  RestorePoint,
} from "../protocol/replication.ts";
import { isCurrent, replicaOn } from "./protection.ts";
import type { CopyRecord, Protection } from "./protection-record.ts";
import type { Config, State, Vm } from "./state.ts";

/** What a failover may lose, as promised: a cut each interval, and as long until it is whole. */
export function promisedMs({ intervalMs }: Pick<ProtectionPolicy, "intervalMs">): number {
  return 2 * intervalMs;
}

/** How old the newest restore point of a replica is, or was, at that moment; undefined: unknown. */
export function ageAt(protection: Protection, copy: CopyRecord, atMs: number): number | undefined {
  const heard = protection.replicas[copy.stream];
  if (heard?.status.lagMs === undefined) return undefined;
  return Math.max(0, heard.status.lagMs + atMs - heard.atMs);
}

/**
 * Whether a secondary that is there could bring the VM up with no more lost than was promised, if
 * its primary had ended at `atMs` (by the coordinator's clock; a past moment of silence as well).
 */
export function protectedWithinRpo(state: State, vmId: VmId, atMs: number): boolean {
  const vm = state.vms[vmId];
  const protection = state.protections[vmId];
  const { policy, copies = [] } = protection ?? {};
  if (vm === undefined || protection === undefined || policy === undefined) return false;
  return copies.some((copy) => {
    const there = state.hosts[copy.hostId]?.connected === true;
    const sound = replicaOn(state, vm, copy)?.state === "ready";
    const ageMs = ageAt(protection, copy, atMs) ?? Number.POSITIVE_INFINITY;
    return isCurrent(vm, copy) && there && sound && ageMs <= promisedMs(policy);
  });
}

/** The same, of the moment when its primary was last heard of. */
export function protectedWhenLastHeard(state: State, vmId: VmId): boolean {
  const heardAtMs = state.protections[vmId]?.primary?.atMs;
  return heardAtMs !== undefined && protectedWithinRpo(state, vmId, heardAtMs);
}

type Summary = Pick<VmSummary, "protection" | "replicas">;

/** For people and rules; empty for a VM that was never to be protected. */
export function protectionSummaryOf(state: State, vm: Vm, config: Config): Summary {
  const protection = state.protections[vm.vmId];
  if (protection === undefined) return {};
  const { policy, copies } = protection;
  const replicas = copies.map((copy) => replicaSummaryOf(state, vm, protection, copy, config));
  const shown: Summary = replicas.length === 0 ? {} : { replicas };
  if (policy === undefined) return shown;
  return { protection: summaryOf(state, vm, protection, policy, replicas), ...shown };
}

function summaryOf(
  state: State,
  vm: Vm,
  protection: Protection,
  policy: ProtectionPolicy,
  replicas: readonly ReplicaSummary[],
): ProtectionSummary {
  const { primary, lacking } = protection;
  const pauseMs = primary?.status.pauseMs;
  const said = { policy, ...(pauseMs === undefined ? {} : { pauseMs }) };
  const fresh = replicas.filter((one) => one.state === "protected");
  if (fresh.length >= policy.secondaries) return { ...said, state: "protected" };
  const kept = replicas.filter(({ hostId, newest }) => {
    return newest !== undefined && state.hosts[hostId]?.off === undefined;
  });
  const late = replicas.find((one) => one.state !== "protected");
  const why = primary?.status.reason ?? lacking ?? (late && `${late.hostId}: ${reasonOf(late)}`);
  const reason = why ?? `No secondary was found yet for the primary ${vm.hostId}`;
  return { ...said, state: kept.length > 0 ? "degraded" : "unprotected", reason };
}

function reasonOf({ state, reason }: ReplicaSummary): string {
  return reason === undefined ? `its replica is ${state}` : reason;
}

function replicaSummaryOf(
  state: State,
  vm: Vm,
  protection: Protection,
  copy: CopyRecord,
  config: Config,
): ReplicaSummary {
  const { hostId, stream } = copy;
  const heard = protection.replicas[stream]?.status;
  const found = replicaOn(state, vm, copy);
  const newest = newestOf(heard?.newest, found?.newest);
  const lagMs = ageAt(protection, copy, state.nowMs);
  const progress = protection.primary?.status.secondaries.find((one) => one.stream === stream);
  const [standing, reason] = standingOf(state, vm, protection, copy, config, newest);
  return {
    hostId,
    stream,
    state:
      standing !== "late" ? standing : progress?.state === "filling" ? "filling" : "connecting",
    ...(heard === undefined ? {} : { standby: heard.standby }),
    ...(newest === undefined ? {} : { newest }),
    ...(lagMs === undefined ? {} : { lagMs }),
    ...(progress === undefined ? {} : { progress }),
    ...(heard === undefined ? {} : { diskBytes: heard.diskBytes, memoryBytes: heard.memoryBytes }),
    ...(reason === undefined ? {} : { reason }),
  };
}

function newestOf(a: RestorePoint | undefined, b: RestorePoint | undefined) {
  if (a === undefined || b === undefined) return a ?? b;
  return a.epoch >= b.epoch ? a : b;
}

type Standing = readonly [state: ReplicaSummary["state"] | "late", reason?: string];

/** late: it has no restore point yet, and the primary knows best how far it is. */
function standingOf(
  state: State,
  vm: Vm,
  protection: Protection,
  copy: CopyRecord,
  { replicas: { statusMs } }: Config,
  newest: RestorePoint | undefined,
): Standing {
  const found = replicaOn(state, vm, copy);
  const heard = protection.replicas[copy.stream];
  const host = state.hosts[copy.hostId];
  if (found?.state === "broken") return ["failed", found.reason ?? "It is broken"];
  const old: Standing["0"] = newest === undefined ? "connecting" : "behind";
  if (host?.off !== undefined) return [old, "Its host is off"];
  if (host?.connected !== true) return [old, "Its agent is not connected"];
  if (!isCurrent(vm, copy))
    return [old, "No cuts go there: it is kept until others can be restored"];
  if (newest === undefined) return ["late"];
  const silentMs = state.nowMs - (heard?.atMs ?? Number.NEGATIVE_INFINITY);
  const { lagMs = Number.POSITIVE_INFINITY } = heard?.status ?? {};
  const promised = protection.policy === undefined ? 0 : promisedMs(protection.policy);
  if (silentMs > statusMs) return ["behind", "Nothing was heard of it for a while"];
  if (lagMs > promised) return ["behind", "It is older than promised"];
  return ["protected"];
}

/** All that is told at once when it changes: which VMs and replicas are in which state. */
export function protectionStates(state: State, config: Config): string {
  const ids = Object.keys(state.protections) as VmId[];
  return ids
    .map((id) => {
      const vm = state.vms[id];
      const summary = vm === undefined ? {} : protectionSummaryOf(state, vm, config);
      const each = summary.replicas?.map((one) => `${one.stream}${one.state}`) ?? [];
      return [id, summary.protection?.state, ...each].join(" ");
    })
    .join("\n");
}
