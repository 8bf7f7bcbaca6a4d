/**
 * What the coordinator may ask of a host, and when it is refused (docs/authority.md, sections 1
 * and 4). Every command may come twice, late or never: each is answered by the report of what
 * stands.
 * @module
 */
import type {
  Burn,
  CancelMigration,
  Grant,
  MigrateOut,
  Prepare,
  Retire,
  StopVm,
} from "../../protocol/authority.ts";
import { changed, journal, put, refuse, refuseStale, report, tell } from "./change.ts";
import { endProtection, holds, whyNotPromoted } from "./replica.ts";
import type { Effect, State, Step, VmState } from "./state.ts";

/** A guest runs only under a grant for this VM, this host and this boot. */
export function grant(state: State, vm: VmState, command: Grant): Step {
  if (command.hostId !== state.hostId) {
    return refuse(state, vm, command, "HOST_UNKNOWN", `Grant is for ${command.hostId}`);
  }
  if (command.bootId !== state.bootId) {
    return refuse(state, vm, command, "TERM_STALE", "Grant is for another boot of this host");
  }
  const at = vm.stance;
  if (at.phase === "active" && at.term === command.term) return tell(state, vm);
  // A seal has made its term known; the grant from a sealed replica is of that very term.
  const sealed = command.start === "replica" && command.term === vm.termSeen;
  const used = at.phase !== "none" && at.term >= command.term;
  if (command.term <= vm.termSeen && (!sealed || used)) return refuseStale(state, vm, command);
  if (at.phase === "incoming") {
    return refuse(state, vm, command, "STATE_CONFLICT", `Term ${at.term} is incoming here`);
  }
  if (command.start === "replica") return promote(state, vm, command);
  if (vm.outgoing !== undefined) {
    return refuse(state, vm, command, "STATE_CONFLICT", "The VM is being moved out");
  }
  if (at.phase !== "active" && command.start === "again" && vm.chains === undefined) {
    const none = command.definition.disks.length === 0;
    const reason = "No disk of this VM is recorded on this host";
    if (!none) return refuse(state, vm, command, "STATE_CONFLICT", reason);
  }
  const kept = vm.guest === "running" || vm.guest === "paused";
  const next = changed(vm, {
    stance: { phase: "active", term: command.term, bootId: state.bootId, epoch: -1 },
    termSeen: command.term,
    definition: command.definition,
    // A cut for secondaries may have stopped it a moment ago.
    stoppedByAgent: vm.stoppedByAgent || vm.guest !== "running",
    guest: kept ? vm.guest : "starting",
    verified: false,
    reason: kept ? "Continued under a new grant" : "Started under a new grant",
  });
  const effects: Effect[] = [journal("GRANTED", next)];
  if (!kept) {
    effects.push({
      type: "start-guest",
      vmId: vm.vmId,
      term: command.term,
      definition: command.definition,
      ...(vm.chains === undefined ? {} : { chains: vm.chains }),
    });
  } else if (vm.guest === "paused") effects.push({ type: "continue-guest", vmId: vm.vmId });
  else effects.push({ type: "verify-guest", vmId: vm.vmId });
  effects.push(report(next));
  return put(state, next, effects);
}

/** The guest is made from a replica; it runs here once that was done, and nothing ran elsewhere. */
function promote(state: State, vm: VmState, command: Grant): Step {
  const { promotion, term, definition } = command;
  const why = vm.stance.phase === "active" ? "The VM is active here" : whyNotPromoted(vm, command);
  if (why !== undefined || promotion === undefined) {
    return refuse(state, vm, command, "STATE_CONFLICT", why ?? "");
  }
  const next = changed(vm, {
    stance: { phase: "active", term, bootId: state.bootId, epoch: promotion.epoch },
    termSeen: term,
    definition,
    stoppedByAgent: true,
    guest: "starting",
    verified: false,
    chains: undefined,
    reason: `Resumed from epoch ${promotion.epoch} of its replica: what came after it is lost`,
  });
  return put(state, next, [
    journal("GRANTED", next),
    { type: "restore-guest", vmId: vm.vmId, term, definition, promotion },
    report(next),
  ]);
}

