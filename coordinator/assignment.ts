/**
 * Which host runs which VM, outside of a migration (docs/authority.md, section 1).
 *
 * Rule 1: terms are compared with what agents report, and the maximum is taken.
 * Rule 2: a VM gets a new grant only when the host that last held it was heard in this life of
 *         the coordinator and says that it does not run it.
 * Rule 3: what is left of a VM on other hosts is ended only below the term in force.
 */
import type { VmReport } from "../protocol/authority.ts";
import type { VmId } from "../protocol/ids.ts";
import type { Message } from "../protocol/message.ts";
import { highestTerm } from "./standing.ts";
import {
  busy,
  type Config,
  type Effect,
  type Host,
  putVm,
  reportFrom,
  type State,
  type Step,
  type Vm,
  vmOf,
  vmRecordOf,
} from "./state.ts";

/** Takes one report: the highest term wins, and an older report is dropped. */
export function takeReport(state: State, host: Host, report: VmReport): Step {
  const known = state.hosts[host.hostId]?.reports[report.vmId];
  if (known !== undefined && report.version < known.version) return [state, []];
  const reports = { ...state.hosts[host.hostId]?.reports, [report.vmId]: report };
  const current = state.hosts[host.hostId] ?? host;
  const hosts = { ...state.hosts, [host.hostId]: { ...current, reports } };
  const next = { ...state, hosts };
  const vm = next.vms[report.vmId];
  return vm === undefined ? adopt(next, host, report) : compareTerms(next, host, vm, report);
}

/** The highest term of a VM that any agent spoke of in this life of the coordinator. */
export function termHeard(state: State, id: VmId): number {
  const reports = Object.values(state.hosts).map((host) => host.reports[id]);
  return Math.max(0, ...reports.map((report) => (report === undefined ? 0 : highestTerm(report))));
}

/**
 * A VM this coordinator has no record of, as after a restore of an old one: the agent has. What
 * does not run is not started: a host that was not heard yet may hold a higher term.
 */
function adopt(state: State, host: Host, report: VmReport): Step {
  const { definition, term, phase, vmId } = report;
  if (definition === undefined || !holdsTerm(report)) return [state, []];
  const termMax = termHeard(state, vmId);
  const desired = phase === "active" ? "running" : "stopped";
  const record = {
    vmId,
    definition,
    term,
    hostId: host.hostId,
    termMax,
    desired,
    ran: true,
  } as const;
  const text = `Adopted from ${host.hostId} at term ${term}`;
  return [
    putVm(state, vmOf(record)),
    [
      { type: "save-vm", vm: record },
      { type: "note", text, vmId },
    ],
  ];
}

function holdsTerm({ phase }: VmReport): boolean {
  return phase === "active" || phase === "stopped" || phase === "void";
}

/** A holder of a higher term than the record's shows that the record is an old one: see adopt. */
function compareTerms(state: State, host: Host, vm: Vm, report: VmReport): Step {
  const termMax = Math.max(vm.termMax, highestTerm(report));
  const running = report.phase === "active" && report.guest === "running";
  let next: Vm = { ...vm, termMax };
  if (holdsTerm(report) && report.term > vm.term && !busy(state, vm.vmId)) {
    const desired = report.phase === "active" ? "running" : "stopped";
    next = { ...next, term: report.term, hostId: host.hostId, desired };
  }
  if (running && host.hostId === next.hostId && report.term === next.term) {
    const { held: _held, ...rest } = next;
    next = { ...rest, ran: true, attempts: report.verified ? 0 : rest.attempts };
  }
  const durable = termMax !== vm.termMax || next.term !== vm.term || next.ran !== vm.ran;
  return [putVm(state, next), durable ? [{ type: "save-vm", vm: vmRecordOf(next) }] : []];
}

/** What is to be done about one VM that no saga is moving. */
export function settle(state: State, vm: Vm, atMs: number, config: Config): Step {
  if (busy(state, vm.vmId)) return [state, []];
  const [next, effects] = settleHolder(state, vm, atMs, config);
  return [next, [...effects, ...leftovers(next, next.vms[vm.vmId] ?? vm)]];
}

