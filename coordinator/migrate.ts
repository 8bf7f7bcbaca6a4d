/**
 * One migration as a saga (docs/authority.md, section 4), driven by what source and target have
 * journalled.
 *
 * Rule 1: a term is journalled here before anybody hears of it, and is never used twice.
 * Rule 2: nothing but reports moves a saga past its point of no return; a lost message is sent
 *         again, and a repeated one changes nothing.
 * Rule 3: the source gets the VM back only under a new term, and only once the target's term is
 *         burnt, or its guest is proven dead there before it was verified: by its agent, or by an
 *         operator's word or a fence's proof that the target's server is off.
 *
 * The phases are drawn in state.ts.
 */
import type { VmReport } from "../protocol/authority.ts";
import type { Message } from "../protocol/message.ts";
import { hasReleased, isBurnt, isIncoming, refusedBySource, wasActive } from "./standing.ts";
import {
  type Config,
  type Effect,
  putSaga,
  putVm,
  reportFrom,
  type Saga,
  type SagaPhase,
  type State,
  type Step,
  sagaRecordOf,
  type Vm,
  vmRecordOf,
} from "./state.ts";

/** What a saga does next, given the newest reports; also re-sends what was not answered. */
export function advance(state: State, saga: Saga, atMs: number, config: Config | undefined): Step {
  const source = reportFrom(state, saga.source, saga.vmId);
  const target = reportFrom(state, saga.target, saga.vmId);
  const now: Now = { state, saga, source, target, atMs, config };
  switch (saga.phase) {
    case "preparing":
      return preparing(now);
    case "moving":
      return moving(now);
    case "aborting":
      return aborting(now);
    case "verifying":
      return verifying(now);
    case "recovering":
      return recovering(now);
    case "retiring":
      return retiring(now);
    case "done":
      return [state, []];
  }
}

interface Now {
  readonly state: State;
  readonly saga: Saga;
  readonly source: VmReport | undefined;
  readonly target: VmReport | undefined;
  readonly atMs: number;
  /** Absent in the step that starts the saga: nothing is late yet. */
  readonly config: Config | undefined;
}

function preparing(now: Now): Step {
  const { state, saga, target, source } = now;
  const gone = sourceGone(now);
  if (gone !== undefined) return gone;
  if (refusedBySource(saga, source)) return abort(now, "The source cannot release the VM");
  if (isIncoming(saga, target) && target.address !== undefined) return enter(now, "moving");
  if (isBurnt(saga, target)) return abort(now, target.reason ?? "The target refused");
  if (late(now, now.config?.prepareMs)) return abort(now, "The target did not get ready in time");
  const definition = state.vms[saga.vmId]?.definition;
  if (definition === undefined) return abort(now, "The VM is unknown");
  return resend(now, saga.target, {
    type: "prepare",
    sagaId: saga.sagaId,
    vmId: saga.vmId,
    term: saga.toTerm,
    stream: saga.stream,
    source: saga.source,
    token: saga.token,
    definition,
    ...(saga.replica === true ? { replica: true } : {}),
  });
}

function moving(now: Now): Step {
  const { saga, source, target } = now;
  if (wasActive(saga, target)) return promoted(now);
  if (hasReleased(saga, source)) {
    if (isBurnt(saga, target)) return giveBack(now, source, target.reason ?? "burnt");
    const off = targetOff(now);
    if (off !== undefined) return giveBack(now, source, off);
    return resend(now, saga.target, {
      type: "released",
      vmId: saga.vmId,
      term: source.term,
      toTerm: saga.toTerm,
      stream: saga.stream,
      reason: source.releaseReason ?? "died",
      epoch: source.epoch ?? -1,
    });
  }
  const gone = sourceGone(now);
  if (gone !== undefined) return gone;
  if (refusedBySource(saga, source)) return abort(now, source?.reason ?? "The source refused");
  if (isBurnt(saga, target)) return abort(now, target.reason ?? "The target gave up");
  const stalled = now.atMs - saga.movedAtMs >= (now.config?.stallMs ?? Number.POSITIVE_INFINITY);
  if (stalled) return abort(now, "Nothing moved any more");
  if (source?.outgoingTerm === saga.toTerm || target?.address === undefined) {
    return [now.state, []];
  }
  return resend(now, saga.source, {
    type: "migrate-out",
    sagaId: saga.sagaId,
    vmId: saga.vmId,
    term: saga.term,
    toTerm: saga.toTerm,
    stream: saga.stream,
    target: saga.target,
    address: target.address,
    token: saga.token,
    limits: saga.limits,
    ...(saga.replica === true ? { replica: true } : {}),
  });
}

