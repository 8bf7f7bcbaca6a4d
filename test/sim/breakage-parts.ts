/** What breakages are made of. */
import type * as authority from "../../agent/authority/authority.ts";
import type { State, VmState } from "../../agent/authority/state.ts";
import type * as coordinator from "../../coordinator/coordinator.ts";
import type { State as CoordinatorState, Host } from "../../coordinator/state.ts";
import type { VmReport } from "../../protocol/authority.ts";
import type { HostId, VmId } from "../../protocol/ids.ts";

export type AgentStep = typeof authority.step;
export type CoordinatorStep = typeof coordinator.step;

/** The state with something of one VM put otherwise. */
export function patchVm(state: State, vmId: VmId, patch: Partial<VmState>): State {
  const vm = state.vms[vmId];
  if (vm === undefined) return state;
  return { ...state, vms: { ...state.vms, [vmId]: { ...vm, ...patch } } };
}

/** The coordinator's state with every report put otherwise. */
export function patchReports(
  state: CoordinatorState,
  patch: (report: VmReport, hostId: HostId) => VmReport,
): CoordinatorState {
  const hosts: { [id: HostId]: Host } = {};
  for (const host of Object.values(state.hosts)) {
    const reports: { [id: VmId]: VmReport } = {};
    for (const report of Object.values(host.reports)) {
      reports[report.vmId] = patch(report, host.hostId);
    }
    hosts[host.hostId] = { ...host, reports };
  }
  return { ...state, hosts };
}
