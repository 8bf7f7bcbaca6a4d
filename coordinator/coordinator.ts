/**
 * The coordinator's decisions, as a pure state machine: which host runs which VM, by term.
 *
 * A record is durable before anything that follows from it is sent. After any event, everything
 * it can have made possible is settled: the VM's saga advances, or else its assignment.
 */
import type { VmReport } from "../protocol/authority.ts";
import type { HostId, VmId } from "../protocol/ids.ts";
import { settle, takeReport } from "./assignment.ts";
import { fencesKept } from "./automatic-fence.ts";
import { migrate, switchOver } from "./begin.ts";
import { advanceFailover, resultOf as resultOfFailover } from "./failover.ts";
import { failover, failoverIfOff } from "./failover-begin.ts";
import { type FailoverRecord, failoverOf } from "./failover-record.ts";
import * as fencing from "./fencing.ts";
import { advance, resultOf } from "./migrate.ts";
import { protectVm, takeStatus } from "./protect.ts";
import { type At, settleProtection } from "./protection.ts";
import { type FreshIds, type ProtectionRecord, protectionOf } from "./protection-record.ts";
import { protectionStates } from "./protection-state.ts";
import * as request from "./requests.ts";
import { standsAsBefore } from "./standing.ts";
import {
  type Config,
  type Effect,
  type Event,
  failoverFor,
  type Host,
  type HostRecord,
  hostOf,
  hostRecordOf,
  NO_NIC_LINKS,
  putSaga,
  type SagaRecord,
  type State,
  type Step,
  sagaFor,
  sagaOf,
  type VmRecord,
  vmOf,
} from "./state.ts";
import * as suspecting from "./suspecting.ts";
import { startSuspicion } from "./suspicion.ts";

type Of<Type extends Event["type"]> = Extract<Event, { type: Type }>;

/** What changes nothing that the fleet shows, or tells it by itself. */
const UNTOLD: ReadonlySet<Event["type"]> = new Set([
  "tick",
  "identify-host",
  "management-down",
  "nic-links",
  "fence",
  "power-answer",
  "observed",
  "replica-status",
  "protection-status",
]);

/** How often the fleet is sent because replicas got older, or fuller. */
const FLEET_MS = 1_000;

/** What else is durable, beside hosts, VMs and migrations. */
export interface Kept {
  readonly protections: readonly ProtectionRecord[];
  readonly failovers: readonly FailoverRecord[];
}

const NOTHING_KEPT: Kept = { protections: [], failovers: [] };

/** The state of a new life: what is durable, and nobody heard yet. */
export function start(
  hosts: readonly HostRecord[],
  vms: readonly VmRecord[],
  sagas: readonly SagaRecord[],
  atMs: number,
  { protections, failovers }: Kept = NOTHING_KEPT,
): State {
  return {
    hosts: Object.fromEntries(hosts.map((host) => [host.hostId, hostOf(host)])),
    vms: Object.fromEntries(vms.map((vm) => [vm.vmId, vmOf(vm)])),
    sagas: Object.fromEntries(sagas.map((saga) => [saga.sagaId, sagaOf(saga, atMs)])),
    pendingRuns: {},
    nicLinks: NO_NIC_LINKS,
    suspicion: startSuspicion(
      hosts.map(({ hostId }) => hostId),
      atMs,
    ),
    automaticFences: fencesKept(hosts, atMs),
    protections: Object.fromEntries(protections.map((one) => [one.vmId, protectionOf(one)])),
    failovers: Object.fromEntries(failovers.map((one) => [one.vmId, failoverOf(one, atMs)])),
    nowMs: atMs,
    told: { atMs: Number.NEGATIVE_INFINITY, states: "", fresh: false },
  };
}

export function step(state: State, event: Event, config: Config): Step {
  const before = { ...state, nowMs: event.atMs };
  const [taken, first] = take(before, event, config);
  const [settled, then] = settleAfter(taken, event, config);
  return tell(before, settled, event, [...first, ...then], config);
}

/** The fleet, if it has changed; what only grows older or fuller is not told at each word of it. */
function tell(
  before: State,
  state: State,
  event: Event,
  effects: readonly Effect[],
  config: Config,
): Step {
  const { told } = state;
  const { type, atMs } = event;
  const states = type === "tick" ? protectionStates(state, config) : told.states;
  const aged = told.fresh && atMs - told.atMs >= FLEET_MS;
  const due = type === "tick" && (states !== told.states || aged);
  const host = effects.some((effect) => effect.type === "save-host");
  const changed = state !== before && (!UNTOLD.has(type) || host);
  if (!due && !changed) return [state, effects];
  const next = { ...state, told: { atMs, states, fresh: false } };
  return [next, [...effects, request.fleetOf(next, config)]];
}

