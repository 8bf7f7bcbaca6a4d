/**
 * The first step of a migration: whether there may be one, and its saga on record.
 * @module
 */
import { advance, resultOf, save } from "./migrate.ts";
import {
  type Event,
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

/** Starts a saga, or tells why not; asked again, it tells what became of the first. */
export function migrate(state: State, event: Of<"migrate">): Step {
  const earlier = state.sagas[event.operationId];
  if (earlier !== undefined) {
    return [state, earlier.phase === "done" ? [resultOf(earlier, state)] : []];
  }
  const vm = state.vms[event.vmId];
  const why = vm === undefined ? "The VM is unknown" : whyNot(state, vm, event);
  if (vm === undefined || why !== undefined) {
    const { operationId, vmId, target } = event;
    const from = vm?.hostId ?? target;
    const term = vm?.term ?? 0;
    const refused = { operationId, vmId, reason: why ?? "", from, to: target, term };
    const message = { type: "migration-result", outcome: "failed", ...refused } as const;
    return [state, [{ type: "send-management", message }]];
  }
  const saga = sagaOf(
    {
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

function whyNot(state: State, vm: Vm, { vmId, target }: Of<"migrate">): string | undefined {
  const running = sagaFor(state, vmId);
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
