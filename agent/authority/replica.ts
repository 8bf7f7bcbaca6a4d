/**
 * Replicas: what a secondary holds of VMs that run elsewhere, and what a primary has to send
 * (docs/authority.md, sections 2 and 6).
 *
 * Rule 1: a seal is durable before anything is told of it; after it nothing of a lower term is
 *         taken, and only its own term can be granted from a replica.
 * Rule 2: the replica that is filled anew does not take the place of the one before it until it
 *         can be restored.
 * Rule 3: the proof that the primary is off is looked at again here.
 */
import type { Grant } from "../../protocol/authority.ts";
import { offProofFault } from "../../protocol/fence.ts";
import type { StreamId } from "../../protocol/ids.ts";
import {
  type DropReplica,
  type HoldReplica,
  type Protect,
  REPLICAS_MAX,
  type SealReplica,
} from "../../protocol/replication.ts";
import { changed, journal, put, refuse, refuseStale, report, tell } from "./change.ts";
import type { DurableReplica, Effect, Event, State, Step, VmState } from "./state.ts";

type Of<Type extends Event["type"]> = Extract<Event, { type: Type }>;

/** Begins to keep a replica. The one before it stays until this one can be restored. */
export function holdReplica(state: State, vm: VmState, command: HoldReplica): Step {
  const { vmId, term, stream, primary, token, definition } = command;
  if (vm.replicas.some((one) => one.stream === stream)) return tell(state, vm);
  if (term < vm.termSeen) return refuseStale(state, vm, command);
  const { phase } = vm.stance;
  if (phase !== "none" && phase !== "burnt") {
    const reason = `The VM is ${phase} here, under term ${vm.stance.term}`;
    return refuse(state, vm, command, "STATE_CONFLICT", reason);
  }
  const replica: DurableReplica = { stream, term, primary, token, sealed: 0, whole: false };
  // Of those before it, one that can be restored is worth most.
  const kept = vm.replicas.toSorted((a, b) => Number(a.whole) - Number(b.whole)).at(-1);
  const former = kept === undefined ? [] : [kept].slice(0, REPLICAS_MAX - 1);
  const dropped = vm.replicas.filter((one) => !former.includes(one));
  const next = changed(vm, { termSeen: term, definition, replicas: [...former, replica] });
  return put(state, next, [
    journal("REPLICA", next),
    ...dropped.map((one): Effect => ({ type: "drop-replica", vmId, stream: one.stream })),
    { type: "hold-replica", vmId, replica, definition },
    report(next),
  ]);
}

/** The store is open, or cannot be; and whether it has a restore point. */
export function replicaFound(state: State, vm: VmState, event: Of<"replica-found">): Step {
  const at = vm.replicas.findIndex(({ stream }) => stream === event.stream);
  const replica = vm.replicas[at];
  if (replica === undefined) return [state, []];
  const { stream, found } = event;
  const next = changed(vm, { found: { ...vm.found, [stream]: found } });
  if (replica.whole || found.newest === undefined || found.state === "broken") {
    return put(state, next, [report(next)]);
  }
  // It can be restored at last: those before it are not needed any more.
  const replicas = [{ ...replica, whole: true }, ...vm.replicas.slice(at + 1)];
  const whole = changed(next, { replicas });
  return put(state, whole, [
    journal("REPLICA", whole),
    ...vm.replicas.slice(0, at).map(({ stream: former }): Effect => {
      return { type: "drop-replica", vmId: vm.vmId, stream: former };
    }),
    report(whole),
  ]);
}