function take(state: State, event: Event, config: Config): Step {
  switch (event.type) {
    case "agent-up":
      return suspecting.heard(disconnected(state, event.hostId), event.hostId, event.atMs, config);
    case "agent-down":
      return [suspecting.lost(disconnected(state, event.hostId), event.hostId, event.atMs), []];
    case "inventory":
      return inventory(state, event);
    case "observed":
      return [suspecting.observed(state, event), []];
    case "vm-report":
      return vmReport(state, event);
    case "refusal":
      return refusal(state, event);
    case "frozen":
      return request.takeFrozen(state, event);
    case "migration-progress":
      return progress(state, event);
    case "management-up":
      return managementUp(fencing.forgetNicLinks(state));
    case "management-down":
      return [fencing.forgetNicLinks(state), []];
    case "nic-links":
      return fencing.nicLinks(state, event);
    case "fence":
      return fencing.fence(state, event, config);
    case "power-answer":
      return powerAnswer(state, event, config);
    case "identify-host":
      return request.identifyHost(state, event, config);
    case "migrate":
      return migrate(state, event);
    case "cancel-saga":
      return request.cancelSaga(state, event);
    case "cordon":
      return request.cordon(state, event);
    case "declare-off":
      return request.declareOff(state, event);
    case "run-vm":
      return request.runVm(state, event);
    case "end-vm":
      return request.endVm(state, event);
    case "protect-vm":
      return protectVm(state, event, config);
    case "failover":
      return failover(state, event, config);
    case "switch-over":
      return switchOver(state, event);
    case "replica-status":
    case "protection-status":
      return takeStatus(state, event);
    case "tick":
      return tick(state, event.atMs, config);
  }
}

/** A new link says nothing yet: what was reported over the last one may have changed since. */
function disconnected(state: State, hostId: HostId): State {
  const host = state.hosts[hostId];
  if (host === undefined) return state;
  return { ...state, hosts: { ...state.hosts, [hostId]: { ...host, connected: false } } };
}

/** The whole of an agent's authority; the host is new, or was away. */
function inventory(state: State, event: Of<"inventory">): Step {
  const { hostId, serverId, bootId, capacity, capabilities, address } = event;
  const known = state.hosts[hostId];
  const { automaticFences } = known ?? {};
  const host: Host = {
    hostId,
    serverId,
    cordoned: known?.cordoned ?? false,
    connected: true,
    heard: true,
    bootId,
    capacity,
    capabilities,
    reports: known?.reports ?? {},
    ...(address === undefined ? {} : { address }),
    ...(automaticFences === undefined ? {} : { automaticFences }),
  };
  // It speaks: whoever said that it was off is answered.
  const fresh = known?.serverId !== serverId || known.off !== undefined;
  const effects: Effect[] = fresh ? [{ type: "save-host", host: hostRecordOf(host) }] : [];
  let next: State = { ...owing(state), hosts: { ...state.hosts, [hostId]: host } };
  for (const report of event.vms) {
    const [after, asked] = takeReport(next, host, report);
    next = after;
    effects.push(...asked);
  }
  return [next, effects];
}

/** What a new link owes is sent at once, whenever the old one sent it last. */
function owing(state: State): State {
  const sagas = Object.values(state.sagas).map((saga) => [
    saga.sagaId,
    { ...saga, sentAtMs: Number.NEGATIVE_INFINITY },
  ]);
  return { ...state, sagas: Object.fromEntries(sagas) };
}

function vmReport(state: State, event: Of<"vm-report">): Step {
  const host = state.hosts[event.hostId];
  if (host === undefined || host.bootId !== event.bootId) return [state, []];
  const next = { ...host, capacity: event.capacity };
  const hosts = { ...state.hosts, [host.hostId]: next };
  return takeReport(
    touched({ ...state, hosts }, host, event.report, event.atMs),
    next,
    event.report,
  );
}

/** Something of a saga moved: its deadlines count from here. A refusal told again moves nothing. */
function touched(state: State, { hostId, reports }: Host, report: VmReport, atMs: number): State {
  const saga = sagaFor(state, report.vmId);
  if (saga === undefined || (hostId !== saga.source && hostId !== saga.target)) return state;
  if (standsAsBefore(reports[report.vmId], report)) return state;
  return putSaga(state, { ...saga, movedAtMs: atMs });
}

/** A command had no effect. The report that came with it moves things; this tells people why. */
function refusal(state: State, event: Of<"refusal">): Step {
  const text = `${event.hostId} refused ${event.command} of term ${event.term}: ${event.reason}`;
  const saga = sagaFor(state, event.vmId);
  const note: Effect = {
    type: "note",
    vmId: event.vmId,
    text,
    ...(saga === undefined ? {} : { causedBy: saga.sagaId }),
  };
  return [state, [note]];
}

