/**
 * What happens to a VM while it moves, and to its guest at any time (docs/authority.md, section 4).
 * @module
 */
import type { Released } from "../../protocol/authority.ts";
import { changed, journal, put, report, tell } from "./change.ts";
import { burnIncoming, refuseTerm, stopped } from "./commands.ts";
import { dropAll, endProtection } from "./replica.ts";
import type { Effect, Event, State, Step, VmState } from "./state.ts";

type Of<Type extends Event["type"]> = Extract<Event, { type: Type }>;

/** The marker is durable before the guest is stopped: whoever finds it continues the guest. */
export function cut(state: State, vm: VmState, event: Of<"cut">): Step {
  if (vm.outgoing === undefined && vm.protect === undefined) return [state, []];
  const next = changed(vm, { stoppedByAgent: true, chains: event.chains, cut: vm.cut + 1 });
  return put(state, next, [journal("CUT", next)]);
}

/** The guest goes on: whoever finds it paused after this did not pause it by a cut. */
export function cutOver(state: State, vm: VmState): Step {
  const [next, effects] = continued(vm);
  return put(state, next, effects);
}

function continued(vm: VmState): [vm: VmState, effects: Effect[]] {
  if (!vm.stoppedByAgent) return [changed(vm, {}), []];
  const next = changed(vm, { stoppedByAgent: false });
  return [next, [journal("CONTINUED", next)]];
}

/** Newest epoch a target could be promoted to, if the guest died now. */
export function epochAcked(state: State, vm: VmState, event: Of<"epoch-acked">): Step {
  if (vm.outgoing?.stream !== event.stream) return [state, []];
  return put(state, changed(vm, { completeEpoch: event.epoch }), []);
}

/** The point of no return: the target holds the last epoch and the guest here is stopped. */
export function lastAcked(state: State, vm: VmState, event: Of<"last-acked">): Step {
  if (vm.outgoing?.stream !== event.stream) return [state, []];
  return release(state, vm, "moved", event.epoch);
}

export function streamFailed(state: State, vm: VmState, event: Of<"stream-failed">): Step {
  if (vm.outgoing?.stream !== event.stream) return [state, []];
  return refuseTerm(state, vm, vm.outgoing.toTerm, event.reason);
}

/** Journals RELEASED, then tells the target and the coordinator. Never undone under this term. */
export function release(
  state: State,
  vm: VmState,
  reason: Released["reason"],
  epoch: number,
): Step {
  const { outgoing, stance: at, vmId } = vm;
  if (outgoing === undefined || at.phase !== "active") return tell(state, vm);
  const { toTerm, stream, target } = outgoing;
  const next = changed(vm, {
    stance: { phase: "released", term: at.term, toTerm, stream, target, reason, epoch },
    termSeen: toTerm,
    outgoing: undefined,
    protect: undefined,
    stoppedByAgent: false,
    guest: reason === "died" ? "absent" : "paused",
    verified: false,
    reason: reason === "died" ? "The guest died while it was being moved" : undefined,
  });
  const released: Released = {
    type: "released",
    vmId,
    term: at.term,
    toTerm,
    stream,
    reason,
    epoch,
  };
  return put(state, next, [
    journal("RELEASED", next),
    { type: "send-released", released },
    ...endProtection(vm),
    report(next),
  ]);
}

export function prepared(state: State, vm: VmState, event: Of<"prepared">): Step {
  if (vm.stance.phase !== "incoming" || vm.stance.stream !== event.stream) return [state, []];
  const { address, chains } = event;
  const next = changed(vm, { guest: "incoming", address, chains });
  return put(state, next, [journal("CHAINS", next), report(next)]);
}

/** An epoch read from a running guest is no restore point, and spoils the one before it. */
export function epochComplete(state: State, vm: VmState, event: Of<"epoch-complete">): Step {
  if (vm.stance.phase !== "incoming" || vm.stance.stream !== event.stream) return [state, []];
  const { vmId, stream, epoch, kind } = event;
  const lastComplete = kind === "last";
  const next = changed(vm, { completeEpoch: kind === "fuzzy" ? -1 : epoch, lastComplete });
  if (kind === "last") return put(state, next, [{ type: "load-epoch", vmId, stream, epoch }]);
  return put(state, next, [{ type: "send-ack", vmId, stream, epoch }]);
}

