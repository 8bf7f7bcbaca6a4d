/** Whether a site has come to rest, once its faults have ended. */
import type { HostId } from "../../protocol/ids.ts";
import type { Cluster } from "./cluster.ts";
import { vmName } from "./model.ts";

/** Why there is no rest yet; empty when every VM and every saga has come to its end. */
export function unrestOf(
  cluster: Cluster,
  isDead: (hostId: HostId) => boolean,
  anyDead: boolean,
): string {
  const { coordinator, management } = cluster;
  const state = coordinator.machine?.state;
  if (state === undefined || management.machine === undefined) return "a program is down";
  if (state.fence !== undefined) return `${state.fence.hostId} is being fenced`;
  for (const saga of Object.values(state.sagas)) {
    if (saga.phase === "done" || isDead(saga.source)) continue;
    // Where the source kept nothing either, the VM waits for the target's return.
    if (isDead(saga.target) && saga.phase === "verifying") continue;
    return `saga ${saga.sagaId} of ${vmName(saga.vmId)} is ${saga.phase}: ${saga.reason ?? ""}`;
  }
  for (const { phase, vmId, reason } of Object.values(state.failovers)) {
    if (phase === "done" || anyDead) continue;
    return `the failover of ${vmName(vmId)} is ${phase}: ${reason ?? ""}`;
  }
  for (const vm of Object.values(state.vms)) {
    const moving = Object.values(state.sagas).some(
      (saga) => saga.vmId === vm.vmId && saga.phase !== "done",
    );
    const failing = state.failovers[vm.vmId];
    const comesUp = failing !== undefined && failing.phase !== "done";
    if (moving || comesUp || isDead(vm.hostId)) continue;
    const { running } = cluster.oracle.booksOf(vm.vmId);
    // A cut stops it for a moment.
    const { protectors } = cluster.agentAt(vm.hostId);
    if (vm.desired === "running" && protectors.get(vm.vmId)?.cutting === true) continue;
    if ((vm.desired === "running") === (running?.host.hostId === vm.hostId)) continue;
    const name = vmName(vm.vmId);
    return `${name} should be ${vm.desired} on ${vm.hostId}: ${vm.held ?? "no reason"}`;
  }
  const { evacuations } = management.machine.state;
  for (const { moves, evacuationId } of Object.values(evacuations)) {
    const open = moves.find((move) => move.state === "running");
    const saga = open?.operationId === undefined ? undefined : state.sagas[open.operationId];
    const waits = saga !== undefined && saga.phase !== "done";
    if (open !== undefined && !waits) return `${evacuationId} does not know what became of a move`;
  }
  return "";
}
