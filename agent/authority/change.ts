/**
 * One VM's step, from one state to the next: what every transition has in common.
 * @module
 */
import type { VmReport } from "../../protocol/authority.ts";
import type { ReplicaReport } from "../../protocol/replication.ts";
import {
  type Act,
  type DurableReplica,
  durableOf,
  type Effect,
  type RefusalCode,
  type State,
  type Step,
  type VmState,
} from "./state.ts";

/** Fields that change; `undefined` takes an optional field away. */
export type Patch = { readonly [Key in keyof VmState]?: VmState[Key] | undefined };

export function changed(vm: VmState, patch: Patch): VmState {
  const next: { [key: string]: unknown } = { ...vm, version: vm.version + 1 };
  for (const [key, value] of Object.entries(patch)) {
    if (value === undefined) delete next[key];
    else next[key] = value;
  }
  return next as unknown as VmState;
}

/** The state with `vm` in it, and the effects that go with that. */
export function put(state: State, vm: VmState, effects: readonly Effect[]): Step {
  return [{ ...state, vms: { ...state.vms, [vm.vmId]: vm } }, effects];
}

export function journal(act: Act, vm: VmState): Effect {
  return { type: "journal", record: { type: "vm", act, vm: durableOf(vm) } };
}

/** Nothing changes, but whoever asked learns how things stand. */
export function tell(state: State, vm: VmState): Step {
  return put(state, changed(vm, {}), [report(changed(vm, {}))]);
}

/** A command that has no effect, with the reason; the report tells how things stand. */
export function refuse(
  state: State,
  vm: VmState,
  command: Readonly<{ type: string; term: number }>,
  code: RefusalCode,
  reason: string,
): Step {
  const next = changed(vm, {});
  const { type, term } = command;
  return put(state, next, [
    { type: "refuse", vmId: vm.vmId, command: type, term, code, reason },
    report(next),
  ]);
}

/** A command of a term that another has taken the place of. */
export function refuseStale(
  state: State,
  vm: VmState,
  command: Readonly<{ type: string; term: number }>,
): Step {
  const reason = `Term ${command.term} is not above ${vm.termSeen}, which was heard of`;
  return refuse(state, vm, command, "TERM_STALE", reason);
}

export function report(vm: VmState): Effect {
  return { type: "report", report: reportOf(vm) };
}

/** A replica that this life has not looked at yet is told as what the journal says of it. */
function kept(vm: VmState, { stream, term, primary, sealed }: DurableReplica): ReplicaReport {
  const found = vm.found[stream] ?? { state: "opening", settled: 0 };
  return { stream, term, primary, sealed, ...found };
}

export function reportOf(vm: VmState): VmReport {
  const at = vm.stance;
  return {
    vmId: vm.vmId,
    version: vm.version,
    phase: at.phase,
    term: at.phase === "none" ? 0 : at.term,
    termSeen: vm.termSeen,
    refusedTerm: vm.refusedTerm,
    guest: vm.guest,
    verified: vm.verified,
    ...(vm.definition === undefined ? {} : { definition: vm.definition }),
    ...(vm.address === undefined ? {} : { address: vm.address }),
    ...(vm.outgoing === undefined ? {} : { outgoingTerm: vm.outgoing.toTerm }),
    ...(vm.reason === undefined ? {} : { reason: vm.reason.slice(0, 1_000) }),
    ...(at.phase === "incoming" ? { stream: at.stream, epoch: vm.completeEpoch } : {}),
    ...(at.phase === "active" ? { epoch: at.epoch } : {}),
    ...(vm.protect === undefined ? {} : { protectVersion: vm.protect.version }),
    ...(vm.replicas.length === 0 ? {} : { replicas: vm.replicas.map((one) => kept(vm, one)) }),
    ...(at.phase === "released"
      ? { stream: at.stream, toTerm: at.toTerm, releaseReason: at.reason, epoch: at.epoch }
      : {}),
  };
}
