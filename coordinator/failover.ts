/**
 * One failover (docs/authority.md, section 6): a VM whose host is proven to run nothing comes up
 * from the newest of its replicas. The phases are drawn in failover-record.ts.
 *
 * Rule 1: its term is journalled before anybody hears of it; every replica that can be reached is
 *         sealed by it before one is chosen, and nobody else is granted it.
 * Rule 2: nothing is granted without a proof, and the proof goes with the grant.
 * Rule 3: while a host may hold a grant of this failover, no other is given: it has sealed a higher
 *         term, or says that the guest ended there, or is itself proven to be off.
 */
import type { VmReport } from "../protocol/authority.ts";
import type { HostId } from "../protocol/ids.ts";
import type { PromotionProof } from "../protocol/replication.ts";
import { leftovers } from "./assignment.ts";
import type { ChosenReplica, Failover, FailoverPhase } from "./failover-record.ts";
import { failoverRecordOf } from "./failover-record.ts";
import { candidates, lossOf, sealsOf } from "./replicas-sealed.ts";
import {
  type Config,
  type Effect,
  putFailover,
  putVm,
  reportFrom,
  type State,
  type Step,
  type Vm,
  vmRecordOf,
} from "./state.ts";

export interface Now {
  readonly state: State;
  readonly failover: Failover;
  readonly vm: Vm;
  readonly atMs: number;
  readonly config: Config;
}

/** What a failover does next, given the newest reports; also sends again what was not answered. */
export function advanceFailover(
  state: State,
  failover: Failover,
  atMs: number,
  config: Config,
): Step {
  const vm = state.vms[failover.vmId];
  if (vm === undefined) return [state, []];
  const now: Now = { state, failover, vm, atMs, config };
  switch (failover.phase) {
    case "sealing":
    case "held":
      return sealing(now);
    case "promoting":
      return promoting(now);
    case "verifying":
      return verifying(now);
    case "done":
      return [state, []];
  }
}

/** Why the VM's host runs nothing of it; undefined while nothing proves that. */
export function proofOf(
  state: State,
  vm: Vm,
  primary: HostId,
  automatic: boolean,
): PromotionProof | undefined {
  const host = state.hosts[primary];
  if (host?.off !== undefined) return { ...host.off, hostId: primary };
  // What ended under its agent's eyes is started again there, unless somebody wants otherwise.
  if (automatic || host?.connected !== true) return undefined;
  const report = host.reports[vm.vmId];
  const ended = report?.phase === "stopped" || report?.phase === "void";
  if (!ended || report.guest !== "absent" || report.termSeen < vm.term) return undefined;
  return { by: "agent", hostId: primary, phase: report.phase, term: report.term };
}

function sealing(now: Now): Step {
  const { state, failover, vm, atMs, config } = now;
  const { primary, automatic } = failover;
  const open = failover.granted.find((hostId) => mayRun(now, hostId));
  const seals = sealsOf(state, vm, failover);
  const due = atMs - failover.sentAtMs >= config.resendMs;
  const effects: Effect[] = due ? seals.open.map((hostId) => sealTo(failover, hostId)) : [];
  const sent = due ? { ...now, failover: { ...failover, sentAtMs: atMs } } : now;
  const waiting: Step = [putFailover(state, sent.failover), effects];
  const last = failover.chosen && state.hosts[failover.chosen.hostId];
  const up = last?.connected === true ? last.reports[vm.vmId] : undefined;
  // It took the grant of which nothing was heard for so long.
  if (isActive(up, vm.term) && vm.hostId === failover.chosen?.hostId) {
    return enter({ ...sent, failover: { ...sent.failover, term: vm.term } }, "promoting");
  }
  if (open !== undefined) {
    return held(sent, `${open} may run it by term ${vm.term}, and is silent: fence it`, effects);
  }
  const proof = proofOf(state, vm, primary, automatic);
  if (proof === undefined) return abandon(sent, `Nothing proves any more that ${primary} is off`);
  const forMs = atMs - failover.sinceMs;
  const late = failover.phase === "held" || forMs >= config.replicas.sealMs;
  const awaited = seals.away.length > 0 && forMs < config.replicas.sealAwayMs;
  if ((seals.open.length > 0 || awaited) && !late) return waiting;
  const unheard = [...seals.open, ...seals.away, ...seals.off].sort();
  const [newest] = candidates(state, vm, failover);
  const asked = { ...sent, failover: { ...sent.failover, unheard } };
  if (newest === undefined) {
    const back = state.hosts[primary]?.off === undefined;
    if (back) return abandon(asked, `Nothing can be promoted, and ${primary} is there`);
    return held(asked, whyNone(asked), effects);
  }
  const [promoted, then] = promote(asked, newest, proof);
  return [promoted, [...effects, ...then]];
}

