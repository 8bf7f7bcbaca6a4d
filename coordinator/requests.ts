/**
 * What the management server asks of the coordinator.
 * @module
 */
import type { Detail, HostSummary, VmSummary } from "../protocol/evacuation.ts";
import type { OperationId } from "../protocol/ids.ts";
import { termHeard } from "./assignment.ts";
import { cancel } from "./migrate.ts";
import { protectionSummaryOf } from "./protection-state.ts";
import {
  type Config,
  type Effect,
  type Event,
  failoverFor,
  type Host,
  hostRecordOf,
  type PendingRun,
  putVm,
  reportFrom,
  type State,
  type Step,
  sagaFor,
  type Vm,
  vmOf,
  vmRecordOf,
} from "./state.ts";
import { suspicionOf } from "./suspecting.ts";

type Of<Type extends Event["type"]> = Extract<Event, { type: Type }>;

/** P1: which VMs the host runs, by this record. */
export function identifyHost(
  state: State,
  { operationId, hostId }: Of<"identify-host">,
  config: Config,
): Step {
  const vms = Object.values(state.vms)
    .filter((vm) => vm.hostId === hostId)
    .map((vm) => summaryOf(state, vm, config));
  const known = state.hosts[hostId] !== undefined;
  return answer(state, { type: "host-vms", operationId, hostId, known, vms });
}

export function cordon(state: State, event: Of<"cordon">): Step {
  const host = state.hosts[event.hostId];
  if (host === undefined) {
    return fail(state, event.operationId, "HOST_UNKNOWN", `Host ${event.hostId} is unknown`);
  }
  const next = { ...host, cordoned: event.cordoned };
  return [
    { ...state, hosts: { ...state.hosts, [host.hostId]: next } },
    [{ type: "save-host", host: hostRecordOf(next) }, done(event.operationId)],
  ];
}

/**
 * Accepted only of a host whose agent is away: one that speaks is not off. What waited for that
 * host is settled by the same step.
 */
export function declareOff(state: State, event: Of<"declare-off">): Step {
  const { operationId, hostId, serverId, reason } = event;
  const host = state.hosts[hostId];
  if (host === undefined) {
    return fail(state, operationId, "HOST_UNKNOWN", `Host ${hostId} is unknown`);
  }
  if (host.serverId !== serverId) {
    const other = `${hostId} is on server ${host.serverId}, not ${serverId}`;
    return fail(state, operationId, "STATE_CONFLICT", other);
  }
  if (host.connected) {
    const speaks = `The agent of ${hostId} is connected: its server is not off`;
    return fail(state, operationId, "STATE_CONFLICT", speaks);
  }
  const next: Host = { ...host, off: { by: "operator", reason } };
  const text = `An operator says that server ${serverId} of ${hostId} is off: ${reason}`;
  return [
    { ...state, hosts: { ...state.hosts, [hostId]: next } },
    [
      { type: "save-host", host: hostRecordOf(next) },
      { type: "note", text, causedBy: operationId },
      done(operationId),
    ],
  ];
}

export function cancelSaga(state: State, event: Of<"cancel-saga">): Step {
  const saga = state.sagas[event.operationId];
  if (saga === undefined) return [state, []];
  return cancel(state, saga, event.reason, event.atMs);
}

/** A known VM is started again where its disks are; a new one is frozen by its host first. */
export function runVm(state: State, event: Of<"run-vm">): Step {
  const { operationId, hostId, definition } = event;
  const host = state.hosts[hostId];
  if (!host?.connected) {
    const code = host === undefined ? "HOST_UNKNOWN" : "UNREACHABLE";
    return fail(state, operationId, code, `The agent of ${hostId} is not connected`);
  }
  if (host.cordoned) return fail(state, operationId, "STATE_CONFLICT", `${hostId} is cordoned`);
  const vm = state.vms[definition.id];
  if (vm !== undefined) return runAgain(state, vm, event);
  const pending = { hostId, vmId: definition.id, atMs: event.atMs };
  return [
    { ...state, pendingRuns: { ...state.pendingRuns, [operationId]: pending } },
    [
      {
        type: "send-agent",
        hostId,
        message: { type: "freeze", operationId, definition },
        causedBy: operationId,
      },
    ],
  ];
}

function runAgain(state: State, vm: Vm, event: Of<"run-vm">): Step {
  if (vm.hostId !== event.hostId) {
    const reason = `The VM's disks are on ${vm.hostId}: run it there, or evacuate it`;
    return fail(state, event.operationId, "STATE_CONFLICT", reason);
  }
  const { held: _held, ...rest } = vm;
  const next: Vm = { ...rest, desired: "running", attempts: 0, retryAtMs: 0 };
  return [putVm(state, next), [{ type: "save-vm", vm: vmRecordOf(next) }, done(event.operationId)]];
}

