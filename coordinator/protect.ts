/**
 * What operators ask of a VM's protection, and what primary and secondaries say of it.
 * @module
 */
import type { Detail } from "../protocol/evacuation.ts";
import { choose, isCurrent, saved } from "./protection.ts";
import { type Protection, protectionOf } from "./protection-record.ts";
import { fail, succeed } from "./requests.ts";
import { type Config, type Event, putProtection, type State, type Step, type Vm } from "./state.ts";

type Of<Type extends Event["type"]> = Extract<Event, { type: Type }>;

/** Answered with the secondaries that are, or would be, and why others are not. */
export function protectVm(state: State, event: Of<"protect-vm">, config: Config): Step {
  const { operationId, vmId, policy, dryRun, atMs } = event;
  const vm = state.vms[vmId];
  if (vm === undefined) return fail(state, operationId, "GUEST_NOT_FOUND", "The VM is unknown");
  const before = state.protections[vmId];
  const {
    policy: earlier,
    lacking: _lacking,
    ...rest
  } = before ?? protectionOf({ vmId, version: 0, copies: [] });
  const same = JSON.stringify(earlier) === JSON.stringify(policy);
  // The primary is told anew how often, or nobody at all.
  const numbered = same ? rest : { ...rest, version: rest.version + 1 };
  const next: Protection = policy === undefined ? numbered : { ...numbered, policy };
  const serverId = state.hosts[vm.hostId]?.serverId;
  const unknown = serverId === undefined || config.racks[serverId] === undefined;
  if (policy?.apart === "rack" && unknown) {
    const reason = `The rack of ${serverId ?? vm.hostId} is not in the coordinator's configuration`;
    return fail(state, operationId, "STATE_CONFLICT", reason);
  }
  const detail = planOf(state, vm, next, atMs, config);
  if (dryRun) return [state, [succeed(operationId, detail)]];
  const wish =
    policy === undefined ? "It is not to be protected any more" : "It is to be protected";
  return [
    putProtection(state, next),
    [
      ...saved(before, next),
      { type: "note", vmId, causedBy: operationId, text: wish, detail },
      succeed(operationId, detail),
    ],
  ];
}

function planOf(
  state: State,
  vm: Vm,
  protection: Protection,
  atMs: number,
  config: Config,
): Detail {
  const { policy, copies } = protection;
  if (policy === undefined) return { removed: copies.map(({ hostId }) => hostId) };
  const kept = copies.filter((copy) => isCurrent(vm, copy)).map(({ hostId }) => hostId);
  const count = Math.max(0, policy.secondaries - kept.length);
  const chosen = choose({ state, vm, atMs, config }, protection, count);
  const secondaries = [...kept, ...chosen.hosts.map(({ hostId }) => hostId)];
  const detail = { secondaries, refusals: { ...chosen.refusals } };
  return chosen.lacking === undefined ? detail : { ...detail, lacking: chosen.lacking };
}

/** The newest word of a primary or a secondary takes the place of the one before. */
export function takeStatus(state: State, event: Of<"replica-status" | "protection-status">): Step {
  const { atMs, ...status } = event;
  const protection = state.protections[status.vmId];
  const vm = state.vms[status.vmId];
  if (protection === undefined || vm === undefined) return [state, []];
  const { hostId } = status;
  const told = { ...state.told, fresh: true };
  if (status.type === "protection-status") {
    if (hostId !== vm.hostId || status.term !== vm.term) return [state, []];
    return [putProtection({ ...state, told }, { ...protection, primary: { status, atMs } }), []];
  }
  const { stream } = status;
  const known = protection.copies.some((copy) => copy.hostId === hostId && copy.stream === stream);
  if (!known) return [state, []];
  const replicas = { ...protection.replicas, [stream]: { status, atMs } };
  return [putProtection({ ...state, told }, { ...protection, replicas }), []];
}