function sealTo({ vmId, term, failoverId }: Failover, hostId: HostId): Effect {
  const message = { type: "seal-replica", vmId, term } as const;
  return { type: "send-agent", hostId, message, causedBy: failoverId };
}

/** A grant of this failover may be in force there, or still arrive. */
function mayRun({ state, failover }: Now, hostId: HostId): boolean {
  const host = state.hosts[hostId];
  if (host?.off !== undefined) return false;
  const report = host?.reports[failover.vmId];
  if (host?.connected !== true || report === undefined) return true;
  const runs = report.phase === "active" || report.phase === "incoming";
  return runs || report.termSeen < failover.term;
}

function whyNone({ failover }: Now): string {
  const { unheard, tried } = failover;
  const failed = tried.length === 0 ? "" : `${tried.length} replicas did not come up. `;
  const away =
    unheard.length === 0
      ? "no host has another replica: bring the old host back, or ask for the failover again"
      : `bring back ${unheard.join(", ")}, or the old host`;
  return `${failed}Nothing can be promoted: ${away}`.slice(0, 1_000);
}

/** Nothing more can be done for now: whoever asked is told, and people read why. */
function held(now: Now, reason: string, before: readonly Effect[]): Step {
  const { failover, vm, state } = now;
  if (failover.phase === "held" && failover.reason === reason) {
    return [putFailover(state, failover), before];
  }
  const next: Failover = { ...failover, phase: "held", reason };
  const waits = putVm(putFailover(state, next), { ...vm, held: reason });
  const told = [save(next), note(next, `${failover.phase} -> held: ${reason}`)];
  return [waits, [...before, ...told, ...resultOf({ ...next, outcome: "failed" }, vm)]];
}

/** Its host is heard again, and what ran there is known or will be: it keeps the VM. */
function abandon(now: Now, reason: string): Step {
  const { state, failover, vm } = now;
  const back: Vm = { ...vm, hostId: failover.primary, attempts: 0, retryAtMs: 0 };
  const { lost: _none, ...rest } = failover;
  const ran = failover.granted.join(", ");
  const told = ran === "" ? rest : { ...rest, lost: `What the guest may have done on ${ran}` };
  const returned = { ...now, failover: told, state: putVm(state, back) };
  const [next, effects] = finish(returned, "failed", reason);
  return [next, [{ type: "save-vm", vm: vmRecordOf(back) }, ...effects]];
}

/** Grant and proof are on record with what is lost, before the grant is sent. */
function promote(now: Now, chosen: ChosenReplica, proof: PromotionProof): Step {
  const { state, failover, vm } = now;
  const loss = lossOf(state, vm, failover, chosen);
  if (loss.stale && !failover.allowStale && !failover.automatic) {
    const would = `The newest replica is older than promised. Lost would be: ${loss.text}`;
    return abandon(now, would);
  }
  const { term } = failover;
  const granted: Vm = { ...vm, term, hostId: chosen.hostId, attempts: 0, retryAtMs: 0 };
  const hosts = [...new Set([...failover.granted, chosen.hostId])];
  const { reason: _earlier, ...fresh } = failover;
  const next: Failover = { ...fresh, chosen, proof, granted: hosts, lost: loss.text };
  const stale = loss.stale ? ", which is older than promised" : "";
  const detail = { chosen, proof, lost: loss.text, unheard: failover.unheard };
  const { hostId, point } = chosen;
  const text = `Promoting ${hostId} from cut ${point.cut} of term ${chosen.term}${stale}`;
  const [after, effects] = enter(
    { ...now, state: putVm(state, granted), failover: next },
    "promoting",
  );
  const told: Effect = { ...note(next, text), detail };
  return [after, [{ type: "save-vm", vm: vmRecordOf(granted) }, told, ...effects]];
}

function promoting(now: Now): Step {
  const { state, failover, vm, atMs, config } = now;
  const { chosen, term, proof } = failover;
  if (chosen === undefined || proof === undefined) return [state, []];
  const why = whyOver(now, chosen.hostId);
  if (why !== undefined) return again(now, why);
  const report = reportFrom(state, chosen.hostId, vm.vmId);
  if (isActive(report, term)) {
    if (report.guest === "running") return enter(now, "verifying");
    return [state, leftovers(state, vm)];
  }
  const host = state.hosts[chosen.hostId];
  if (host?.connected !== true || host.bootId === undefined) {
    const reason = `${chosen.hostId} was granted it by term ${term}, and is silent: fence it`;
    return [vm.held === reason ? state : putVm(state, { ...vm, held: reason }), []];
  }
  if (atMs - failover.sinceMs >= config.replicas.promoteMs) {
    return again(now, `${chosen.hostId} did not take its grant`);
  }
  if (atMs - failover.sentAtMs < config.resendMs) return [state, []];
  const { hostId, stream, point } = chosen;
  const message = {
    type: "grant",
    vmId: vm.vmId,
    term,
    hostId,
    bootId: host.bootId,
    start: "replica",
    definition: vm.definition,
    promotion: { stream, epoch: point.epoch, proof },
  } as const;
  return [
    putFailover(state, { ...failover, sentAtMs: atMs }),
    [{ type: "send-agent", hostId, message, causedBy: failover.failoverId }],
  ];
}