function settleHolder(state: State, vm: Vm, atMs: number, config: Config): Step {
  const holder = state.hosts[vm.hostId];
  if (holder?.off !== undefined) {
    return hold(state, vm, `${vm.hostId} is off, and no other host has a copy`);
  }
  if (!holder?.heard) return hold(state, vm, `Host ${vm.hostId} has not been heard of`);
  const report = holder.reports[vm.vmId];
  if (vm.desired === "stopped") return stop(state, vm, report, atMs, config);
  if (report?.phase === "active" && report.term === vm.term) return [state, []];
  if (report?.phase === "incoming") return hold(state, vm, `It is incoming on ${vm.hostId}`);
  if (report?.phase === "released" && !isBurntSince(state, report)) {
    return hold(state, vm, `${vm.hostId} gave it up to term ${report.toTerm ?? "?"}`);
  }
  const kept = report !== undefined && (holdsTerm(report) || report.phase === "released");
  if (report !== undefined && highestTerm(report) > vm.term && !kept) {
    return hold(state, vm, `${vm.hostId} gave it up to term ${highestTerm(report)}`);
  }
  return grantAgain(state, vm, report, atMs, config);
}

/** The move to that term ended without it: its target had burnt it when the source was off. */
function isBurntSince(state: State, { vmId, toTerm }: VmReport): boolean {
  return Object.values(state.sagas).some((saga) => {
    return saga.vmId === vmId && saga.toTerm === toTerm && saga.outcome === "failed";
  });
}

/** By the term under which it runs there: a later grant may have been lost on its way. */
function stop(
  state: State,
  vm: Vm,
  report: VmReport | undefined,
  atMs: number,
  config: Config,
): Step {
  const connected = state.hosts[vm.hostId]?.connected === true;
  if (report?.phase !== "active" || !connected || atMs < vm.retryAtMs) return [state, []];
  const message: Message = { type: "stop-vm", vmId: vm.vmId, term: report.term };
  const waiting = { ...vm, retryAtMs: atMs + config.resendMs };
  return [putVm(state, waiting), [{ type: "send-agent", hostId: vm.hostId, message }]];
}

/** The holder says that nothing runs: a new term, at growing intervals if it keeps dying. */
function grantAgain(
  state: State,
  vm: Vm,
  report: VmReport | undefined,
  atMs: number,
  config: Config,
): Step {
  const holder = state.hosts[vm.hostId];
  if (!holder?.connected || holder.bootId === undefined || atMs < vm.retryAtMs) return [state, []];
  if (vm.attempts >= config.restartsMax) {
    return hold(state, vm, `Started ${vm.attempts} times: ${report?.reason ?? "it does not run"}`);
  }
  const unanswered = report === undefined || report.termSeen < vm.term;
  const term = unanswered && vm.attempts > 0 ? vm.term : vm.termMax + 1;
  return grantTo(state, vm, term, atMs, config);
}

/** The host on record gets the VM under this term; asked of again only after a pause. */
export function grantTo(state: State, vm: Vm, term: number, atMs: number, config: Config): Step {
  const { bootId } = state.hosts[vm.hostId] ?? {};
  if (bootId === undefined) return [state, []];
  const next: Vm = {
    ...vm,
    term,
    termMax: Math.max(vm.termMax, term),
    attempts: vm.attempts + 1,
    retryAtMs: atMs + config.restartMs * 2 ** vm.attempts,
  };
  const message: Message = {
    type: "grant",
    vmId: vm.vmId,
    term,
    hostId: vm.hostId,
    bootId,
    start: vm.ran ? "again" : "first",
    definition: vm.definition,
  };
  return [
    putVm(state, next),
    [
      { type: "save-vm", vm: vmRecordOf(next) },
      { type: "send-agent", hostId: vm.hostId, message },
    ],
  ];
}

/** Copies of the VM elsewhere, below the term in force, once that is seen to run. */
export function leftovers(state: State, vm: Vm): Effect[] {
  const inForce = reportFrom(state, vm.hostId, vm.vmId);
  const runs = inForce?.phase === "active" && inForce.term === vm.term && inForce.verified;
  const effects: Effect[] = [];
  for (const host of Object.values(state.hosts)) {
    const report = host.reports[vm.vmId];
    if (report === undefined || host.hostId === vm.hostId || !host.connected) continue;
    const message = clear(vm, report, runs);
    if (message !== undefined) effects.push({ type: "send-agent", hostId: host.hostId, message });
  }
  return effects;
}

function clear(vm: Vm, report: VmReport, runs: boolean): Message | undefined {
  const { vmId } = vm;
  if (report.phase === "none" || report.phase === "burnt") return undefined;
  if (report.phase === "incoming") {
    const reason = "No migration of this VM is under way";
    return { type: "burn", vmId, term: report.term, reason };
  }
  const stale = report.phase === "active" && report.term < vm.term;
  // Above every term that the host may have heard of, or it would have to refuse.
  if (stale || (runs && report.term < vm.term)) return { type: "retire", vmId, term: vm.termMax };
  return undefined;
}

function hold(state: State, vm: Vm, reason: string): Step {
  return vm.held === reason ? [state, []] : [putVm(state, { ...vm, held: reason }), []];
}