/**
 * The source is off, and may have released before: once the target has burnt its term, nothing of
 * this move can run any more, and a replica may be promoted. Undefined: nobody waits for that.
 */
function sourceGone(now: Now): Step | undefined {
  const { state, saga, target } = now;
  const { source, vmId, toTerm } = saga;
  const off = state.hosts[source]?.off;
  const { copies = [] } = state.protections[vmId] ?? {};
  if (off === undefined || copies.length === 0) return undefined;
  const reason = `${source} is off: ${off.reason}`.slice(0, 1_000);
  if (isBurnt(saga, target)) return finish(now, "failed", reason, []);
  return resend(now, saga.target, { type: "burn", vmId, term: toTerm, reason });
}

/** Until the source has refused, it may still have released: then there is no way back. */
function aborting(now: Now): Step {
  const { saga, source, target } = now;
  const reason = saga.reason ?? "Aborted";
  if (wasActive(saga, target)) return promoted({ ...now, saga: tooLate(saga) });
  if (hasReleased(saga, source)) return enter({ ...now, saga: tooLate(saga) }, "moving");
  if (refusedBySource(saga, source)) {
    const burn: Message = { type: "burn", vmId: saga.vmId, term: saga.toTerm, reason };
    const effects: Effect[] = isBurnt(saga, target) ? [] : [toAgent(saga, saga.target, burn)];
    return finish(now, saga.outcome ?? "failed", reason, effects);
  }
  const gone = sourceGone(now);
  if (gone !== undefined) return gone;
  const { vmId, term, toTerm } = saga;
  return resend(now, saga.source, { type: "cancel-migration", vmId, term, toTerm, reason });
}

/** It goes on to its end: whoever wanted it stopped reads why it was not. */
function tooLate(saga: Saga): Saga {
  const { outcome: _outcome, reason, ...rest } = saga;
  return { ...rest, reason: `Too late to stop it (${reason ?? "aborted"})`.slice(0, 1_000) };
}

function promoted(now: Now): Step {
  const { state, saga, target } = now;
  const vm = state.vms[saga.vmId];
  if (vm === undefined) return [state, []];
  const termMax = Math.max(vm.termMax, saga.toTerm);
  const moved: Vm = { ...vm, term: saga.toTerm, hostId: saga.target, termMax };
  // A target that lost nothing has nothing to say; whether the source's report came is no matter.
  const lost = target?.phase === "active" ? target.reason : undefined;
  const marked = lost === undefined ? saga : { ...saga, lost };
  const [next, effects] = enter({ ...now, saga: marked, state: putVm(state, moved) }, "verifying");
  return [next, [{ type: "save-vm", vm: vmRecordOf(moved) }, ...effects]];
}

function verifying(now: Now): Step {
  const { saga, source, target } = now;
  if (!wasActive(saga, target)) return [now.state, []];
  if (target.phase === "active" && target.verified) {
    return enter({ ...now, saga: { ...saga, outcome: "moved" } }, "retiring");
  }
  if (target.phase !== "active") return diedUnverified(now, source);
  const off = targetOff(now);
  const connected = now.state.hosts[saga.source]?.connected === true;
  const kept = connected && hasReleased(saga, source) && source.guest === "paused";
  return off !== undefined && kept ? giveBack(now, source, off) : [now.state, []];
}