function isActive(
  report: VmReport | undefined,
  term: number,
): report is VmReport & { phase: "active" } {
  return report?.phase === "active" && report.term === term;
}

/** The chosen host cannot bring it up any more, by its own word or because it is off. */
function whyOver({ state, failover }: Now, hostId: HostId): string | undefined {
  const host = state.hosts[hostId];
  if (host?.off !== undefined) return `${hostId} is off`;
  const report = host?.reports[failover.vmId];
  if (report === undefined || isActive(report, failover.term)) return undefined;
  const ended = report.term === failover.term && report.phase !== "incoming";
  if (!ended && report.termSeen <= failover.term) return undefined;
  const why = report.reason === undefined ? "" : `: ${report.reason}`;
  return `On ${hostId} it is ${report.phase}${why}`;
}

/** The next best, under a higher term. */
function again(now: Now, why: string): Step {
  const { state, failover, vm } = now;
  const term = vm.termMax + 1;
  const tried = [...failover.tried, ...(failover.chosen ? [failover.chosen.stream] : [])];
  const next = { ...failover, term, tried, reason: why.slice(0, 1_000) };
  const higher: Vm = { ...vm, termMax: term };
  const [after, effects] = enter(
    { ...now, state: putVm(state, higher), vm: higher, failover: next },
    "sealing",
  );
  return [after, [{ type: "save-vm", vm: vmRecordOf(higher) }, ...effects]];
}

function verifying(now: Now): Step {
  const { state, failover, vm } = now;
  const { chosen, term } = failover;
  if (chosen === undefined) return [state, []];
  const { hostId } = chosen;
  if (state.hosts[hostId]?.off !== undefined) return again(now, `${hostId} is off`);
  const report = reportFrom(state, hostId, vm.vmId);
  if (isActive(report, term)) {
    // An old primary that is back is ended without delay.
    if (!report.verified) return [state, leftovers(state, vm)];
    return finish(now, "moved", `Promoted on ${hostId}`);
  }
  const over = whyOver(now, hostId);
  if (over === undefined) return [state, []];
  return finish(now, "moved", `Promoted, then: ${over}`);
}

/** A new phase is durable before what it does. */
function enter(now: Now, phase: FailoverPhase): Step {
  const { atMs, config } = now;
  const failover = { ...now.failover, phase, sinceMs: atMs, sentAtMs: Number.NEGATIVE_INFINITY };
  const why = failover.reason === undefined ? "" : `: ${failover.reason}`;
  const told = note(failover, `${now.failover.phase} -> ${phase}${why}`);
  const state = putFailover(now.state, failover);
  const [next, effects] = advanceFailover(state, failover, atMs, config);
  return [next, [save(failover), told, ...effects]];
}

function finish(now: Now, outcome: "moved" | "failed", reason: string): Step {
  const done: Failover = {
    ...now.failover,
    phase: "done",
    outcome,
    reason: reason.slice(0, 1_000),
  };
  const lost = done.lost === undefined ? "" : `; lost: ${done.lost}`;
  const vm = now.state.vms[done.vmId] ?? now.vm;
  const { held: _held, ...free } = vm;
  const told = note(done, `${now.failover.phase} -> done: ${outcome}, ${reason}${lost}`);
  return [putVm(putFailover(now.state, done), free), [save(done), told, ...resultOf(done, vm)]];
}

/** Whoever asked is told how it ended; nobody asked for an automatic one. */
export function resultOf(failover: Failover, vm: Vm): Effect[] {
  const { failoverId, automatic, primary, outcome = "failed", reason = "", lost } = failover;
  if (automatic) return [];
  const to = outcome === "moved" ? vm.hostId : primary;
  const detail = { outcome, reason, from: primary, to, term: vm.term };
  const message = {
    type: "operation-result",
    operationId: failoverId,
    ok: true,
    detail: lost === undefined ? detail : { ...detail, lost },
  } as const;
  return [{ type: "send-management", message }];
}

function note(failover: Failover, text: string): Extract<Effect, { type: "note" }> {
  const { vmId, failoverId: causedBy } = failover;
  return { type: "note", vmId, causedBy, text: text.slice(0, 1_000) };
}

export function save(failover: Failover): Effect {
  return { type: "save-failover", failover: failoverRecordOf(failover) };
}
