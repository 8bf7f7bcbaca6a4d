/**
 * The first step of a migration: whether there may be one, and its saga on record.
 * @module
 */
import type { StreamId } from "../protocol/ids.ts";
import { advance, resultOf, save } from "./migrate.ts";
import { isCurrent, isWhole } from "./protection.ts";
import {
  type Event,
  failoverFor,
  putSaga,
  putVm,
  type State,
  type Step,
  sagaFor,
  sagaOf,
  type Vm,
  vmRecordOf,
} from "./state.ts";

type Of<Type extends Event["type"]> = Extract<Event, { type: Type }>;

/** Of a swap of roles: little is sent in its pause, or it would not be asked for. */
const SWITCH_LIMITS = { pauseMsMax: 5_000, roundsMax: 1 };

/** One move; over the stream of a replica that is there, or over a new one. */
type Move = Of<"migrate"> & { readonly replica?: boolean };

/** Roles are swapped with a secondary by one last epoch of its stream: nothing is lost. */
export function switchOver(state: State, event: Of<"switch-over">): Step {
  const { operationId, vmId, target, atMs } = event;
  const vm = state.vms[vmId];
  const copies = state.protections[vmId]?.copies ?? [];
  const copy = vm && copies.find((one) => one.hostId === target && isCurrent(vm, one));
  const known = state.sagas[operationId] !== undefined;
  if (vm === undefined || (!known && (copy === undefined || !isWhole({ state, vm }, copy)))) {
    const reason = `${target} has no replica of the VM that can be restored`;
    return refuse(state, { operationId, vmId, target }, vm, reason);
  }
  const { stream = NO_STREAM, token = "" } = copy ?? {};
  const ids = { operationId, vmId, target, stream, token, atMs };
  return migrate(state, { type: "migrate", ...ids, limits: SWITCH_LIMITS, replica: true });
}

/** Of a saga that is on record already, which has its own. */
const NO_STREAM = "0".repeat(32) as StreamId;

/** Starts a saga, or tells why not; asked again, it tells what became of the first. */
export function migrate(state: State, event: Move): Step {
  const earlier = state.sagas[event.operationId];
  if (earlier !== undefined) {
    return [state, earlier.phase === "done" ? [resultOf(earlier, state)] : []];
  }
  const vm = state.vms[event.vmId];
  const why = vm === undefined ? "The VM is unknown" : whyNot(state, vm, event);
  if (vm === undefined || why !== undefined) {
    return refuse(state, event, vm, why ?? "");
  }
  const saga = sagaOf(
    {
      ...(event.replica === true ? { replica: true } : {}),
      sagaId: event.operationId,
      vmId: vm.vmId,
      source: vm.hostId,
      target: event.target,
      term: vm.term,
      toTerm: vm.termMax + 1,
      stream: event.stream,
      token: event.token,
      limits: event.limits,
      phase: "preparing",
    },
    event.atMs,
  );
  const next = putVm(putSaga(state, saga), { ...vm, termMax: saga.toTerm });
  const [after, asked] = advance(next, saga, event.atMs, undefined);
  const saved = after.vms[vm.vmId] ?? vm;
  return [after, [{ type: "save-vm", vm: vmRecordOf(saved) }, save(saga), ...asked]];
}

function refuse(
  state: State,
  { operationId, vmId, target }: Pick<Of<"migrate">, "operationId" | "vmId" | "target">,
  vm: Vm | undefined,
  reason: string,
): Step {
  const from = vm?.hostId ?? target;
  const refused = { operationId, vmId, reason, from, to: target, term: vm?.term ?? 0 };
  const message = { type: "migration-result", outcome: "failed", ...refused } as const;
  return [state, [{ type: "send-management", message }]];
}

function whyNot(state: State, vm: Vm, { vmId, target }: Of<"migrate">): string | undefined {
  const running = sagaFor(state, vmId);
  if (failoverFor(state, vmId) !== undefined) return "A failover of the VM is under way";
  if (running !== undefined) return `The VM is being moved already, by ${running.sagaId}`;
  if (target === vm.hostId) return `The VM is on ${target} already`;
  const from = state.hosts[vm.hostId];
  const to = state.hosts[target];
  if (!from?.connected) return `The agent of ${vm.hostId} is not connected: it cannot move the VM`;
  if (to === undefined) return `Host ${target} is unknown`;
  if (!to.connected) return `The agent of ${target} is not connected`;
  if (to.cordoned) return `Host ${target} is cordoned`;
  const report = from.reports[vmId];
  if (report?.phase !== "active" || report.term !== vm.term || report.guest !== "running") {
    return `The VM does not run on ${vm.hostId}`;
  }
  return undefined;
}