/** The host knows exactly what the definition is there: the VM exists from now on. */
export function takeFrozen(state: State, event: Of<"frozen">): Step {
  const { operationId, definition } = event;
  const { [operationId]: pending, ...pendingRuns } = state.pendingRuns;
  if (pending === undefined || pending.hostId !== event.hostId) return [state, []];
  const next = { ...state, pendingRuns };
  if (definition === undefined || definition.id !== pending.vmId) {
    const { code = "DEFINITION_INVALID", reason = "The host refused the definition" } = event;
    return fail(next, operationId, code, reason);
  }
  const { vmId, hostId } = pending;
  const vm = state.vms[vmId];
  if (vm !== undefined) {
    const reason = `The VM was created on ${vm.hostId} meanwhile`;
    return fail(next, operationId, "STATE_CONFLICT", reason);
  }
  const heard = termHeard(state, vmId);
  const record = {
    vmId,
    definition,
    term: heard,
    termMax: heard,
    hostId,
    desired: "running",
    ran: false,
  } as const;
  return [putVm(next, vmOf(record)), [{ type: "save-vm", vm: record }, done(operationId)]];
}

/** Definitions that no host has answered are given up, so that nobody waits for them. */
export function expireRuns(state: State, atMs: number, limitMs: number): Step {
  const late = Object.entries(state.pendingRuns).filter(([, run]) => atMs - run.atMs >= limitMs);
  if (late.length === 0) return [state, []];
  const pendingRuns = { ...state.pendingRuns };
  const effects: Effect[] = [];
  for (const [id, run] of late as [OperationId, PendingRun][]) {
    delete pendingRuns[id];
    const reason = `The agent of ${run.hostId} did not answer`;
    effects.push(...fail(state, id, "TIMED_OUT", reason)[1]);
  }
  return [{ ...state, pendingRuns }, effects];
}

export function endVm(state: State, { operationId, vmId }: Of<"end-vm">): Step {
  const vm = state.vms[vmId];
  if (vm === undefined) return fail(state, operationId, "GUEST_NOT_FOUND", "The VM is unknown");
  if (sagaFor(state, vmId) !== undefined) {
    return fail(state, operationId, "STATE_CONFLICT", "The VM is being moved; cancel that first");
  }
  const failover = failoverFor(state, vmId);
  if (failover !== undefined && failover.phase !== "held") {
    return fail(state, operationId, "STATE_CONFLICT", "A failover of the VM is under way");
  }
  const { held: _held, ...rest } = vm;
  const next: Vm = { ...rest, desired: "stopped", retryAtMs: 0 };
  return [putVm(state, next), [{ type: "save-vm", vm: vmRecordOf(next) }, done(operationId)]];
}

/** Hosts and VMs as they are now, for people and for plans. */
export function fleetOf(state: State, config: Config): Effect {
  const hosts: HostSummary[] = Object.values(state.hosts).map((host) => ({
    hostId: host.hostId,
    serverId: host.serverId,
    connected: host.connected,
    heard: host.heard,
    cordoned: host.cordoned,
    ...(host.off === undefined ? {} : { off: host.off }),
    ...suspicionOf(state, host.hostId, config),
    ...(host.capacity === undefined ? {} : { capacity: host.capacity }),
    ...(host.capabilities === undefined ? {} : { capabilities: host.capabilities }),
  }));
  const vms = Object.values(state.vms).map((vm) => summaryOf(state, vm, config));
  return { type: "send-management", message: { type: "fleet", hosts, vms } };
}

function summaryOf(state: State, vm: Vm, config: Config): VmSummary {
  const report = reportFrom(state, vm.hostId, vm.vmId);
  const sagaId = sagaFor(state, vm.vmId)?.sagaId ?? failoverFor(state, vm.vmId)?.failoverId;
  const runs = report?.phase === "active" && report.guest === "running";
  return {
    vmId: vm.vmId,
    name: vm.definition.name,
    memoryBytes: vm.definition.memoryBytes,
    hostId: vm.hostId,
    term: vm.term,
    phase: report?.phase ?? "none",
    guest: report?.guest ?? "absent",
    ...(sagaId === undefined ? {} : { sagaId }),
    ...(vm.held === undefined || runs ? {} : { held: vm.held }),
    definition: vm.definition,
    ...protectionSummaryOf(state, vm, config),
  };
}

/** Done, with what there is to say about it. */
export function succeed(operationId: OperationId, detail: Detail): Effect {
  const message = { type: "operation-result", operationId, ok: true, detail } as const;
  return { type: "send-management", message };
}

function done(operationId: OperationId): Effect {
  const message = { type: "operation-result", operationId, ok: true } as const;
  return { type: "send-management", message };
}

export function fail(state: State, operationId: OperationId, code: string, reason: string): Step {
  return answer(state, { type: "operation-result", operationId, ok: false, code, reason });
}

function answer(
  state: State,
  message: Extract<Effect, { type: "send-management" }>["message"],
): Step {
  return [state, [{ type: "send-management", message }]];
}