/** A conditional grant: everything is made ready, nothing may run before the source's RELEASED. */
export function prepare(state: State, vm: VmState, command: Prepare): Step {
  const at = vm.stance;
  if (at.phase === "incoming" && at.term === command.term && at.stream === command.stream) {
    return tell(state, vm);
  }
  if (command.term <= vm.termSeen) return refuseStale(state, vm, command);
  if (at.phase !== "none" && at.phase !== "burnt") {
    const reason = `The VM is ${at.phase} here, under term ${at.term}`;
    return refuse(state, vm, command, "STATE_CONFLICT", reason);
  }
  if (command.replica === true && !holds(vm, command.stream)) {
    return refuse(state, vm, command, "STATE_CONFLICT", "No replica of this stream is kept here");
  }
  const next = changed(vm, {
    stance: {
      phase: "incoming",
      term: command.term,
      bootId: state.bootId,
      stream: command.stream,
      sagaId: command.sagaId,
      source: command.source,
    },
    termSeen: command.term,
    definition: command.definition,
    guest: "starting",
    verified: false,
    completeEpoch: -1,
    lastComplete: false,
    address: undefined,
    chains: undefined,
    reason: undefined,
  });
  return put(state, next, [journal("INCOMING", next), { type: "receive", prepare: command }]);
}

export function migrateOut(state: State, vm: VmState, command: MigrateOut): Step {
  const at = vm.stance;
  if (vm.outgoing?.stream === command.stream || command.toTerm <= vm.refusedTerm) {
    return tell(state, vm);
  }
  if (command.term < vm.termSeen) return refuseStale(state, vm, command);
  if (at.phase !== "active" || at.term !== command.term) return tell(state, vm);
  if (vm.outgoing !== undefined) {
    return refuse(state, vm, command, "STATE_CONFLICT", "Another move of this VM is under way");
  }
  if (vm.guest !== "running") {
    return refuse(state, vm, command, "STATE_CONFLICT", `The guest is ${vm.guest}`);
  }
  const { sagaId, toTerm, stream, target } = command;
  const next = changed(vm, {
    outgoing: { sagaId, toTerm, stream, target },
    // What arrived here once is no epoch of this stream.
    completeEpoch: -1,
    lastComplete: false,
    reason: undefined,
  });
  return put(state, next, [
    journal("OUTGOING", next),
    { type: "stream", migrateOut: command },
    report(next),
  ]);
}

/** REFUSED is exactly one of two: a term once released is not refused, and the other way round. */
export function cancelMigration(state: State, vm: VmState, command: CancelMigration): Step {
  const at = vm.stance;
  if (command.toTerm <= vm.refusedTerm) return tell(state, vm);
  if (at.phase !== "active" || at.term !== command.term) return tell(state, vm);
  if (vm.outgoing !== undefined && vm.outgoing.toTerm !== command.toTerm) return tell(state, vm);
  return refuseTerm(state, vm, command.toTerm, command.reason);
}

/** Journals REFUSED: the stream ends and the guest goes on here. */
export function refuseTerm(state: State, vm: VmState, toTerm: number, reason: string): Step {
  const stream = vm.outgoing?.stream;
  const next = changed(vm, {
    refusedTerm: Math.max(vm.refusedTerm, toTerm),
    outgoing: undefined,
    reason,
  });
  const effects: Effect[] = [journal("REFUSED", next)];
  if (stream !== undefined) {
    effects.push({ type: "end-stream", vmId: vm.vmId, stream, reason });
    effects.push({ type: "continue-guest", vmId: vm.vmId });
  }
  effects.push(report(next));
  return put(state, next, effects);
}