/** From now on nothing below `term` is taken; the stores are sealed, and say what they hold. */
export function sealReplica(state: State, vm: VmState, command: SealReplica): Step {
  const { term, vmId } = command;
  if (term < vm.termSeen) return refuseStale(state, vm, command);
  const { phase } = vm.stance;
  if (phase === "active" || phase === "incoming") {
    const reason = `The VM is ${phase} here, under term ${vm.stance.term}`;
    return refuse(state, vm, command, "STATE_CONFLICT", reason);
  }
  const fresh = vm.replicas.some(({ sealed }) => sealed < term);
  if (!fresh && vm.termSeen === term) return tell(state, vm);
  const replicas = vm.replicas.map((one) => ({ ...one, sealed: term }));
  const next = changed(vm, { termSeen: term, replicas });
  return put(state, next, [
    journal("SEALED", next),
    { type: "seal-replicas", vmId, term },
    report(next),
  ]);
}

export function dropReplica(state: State, vm: VmState, command: DropReplica): Step {
  if (command.term < vm.termSeen) return refuseStale(state, vm, command);
  const { stream } = command;
  const replicas = vm.replicas.filter((one) => one.stream !== stream);
  if (replicas.length === vm.replicas.length) return tell(state, vm);
  if (vm.stance.phase === "incoming" && vm.stance.stream === stream) {
    return refuse(state, vm, command, "STATE_CONFLICT", "The VM is about to run from it");
  }
  const next = changed(vm, { termSeen: command.term, replicas });
  return put(state, next, [
    journal("DROPPED", next),
    { type: "drop-replica", vmId: vm.vmId, stream },
    report(next),
  ]);
}

/** Why a grant from a replica cannot be taken; undefined when it can. */
export function whyNotPromoted(vm: VmState, command: Grant): string | undefined {
  const { promotion, term } = command;
  if (promotion === undefined) return "The grant does not say from which replica";
  const replica = vm.replicas.find(({ stream }) => stream === promotion.stream);
  if (replica === undefined) return "No such replica is kept here";
  if (replica.sealed !== term) return `The replica is sealed by term ${replica.sealed}`;
  const { proof } = promotion;
  if (proof.hostId !== replica.primary) {
    return `The proof is of ${proof.hostId}; ${replica.primary} ran the VM`;
  }
  if (proof.by === "fence") return offProofFault(proof.proof, replica.primary);
  if (proof.by === "agent" && proof.term < replica.term) {
    return `The proof is of term ${proof.term}; the replica is of ${replica.term}`;
  }
  return undefined;
}

/** The guest runs by its own: the replicas that it came from, or might have, are of no use. */
export function dropAll(vm: VmState): [vm: VmState, effects: Effect[]] {
  if (vm.replicas.length === 0) return [vm, []];
  const next = changed(vm, { replicas: [] });
  const drop = vm.replicas.map(({ stream }): Effect => {
    return { type: "drop-replica", vmId: vm.vmId, stream };
  });
  return [next, [journal("DROPPED", next), ...drop]];
}

/** Whom to send cuts to, from now on. */
export function protect(state: State, vm: VmState, command: Protect): Step {
  const at = vm.stance;
  if (command.term < vm.termSeen) return refuseStale(state, vm, command);
  if (at.phase !== "active" || at.term !== command.term) return tell(state, vm);
  if (vm.protect !== undefined && command.version <= vm.protect.version) return tell(state, vm);
  const next = changed(vm, { protect: command });
  return put(state, next, [
    journal("PROTECT", next),
    { type: "protect", vmId: vm.vmId },
    report(next),
  ]);
}

/** The VM runs here no more: cuts go to nobody. */
export function endProtection({ vmId, protect: stood }: VmState): Effect[] {
  return stood === undefined ? [] : [{ type: "protect", vmId }];
}

/** All streams of kept replicas, for the start of a life. */
export function replicasToOpen(vm: VmState): Effect[] {
  const { vmId, definition, replicas } = vm;
  if (definition === undefined) return [];
  return replicas.map((replica): Effect => ({ type: "hold-replica", vmId, replica, definition }));
}

/** Whether this stream is that of a replica here. */
export function holds(vm: VmState, stream: StreamId): boolean {
  return vm.replicas.some((one) => one.stream === stream);
}