function progress(state: State, event: Of<"migration-progress">): Step {
  const saga = sagaFor(state, event.vmId);
  const { atMs, hostId, ...message } = event;
  if (saga?.sagaId !== event.sagaId || saga.source !== hostId) return [state, []];
  const next = putSaga(state, { ...saga, movedAtMs: atMs });
  return [next, [{ type: "send-management", message }]];
}

/** Results may have been lost with the last link: they are said again. */
function managementUp(state: State): Step {
  const finished = Object.values(state.sagas).filter((saga) => saga.phase === "done");
  const results = finished.map((saga) => resultOf(saga, state));
  const failed = Object.values(state.failovers).flatMap((one) => {
    const vm = state.vms[one.vmId];
    return vm === undefined || one.phase !== "done" ? [] : resultOfFailover(one, vm);
  });
  return [{ ...state }, [...results, ...failed]];
}

/** It was asked by a fence, or by whom suspects its host. */
function powerAnswer(state: State, event: Of<"power-answer">, config: Config): Step {
  const [next, effects] = fencing.powerAnswer(state, event, config);
  return [suspecting.powerTold(next, event, config), effects];
}

function tick(state: State, atMs: number, config: Config): Step {
  const [looked, told] = suspecting.tickSuspecting(state, atMs, config);
  const [fenced, asked] = fencing.tickFencing(looked, atMs, config);
  const [kept, effects] = tidy(fenced, atMs, config);
  const news = told.some((effect) => effect.type === "note");
  const fleet = news ? [request.fleetOf(kept, config)] : [];
  return [kept, [...told, ...asked, ...effects, ...fleet]];
}

/** Gives up what was not answered, and forgets what is over for long. */
function tidy(state: State, atMs: number, config: Config): Step {
  const [next, expired] = request.expireRuns(state, atMs, config.prepareMs);
  const sagas = Object.values(next.sagas);
  const excess = sagas.length - config.sagasKept;
  if (excess <= 0) return [next, expired];
  const old = sagas.filter((saga) => saga.phase === "done").slice(0, excess);
  const kept = sagas.filter((saga) => !old.includes(saga));
  const fresh = Object.fromEntries(kept.map((saga) => [saga.sagaId, saga]));
  return [{ ...next, sagas: fresh }, expired];
}

/** Advances every saga and assignment that the event can have touched. */
function settleAfter(state: State, event: Event, config: Config): Step {
  const effects: Effect[] = [];
  const fresh = event.type === "tick" ? (event.fresh ?? []) : [];
  let used = 0;
  let next = state;
  for (const id of vmsTouched(state, event)) {
    for (const part of SETTLED) {
      const vm = next.vms[id];
      if (vm === undefined) break;
      const [after, asked] = part({ state: next, vm, atMs: event.atMs, config }, fresh[used]);
      if (copiesOf(after, id) > copiesOf(next, id)) used++;
      next = after;
      effects.push(...asked);
    }
  }
  return [next, effects];
}

/** One after the other: each is done only of a VM that those before it leave alone. */
const SETTLED: readonly ((now: At, fresh: FreshIds | undefined) => Step)[] = [
  ({ state, vm, atMs, config }) => {
    const saga = sagaFor(state, vm.vmId);
    return saga === undefined ? [state, []] : advance(state, saga, atMs, config);
  },
  ({ state, vm, atMs, config }) => {
    const current = failoverFor(state, vm.vmId);
    return current === undefined
      ? failoverIfOff(state, vm, atMs, config)
      : advanceFailover(state, current, atMs, config);
  },
  ({ state, vm, atMs, config }) => settle(state, vm, atMs, config),
  settleProtection,
];

function copiesOf(state: State, id: VmId): number {
  return state.protections[id]?.copies.length ?? 0;
}

function vmsTouched(state: State, event: Event): VmId[] {
  switch (event.type) {
    case "vm-report":
      return [event.report.vmId];
    case "protect-vm":
      return [event.vmId];
    case "refusal":
    case "migration-progress":
    case "identify-host":
    case "management-up":
    case "management-down":
    case "nic-links":
    case "fence":
    case "power-answer":
    case "observed":
    case "cordon":
    case "agent-up":
    case "agent-down":
    case "migrate":
    case "switch-over":
    case "failover":
    case "replica-status":
    case "protection-status":
      return [];
    case "tick":
    case "inventory":
    case "frozen":
    case "cancel-saga":
    case "declare-off":
    case "run-vm":
    case "end-vm":
      return Object.keys(state.vms) as VmId[];
  }
}