/** Nothing of the target runs any more, by an operator's word or by proof; undefined without. */
function targetOff({ state, saga }: Now): string | undefined {
  const off = state.hosts[saga.target]?.off;
  return off === undefined ? undefined : `${saga.target} is off: ${off.reason}`;
}

/**
 * What the source kept goes first; one that stays away is not waited for for ever. It has
 * released, or the target had not become active: until it says so, its report is an old one.
 */
function diedUnverified(now: Now, source: VmReport | undefined): Step {
  const { saga, atMs, config, state } = now;
  const connected = state.hosts[saga.source]?.connected === true;
  if (connected && source?.phase === "active" && source.term < saga.toTerm) return [state, []];
  if (connected && hasReleased(saga, source) && source.guest === "paused") {
    return giveBack(now, source, `died on ${saga.target} before it was verified`);
  }
  const gone = atMs - saga.movedAtMs >= (config?.stallMs ?? Number.POSITIVE_INFINITY);
  if (!gone && (!connected || source === undefined)) return [state, []];
  const [next, effects] = leaveAtTarget(state, saga);
  return finish({ ...now, state: next }, "moved", `Moved, then died on ${saga.target}`, effects);
}

/** A life of the coordinator may have ended while it gave the VM back: nobody heard of that. */
function leaveAtTarget(state: State, saga: Saga): Step {
  const vm = state.vms[saga.vmId];
  if (vm === undefined || vm.hostId === saga.target) return [state, []];
  const left: Vm = { ...vm, term: saga.toTerm, hostId: saga.target };
  return [putVm(state, left), [{ type: "save-vm", vm: vmRecordOf(left) }]];
}

/** A higher term for the source, whose guest stands where it stopped; or else its disk. */
function giveBack(now: Now, source: VmReport, why: string): Step {
  const { state, saga } = now;
  const vm = state.vms[saga.vmId];
  if (vm === undefined) return [state, []];
  const returnTerm = Math.max(vm.termMax, saga.toTerm) + 1;
  const back: Vm = { ...vm, term: returnTerm, termMax: returnTerm, hostId: saga.source };
  const lost = lostBy(now, source);
  const returning: Saga = {
    ...saga,
    returnTerm,
    outcome: saga.outcome ?? "failed",
    reason: `The VM went back to ${saga.source}: ${why}`.slice(0, 1_000),
    ...(lost === undefined ? {} : { lost }),
  };
  const next = putVm(state, back);
  const [after, effects] = enter({ ...now, state: next, saga: returning }, "recovering");
  return [after, [{ type: "save-vm", vm: vmRecordOf(back) }, ...effects]];
}

/** A target that is off may have been active, and never have said so. */
function lostBy(now: Now, source: VmReport): string | undefined {
  const { saga } = now;
  if (source.guest !== "paused") return "The guest's memory: it was started again from its disk";
  if (saga.phase === "verifying") return `What the guest did on ${saga.target}`;
  return targetOff(now) === undefined
    ? undefined
    : `What the guest may have done on ${saga.target}`;
}

function recovering(now: Now): Step {
  const { state, saga, source } = now;
  const vm = state.vms[saga.vmId];
  const host = state.hosts[saga.source];
  if (vm === undefined || saga.returnTerm === undefined) return [state, []];
  if (source !== undefined && source.term >= saga.returnTerm && source.phase !== "released") {
    const burn: Effect[] = isBurnt(saga, now.target)
      ? []
      : [toAgent(saga, saga.target, { type: "retire", vmId: saga.vmId, term: saga.returnTerm })];
    return finish(now, saga.outcome ?? "failed", saga.reason ?? "The VM went back", burn);
  }
  if (!host?.connected || host.bootId === undefined) return [state, []];
  return resend(now, saga.source, {
    type: "grant",
    vmId: saga.vmId,
    term: saga.returnTerm,
    hostId: saga.source,
    bootId: host.bootId,
    start: "again",
    definition: vm.definition,
  });
}

