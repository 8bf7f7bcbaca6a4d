/**
 * What an agent does to the guests of its host, as its core asks: start, let run, verify, end.
 * @module
 */
import { mayRun } from "../../agent/authority/authority.ts";
import type { Effect } from "../../agent/authority/state.ts";
import type { VmId } from "../../protocol/ids.ts";
import { Guest } from "./host.ts";
import { diskLayer } from "./model.ts";
import type { Agent } from "./surroundings.ts";

type StartGuest = Extract<Effect, { type: "start-guest" }>;

/** From the highest recorded layer that exists; at first from one of our own above the origin. */
export function startGuest(agent: Agent, { vmId, chains }: StartGuest): void {
  const { host } = agent;
  const chain = chains?.["disk0"] ?? [diskLayer(0, `${vmId}/origin`), diskLayer(1, `${vmId}/1`)];
  if (chains === undefined) {
    host.makeLayer(`${vmId}/origin`, undefined);
    host.makeLayer(`${vmId}/1`, `${vmId}/origin`);
  }
  const top = chain.findLast(({ path }) => host.layers.has(path))?.path;
  agent.after(agent.tookMs(), () => {
    if (chains === undefined) agent.dispatch({ type: "chains", vmId, chains: { disk0: chain } });
    if (!mayStart(agent, vmId)) return;
    if (top === undefined || agent.chance.hit(agent.cluster.faults.guestFails)) {
      const reason = top === undefined ? "No recorded layer exists" : "QEMU did not start";
      agent.dispatch({ type: "guest-failed", vmId, reason });
    } else spawn(agent, vmId, top);
  });
}

function spawn(agent: Agent, vmId: VmId, top: string): void {
  const { life } = agent;
  const guest = new Guest(agent.host, vmId, "starting", top);
  agent.adopt(guest);
  guest.command(agent.tookMs(), () => {
    guest.memory = guest.disk;
    guest.state = "paused";
    agent.cluster.oracle.booted(guest);
    if (agent.life === life) goOn(agent, vmId);
  });
}

/** Ended or given up while it was being started: then it is not. */
function mayStart(agent: Agent, vmId: VmId): boolean {
  const vm = agent.machine?.state.vms[vmId];
  return vm?.stance.phase === "active" && vm.guest === "starting";
}

export function goOn(agent: Agent, vmId: VmId): void {
  continueGuest(agent, vmId, () => agent.dispatch({ type: "guest-running", vmId }));
}

/** Asked right before it is sent whether it still may; what was sent before a crash counts. */
export function continueGuest(agent: Agent, vmId: VmId, then: () => void): void {
  const { life, machine, host } = agent;
  const guest = host.guests.get(vmId);
  if (guest === undefined || machine === undefined) return;
  const asksOnce = agent.cluster.breakage?.asksOnce === true;
  if (!asksOnce && !mayRun(machine.state, vmId)) return;
  guest.command(agent.tookMs(), () => {
    if (guest.state === "incoming" || guest.state === "starting") return;
    guest.run(agent.life !== life);
    if (agent.life === life && host.guests.get(vmId) === guest) agent.guarded(then);
  });
}

export function endGuest({ host }: Agent, vmId: VmId): void {
  const guest = host.guests.get(vmId);
  host.guests.delete(vmId);
  if (guest === undefined) return;
  guest.onEnd = undefined;
  guest.end();
  host.oracle.lost(`${host.hostId} ended ${vmId}`);
}

export function verifyGuest(agent: Agent, vmId: VmId): void {
  const guest = agent.host.guests.get(vmId);
  agent.after(2 * agent.tookMs(), () => {
    if (guest?.state === "running" && agent.host.guests.get(vmId) === guest) {
      agent.dispatch({ type: "guest-verified", vmId });
    }
  });
}