/** The guest's process holds the epoch, stopped: it is acknowledged, or it was waited for. */
export function epochLoaded(state: State, vm: VmState, event: Of<"epoch-loaded">): Step {
  if (vm.stance.phase !== "incoming" || vm.stance.stream !== event.stream) return [state, []];
  const { vmId, stream, epoch } = event;
  const next = changed(vm, { guest: "loaded", completeEpoch: epoch });
  if (next.awaitingLoad !== undefined) return activate(state, next);
  return put(state, next, [{ type: "send-ack", vmId, stream, epoch }]);
}

export function incomingFailed(state: State, vm: VmState, event: Of<"incoming-failed">): Step {
  if (vm.stance.phase !== "incoming" || vm.stance.stream !== event.stream) return [state, []];
  return burnIncoming(state, vm, event.reason);
}

/**
 * The source's RELEASED, from the source itself or by the coordinator. With the conditional
 * grant it makes this host the VM's; without an epoch to resume from the term is burnt, and
 * the coordinator may grant a higher one elsewhere.
 */
export function released(state: State, vm: VmState, event: Released): Step {
  const at = vm.stance;
  if (at.phase !== "incoming" || at.term !== event.toTerm || at.stream !== event.stream) {
    return tell(state, vm);
  }
  if (event.reason === "moved") {
    const whole = vm.guest === "loaded" && vm.completeEpoch === event.epoch;
    if (whole) return activate(state, vm);
    return burnIncoming(state, vm, `Released at epoch ${event.epoch}, which is not whole here`);
  }
  if (vm.guest === "loaded") return activate(state, vm);
  if (vm.completeEpoch < 0) {
    return burnIncoming(state, vm, "The source's guest died before an epoch was complete here");
  }
  if (vm.awaitingLoad !== undefined) return [state, []];
  const next = changed(vm, { awaitingLoad: event });
  const { vmId, completeEpoch: epoch } = next;
  if (vm.lastComplete) return put(state, next, []);
  return put(state, next, [{ type: "load-epoch", vmId, stream: at.stream, epoch }]);
}

function activate(state: State, vm: VmState): Step {
  if (vm.stance.phase !== "incoming") return tell(state, vm);
  const { term, stream } = vm.stance;
  const lost = vm.awaitingLoad !== undefined && !vm.lastComplete;
  const reason = lost
    ? `Resumed from epoch ${vm.completeEpoch}: what the guest did since is lost`
    : undefined;
  const next = changed(vm, {
    stance: { phase: "active", term, bootId: state.bootId, epoch: vm.completeEpoch },
    guest: "paused",
    stoppedByAgent: true,
    address: undefined,
    awaitingLoad: undefined,
    reason,
  });
  return put(state, next, [
    journal("ACTIVE", next),
    { type: "continue-guest", vmId: vm.vmId },
    { type: "send-active", vmId: vm.vmId, stream, term },
    report(next),
  ]);
}

export function guestRunning(state: State, vm: VmState): Step {
  if (vm.stance.phase !== "active") return [state, []];
  const [next, effects] = continued({ ...vm, guest: "running" });
  effects.push(report(next));
  if (!next.verified) effects.push({ type: "verify-guest", vmId: vm.vmId });
  if (next.protect !== undefined) effects.push({ type: "protect", vmId: vm.vmId });
  return put(state, next, effects);
}

export function guestVerified(state: State, vm: VmState): Step {
  if (vm.stance.phase !== "active" || vm.guest !== "running") return [state, []];
  const [next, dropped] = dropAll(changed(vm, { verified: true }));
  return put(state, next, [...dropped, report(next)]);
}

/** A guest that could not be started or continued: its process is ended, so nothing is unclear. */
export function guestFailed(state: State, vm: VmState, event: Of<"guest-failed">): Step {
  return guestDied(state, vm, event);
}

/**
 * The guest's process has ended, proven by the kernel. During a move that is a release: the
 * newest complete epoch is promoted; else the host keeps its term and waits for a grant.
 */
export function guestDied(state: State, vm: VmState, event: Readonly<{ reason: string }>): Step {
  switch (vm.stance.phase) {
    case "active":
      if (vm.outgoing !== undefined) return release(state, vm, "died", vm.completeEpoch);
      return stopped(state, vm, event.reason);
    case "incoming":
      return burnIncoming(state, vm, event.reason);
    case "none":
    case "released":
    case "burnt":
    case "void":
    case "stopped": {
      const next = changed(vm, { guest: "absent", reason: event.reason });
      return put(state, next, [report(next)]);
    }
  }
}
