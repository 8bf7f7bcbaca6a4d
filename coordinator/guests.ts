/**
 * What may run on a host, whatever is heard of it.
 * @module
 */
import type { HostId, VmId } from "../protocol/ids.ts";
import { failoverFor, type State, sagaFor } from "./state.ts";

/**
 * VMs of which something may run or stand on a host. No silence takes one off this list: only an
 * agent's report that it has nothing of it, and an operator's wish that it be stopped.
 */
export function guestsBelieved(state: State, hostId: HostId): VmId[] {
  const found = Object.values(state.vms).filter((vm) => {
    const saga = sagaFor(state, vm.vmId);
    if (saga?.source === hostId || saga?.target === hostId) return true;
    if (failoverFor(state, vm.vmId)?.granted.includes(hostId) === true) return true;
    const report = state.hosts[hostId]?.reports[vm.vmId];
    if (report !== undefined && report.guest !== "absent") return true;
    if (vm.hostId !== hostId) return false;
    return vm.desired === "running" || report === undefined;
  });
  return found.map((vm) => vm.vmId);
}
