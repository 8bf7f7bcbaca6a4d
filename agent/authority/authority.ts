/**
 * The agent's authority over its VMs, as a pure state machine (docs/authority.md, sections 1, 3
 * and 4).
 *
 * Rule 1: a guest is started or continued only here, and only after the record that allows it.
 * Rule 2: the highest term heard of a VM is durable, and everything lower is refused.
 * Rule 3: a source journals exactly one of RELEASED and REFUSED for each term it was to give up.
 * Rule 4: a target journals ACTIVE only on its conditional grant together with RELEASED.
 * Rule 5: the first event of a life settles what the last one left: guests stopped by a cut go
 *         on, moves that were not released are refused, what was incoming is burnt.
 *
 * The states are drawn in state.ts.
 */

import { changed, journal, put, report } from "./change.ts";
import * as command from "./commands.ts";
import { burnIncoming, refuseTerm, stopped, sweep } from "./commands.ts";
import * as replica from "./replica.ts";
import {
  type DurableVm,
  type Effect,
  type Event,
  type Found,
  fromDurable,
  type State,
  type Step,
  unknownVm,
  type VmState,
} from "./state.ts";
import * as stream from "./stream.ts";

/** The state of a new life, from what its journal holds. The first event must be `recovered`. */
export function start(
  self: Pick<State, "hostId" | "bootId" | "life">,
  vms: readonly DurableVm[],
): State {
  const entries = vms.map((vm) => [vm.vmId, fromDurable(vm, self.life)] as const);
  return { ...self, vms: Object.fromEntries(entries) };
}

export function step(state: State, event: Event): Step {
  if (event.type === "recovered") return recover(state, event.found);
  if (event.type === "report-all") return [state, Object.values(state.vms).map(report)];
  const vm = state.vms[event.vmId] ?? unknownVm(event.vmId, state.life);
  switch (event.type) {
    case "grant":
      return command.grant(state, vm, event);
    case "prepare":
      return command.prepare(state, vm, event);
    case "migrate-out":
      return command.migrateOut(state, vm, event);
    case "cancel-migration":
      return command.cancelMigration(state, vm, event);
    case "burn":
      return command.burn(state, vm, event);
    case "retire":
      return command.retire(state, vm, event);
    case "stop-vm":
      return command.stopVm(state, vm, event);
    case "hold-replica":
      return replica.holdReplica(state, vm, event);
    case "seal-replica":
      return replica.sealReplica(state, vm, event);
    case "drop-replica":
      return replica.dropReplica(state, vm, event);
    case "protect":
      return replica.protect(state, vm, event);
    case "replica-found":
      return replica.replicaFound(state, vm, event);
    case "released":
      return stream.released(state, vm, event);
    case "guest-running":
      return stream.guestRunning(state, vm);
    case "guest-verified":
      return stream.guestVerified(state, vm);
    case "guest-failed":
      return stream.guestFailed(state, vm, event);
    case "guest-died":
      return stream.guestDied(state, vm, event);
    case "cut":
      return stream.cut(state, vm, event);
    case "cut-over":
      return stream.cutOver(state, vm);
    case "chains":
      return chains(state, vm, event.chains);
    case "epoch-acked":
      return stream.epochAcked(state, vm, event);
    case "last-acked":
      return stream.lastAcked(state, vm, event);
    case "stream-failed":
      return stream.streamFailed(state, vm, event);
    case "prepared":
      return stream.prepared(state, vm, event);
    case "epoch-complete":
      return stream.epochComplete(state, vm, event);
    case "epoch-loaded":
      return stream.epochLoaded(state, vm, event);
    case "incoming-failed":
      return stream.incomingFailed(state, vm, event);
  }
}

/** Whether a guest may be let run now: asked again right before it is, because time has passed. */
export function mayRun(state: State, id: VmState["vmId"]): boolean {
  const vm = state.vms[id];
  return vm?.stance.phase === "active" && vm.stance.bootId === state.bootId;
}

function chains(state: State, vm: VmState, files: NonNullable<VmState["chains"]>): Step {
  const next = changed(vm, { chains: files });
  return put(state, next, [journal("CHAINS", next)]);
}

function recover(state: State, found: Readonly<Record<string, Found>>): Step {
  const { life, bootId } = state;
  const effects: Effect[] = [{ type: "journal", record: { type: "life", life, bootId } }];
  let next = state;
  for (const vm of Object.values(state.vms)) {
    const [after, asked] = settle(next, vm, found[vm.vmId]);
    next = after;
    effects.push(...asked, ...replica.replicasToOpen(vm));
  }
  return [next, effects];
}

/** What one VM's journal means in this life, given what its process was found doing. */
function settle(state: State, vm: VmState, found: Found | undefined): Step {
  const at = vm.stance;
  switch (at.phase) {
    case "active":
      if (at.bootId !== state.bootId) return settleAfterBoot(state, vm);
      if (found === undefined) return stream.guestDied(state, vm, { reason: "The guest is gone" });
      return settleAlive(state, vm, found);
    case "incoming":
      return burnIncoming(state, vm, "The agent was restarted before the VM was released to it");
    case "released": {
      const next = changed(vm, { guest: found === undefined ? "absent" : "paused" });
      return put(state, next, []);
    }
    case "none":
    case "burnt":
    case "void":
    case "stopped":
      if (found === undefined) return [state, []];
      return put(state, changed(vm, {}), [
        { type: "end-guest", vmId: vm.vmId },
        ...(at.phase === "none" || at.phase === "burnt" ? [sweep(vm, false)] : []),
      ]);
  }
}

/**
 * A move that was under way is refused, and a guest that stands because of this agent goes on.
 * One that stands for another reason, such as a disk that fails, is left as it is.
 */
function settleAlive(state: State, vm: VmState, found: Found): Step {
  if (found === "incoming") {
    // ACTIVE was journalled after the load, so the process cannot be waiting for one.
    return stopped(state, vm, "The guest's process holds no state");
  }
  if (found === "paused" && vm.chains === undefined && vm.replicas.length > 0) {
    // Its disks are not on record yet, so it never ran; the replica can be restored again.
    return stopped(state, vm, "The agent was restarted while it made the guest from a replica");
  }
  const alive = changed(vm, { guest: found });
  if (vm.outgoing !== undefined) {
    return refuseTerm(state, alive, vm.outgoing.toTerm, "The source's agent was restarted");
  }
  if (found === "paused" && !vm.stoppedByAgent) {
    const reason = "The guest is paused, and not by its agent";
    return put(state, changed(alive, { reason }), []);
  }
  return put(state, alive, [{ type: "continue-guest", vmId: vm.vmId }]);
}

/** A new boot voids every grant; a guest that was being moved is proven dead by it. */
function settleAfterBoot(state: State, vm: VmState): Step {
  if (vm.outgoing !== undefined) return stream.release(state, vm, "died", -1);
  if (vm.stance.phase !== "active") return [state, []];
  const next = changed(vm, {
    stance: { phase: "void", term: vm.stance.term },
    stoppedByAgent: false,
    protect: undefined,
    reason: "The host booted anew",
  });
  return put(state, next, [journal("VOID", next), report(next)]);
}