function retiring(now: Now): Step {
  const { saga, source } = now;
  const done = source?.phase === "none" || (source?.term ?? 0) > saga.toTerm;
  if (done || late(now, now.config?.retireMs)) {
    return finish(now, "moved", saga.reason ?? "Moved", []);
  }
  return resend(now, saga.source, { type: "retire", vmId: saga.vmId, term: saga.toTerm });
}

/** Aborts by an operator or by a plan: what cannot be undone any more goes on. */
export function cancel(state: State, saga: Saga, reason: string, atMs: number): Step {
  if (saga.phase !== "preparing" && saga.phase !== "moving") return [state, []];
  const cancelled: Saga = { ...saga, outcome: "cancelled" };
  const now = { state, saga: cancelled, atMs, config: undefined };
  const source = reportFrom(state, saga.source, saga.vmId);
  const target = reportFrom(state, saga.target, saga.vmId);
  return abort({ ...now, source, target }, reason);
}

function abort(now: Now, reason: string): Step {
  return enter({ ...now, saga: { ...now.saga, reason: reason.slice(0, 1_000) } }, "aborting");
}

/** A new phase is durable before what it does; then it may have everything it waits for. */
function enter(now: Now, phase: SagaPhase): Step {
  const { atMs } = now;
  const saga: Saga = {
    ...now.saga,
    phase,
    sinceMs: atMs,
    movedAtMs: atMs,
    sentAtMs: Number.NEGATIVE_INFINITY,
  };
  const note: Effect = {
    type: "note",
    vmId: saga.vmId,
    causedBy: saga.sagaId,
    text: `${now.saga.phase} -> ${phase}${saga.reason === undefined ? "" : `: ${saga.reason}`}`,
  };
  const [next, effects] = advance(putSaga(now.state, saga), saga, atMs, now.config);
  return [next, [save(saga), note, ...effects]];
}

function finish(
  now: Now,
  outcome: NonNullable<Saga["outcome"]>,
  reason: string,
  before: readonly Effect[],
): Step {
  const done: Saga = { ...now.saga, phase: "done", outcome, reason };
  const next = putSaga(now.state, done);
  const note: Effect = {
    type: "note",
    vmId: done.vmId,
    causedBy: done.sagaId,
    text: `${now.saga.phase} -> done: ${outcome}, ${reason}`,
  };
  return [next, [...before, save(done), note, resultOf(done, next)]];
}

/** Sends again what its receiver has not acted upon for a while. */
function resend(now: Now, to: Saga["source"], message: Message): Step {
  const { state, saga, atMs, config } = now;
  const due = atMs - saga.sentAtMs >= (config?.resendMs ?? 0);
  if (!due || !state.hosts[to]?.connected) return [state, []];
  return [putSaga(state, { ...saga, sentAtMs: atMs }), [toAgent(saga, to, message)]];
}

function toAgent(saga: Saga, hostId: Saga["source"], message: Message): Effect {
  return { type: "send-agent", hostId, message, causedBy: saga.sagaId };
}

export function resultOf(saga: Saga, state: State): Effect {
  const { sagaId, vmId, outcome = "failed", reason = "", source, target, lost } = saga;
  const term = state.vms[vmId]?.term ?? saga.term;
  const result = { operationId: sagaId, vmId, outcome, reason, from: source, to: target, term };
  return {
    type: "send-management",
    message: { type: "migration-result", ...result, ...(lost === undefined ? {} : { lost }) },
  };
}

function late({ atMs, saga }: Now, limitMs: number | undefined): boolean {
  return limitMs !== undefined && atMs - saga.sinceMs >= limitMs;
}

export function save(saga: Saga): Effect {
  return { type: "save-saga", saga: sagaRecordOf(saga) };
}