/** The term will never be used here, and a late conditional grant of it is refused too. */
export function burn(state: State, vm: VmState, command: Burn): Step {
  const at = vm.stance;
  if (at.phase === "incoming" && at.term === command.term) {
    return burnIncoming(state, vm, command.reason);
  }
  if (command.term <= vm.termSeen) return tell(state, vm);
  if (at.phase === "incoming" || at.phase === "active") return tell(state, vm);
  const burnt = at.phase === "none" || at.phase === "burnt";
  const next = changed(vm, {
    termSeen: command.term,
    ...(burnt ? { stance: { phase: "burnt", term: command.term } } : {}),
    reason: command.reason,
  });
  return put(state, next, [journal(burnt ? "BURNT" : "HEARD", next), report(next)]);
}

/** Journals BURNT, and removes what was received: it must never be started from. */
export function burnIncoming(state: State, vm: VmState, reason: string): Step {
  if (vm.stance.phase !== "incoming") return tell(state, vm);
  const { term, stream } = vm.stance;
  const next = changed(vm, {
    stance: { phase: "burnt", term },
    guest: "absent",
    address: undefined,
    awaitingLoad: undefined,
    completeEpoch: -1,
    lastComplete: false,
    chains: undefined,
    reason,
  });
  return put(state, next, [
    journal("BURNT", next),
    { type: "end-receive", vmId: vm.vmId, stream, reason },
    { type: "end-guest", vmId: vm.vmId },
    sweep(vm, false),
    report(next),
  ]);
}

/** Authority is elsewhere, at this term or above: what is kept here ends. */
export function retire(state: State, vm: VmState, command: Retire): Step {
  if (command.term < vm.termSeen) return refuseStale(state, vm, command);
  const at = vm.stance;
  if (at.phase === "none") {
    if (command.term <= vm.termSeen) return tell(state, vm);
    const heard = changed(vm, { termSeen: command.term });
    return put(state, heard, [journal("HEARD", heard), report(heard)]);
  }
  if (at.term >= command.term || at.phase === "incoming") return tell(state, vm);
  // A guest that still believes in an old term has diverged: its disk is kept for a person.
  const quarantine = at.phase === "active";
  const stream = vm.outgoing?.stream;
  const reason = `Term ${command.term} is in force elsewhere`;
  const next = changed(vm, {
    stance: { phase: "none" },
    termSeen: Math.max(vm.termSeen, command.term),
    outgoing: undefined,
    protect: undefined,
    stoppedByAgent: false,
    chains: undefined,
    guest: "absent",
    verified: false,
    reason,
  });
  const effects: Effect[] = [journal("RETIRED", next)];
  if (stream !== undefined) effects.push({ type: "end-stream", vmId: vm.vmId, stream, reason });
  effects.push(...endProtection(vm), { type: "end-guest", vmId: vm.vmId });
  effects.push(sweep(vm, quarantine), report(next));
  return put(state, next, effects);
}

export function stopVm(state: State, vm: VmState, command: StopVm): Step {
  const at = vm.stance;
  if (command.term < vm.termSeen) return refuseStale(state, vm, command);
  if (at.phase !== "active" || at.term !== command.term) return tell(state, vm);
  if (vm.outgoing !== undefined) {
    const reason = "The VM is being moved; cancel that first";
    return refuse(state, vm, command, "STATE_CONFLICT", reason);
  }
  return stopped(state, vm, "Stopped by an operator");
}

/** The guest is at its end and the host keeps its term: a new grant can start it again. */
export function stopped(state: State, vm: VmState, reason: string): Step {
  if (vm.stance.phase !== "active") return tell(state, vm);
  const next = changed(vm, {
    stance: { phase: "stopped", term: vm.stance.term },
    protect: undefined,
    stoppedByAgent: false,
    guest: "absent",
    verified: false,
    reason,
  });
  return put(state, next, [
    journal("STOPPED", next),
    ...endProtection(vm),
    { type: "end-guest", vmId: vm.vmId },
    report(next),
  ]);
}

/** RAM files go; of the disks only images that this agent made, or into quarantine. */
export function sweep(vm: VmState, quarantine: boolean): Effect {
  const { vmId, chains } = vm;
  return { type: "sweep", vmId, quarantine, ...(chains === undefined ? {} : { chains }) };
}
