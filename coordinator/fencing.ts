/**
 * Fences in the coordinator: which of them may begin, and what becomes of a host that is proven
 * to be off. One fence is under way at a time; it ends with this life of the coordinator.
 */
import type { HostOff, OffProof } from "../protocol/fence.ts";
import type { HostId, ServerId, VmId } from "../protocol/ids.ts";
import {
  answerFence,
  beginFence,
  type FenceStep,
  tickFence,
  unwatched,
  type Witnesses,
} from "./fence.ts";
import { fail, fleetOf, succeed } from "./requests.ts";
import {
  type Config,
  type Effect,
  type Event,
  type Host,
  hostRecordOf,
  NO_NIC_LINKS,
  type State,
  type Step,
  sagaFor,
} from "./state.ts";

type Of<Type extends Event["type"]> = Extract<Event, { type: Type }>;

const NAMED_MAX = 10;

/** Begins, or says why not; a dry run says both and does nothing. */
export function fence(state: State, event: Of<"fence">, config: Config): Step {
  const { operationId, hostId, serverId, dryRun } = event;
  // Asked twice: the first asking is answered when it has ended.
  if (state.fence?.operationId === operationId) return [state, []];
  const host = state.hosts[hostId];
  if (host === undefined) {
    return fail(state, operationId, "HOST_UNKNOWN", `Host ${hostId} is unknown`);
  }
  const guests = guestsBelieved(state, hostId);
  const why = whyNot(state, host, guests, event, config);
  const uuid = config.servers[serverId]?.uuid.toLowerCase();
  if (dryRun) {
    const nicHeard = state.nicLinks.silentSinceMs[serverId] === Number.POSITIVE_INFINITY;
    const detail = { hostId, serverId, uuid: uuid ?? null, guests, nicHeard, refusal: why ?? null };
    return [state, [succeed(operationId, detail)]];
  }
  if (why !== undefined || uuid === undefined) {
    return fail(state, operationId, "STATE_CONFLICT", why ?? "It has no service processor");
  }
  const text = `Fencing ${hostId}: its server ${serverId} is to be switched off`;
  const [next, effects] = take(
    state,
    beginFence({ operationId, hostId, serverId, uuid }, event.atMs),
  );
  return [next, [{ type: "note", text, causedBy: operationId }, ...effects]];
}

function whyNot(
  state: State,
  host: Host,
  guests: readonly VmId[],
  { serverId, evenIfConnected, guestsWillStop }: Of<"fence">,
  config: Config,
): string | undefined {
  const { hostId } = host;
  if (host.serverId !== serverId) return `${hostId} is on server ${host.serverId}, not ${serverId}`;
  if (config.servers[serverId] === undefined) {
    return `No service processor of ${serverId} is in the coordinator's configuration`;
  }
  if (state.fence !== undefined) return `${state.fence.hostId} is being fenced: one at a time`;
  if (host.connected && !evenIfConnected) {
    return `The agent of ${hostId} is connected: evacuate it, or say --even-if-connected`;
  }
  if (guests.length === 0 || guestsWillStop) return undefined;
  const named = guests.slice(0, NAMED_MAX).join(", ");
  return `${guests.length} guests may run there and would end (${named}): say --guests-will-stop`;
}

/**
 * VMs of which something may run or stand on a host. No silence takes one off this list: only an
 * agent's report that it has nothing of it, and an operator's wish that it be stopped.
 */
export function guestsBelieved(state: State, hostId: HostId): VmId[] {
  const found = Object.values(state.vms).filter((vm) => {
    const saga = sagaFor(state, vm.vmId);
    if (saga?.source === hostId || saga?.target === hostId) return true;
    const report = state.hosts[hostId]?.reports[vm.vmId];
    if (report !== undefined && report.guest !== "absent") return true;
    if (vm.hostId !== hostId) return false;
    return vm.desired === "running" || report === undefined;
  });
  return found.map((vm) => vm.vmId);
}

export function powerAnswer(state: State, event: Of<"power-answer">, config: Config): Step {
  const { fence: current } = state;
  if (current === undefined) return [state, []];
  const seen = witnesses(state);
  return take(state, answerFence(current, event, seen, event.atMs, config.fence));
}

export function tickFencing(state: State, atMs: number, config: Config): Step {
  const { fence: current } = state;
  if (current === undefined) return [state, []];
  return take(state, tickFence(current, witnesses(state), atMs, config.fence));
}

/** The list of a life of the management server: who was in it and is not any more is silent. */
export function nicLinks(state: State, { version, up, atMs }: Of<"nic-links">): Step {
  if (version <= state.nicLinks.version) return [state, []];
  const silentSinceMs: { [id: ServerId]: number } = {};
  for (const id of Object.keys(state.nicLinks.silentSinceMs) as ServerId[]) {
    silentSinceMs[id] = Math.min(atMs, state.nicLinks.silentSinceMs[id] ?? atMs);
  }
  for (const id of up) silentSinceMs[id] = Number.POSITIVE_INFINITY;
  return [{ ...state, nicLinks: { version, silentSinceMs } }, []];
}

/** Another management server, or another life of it, or none: nothing is known of NIC firmware. */
export function forgetNicLinks(state: State): State {
  const next = { ...state, nicLinks: NO_NIC_LINKS };
  return state.fence === undefined ? next : { ...next, fence: unwatched(state.fence) };
}

function witnesses({ hosts, nicLinks: { silentSinceMs }, fence: current }: State): Witnesses {
  const agentSilent = current === undefined || hosts[current.hostId]?.connected !== true;
  const nicSilentSinceMs = current && silentSinceMs[current.serverId];
  return { agentSilent, nicSilentSinceMs };
}

function take(state: State, step: FenceStep): Step {
  switch (step.type) {
    case "on": {
      const next = step.fence === state.fence ? state : { ...state, fence: step.fence };
      return [next, step.ask === undefined ? [] : [step.ask]];
    }
    case "failed":
      return failed(state, step.reason);
    case "proven":
      return proven(state, step.proof);
  }
}

function failed(state: State, reason: string): Step {
  const { fence: current, ...next } = state;
  if (current === undefined) return [state, []];
  const { operationId: causedBy, hostId } = current;
  const text = `Nothing is proven of ${hostId}: ${reason}`;
  const note: Effect = { type: "note", text, causedBy };
  return [next, [note, ...fail(next, causedBy, "FENCE_FAILED", reason)[1]]];
}

/** The proof is durable with its host before anybody hears of it, and whole in the time line. */
function proven(state: State, proof: OffProof): Step {
  const { hostId, serverId, operationId: causedBy } = proof;
  const { fence: _done, ...rest } = state;
  const host = state.hosts[hostId];
  if (host === undefined) return [rest, []];
  const reason = `its service processor switched ${serverId} off, and nothing of it is heard`;
  const off: HostOff = { by: "fence", reason, proof };
  const offHost: Host = { ...host, off };
  const next = { ...rest, hosts: { ...rest.hosts, [hostId]: offHost } };
  const text = `Server ${serverId} of ${hostId} is proven to be off`;
  return [
    next,
    [
      { type: "save-host", host: hostRecordOf(offHost) },
      { type: "note", text, causedBy, detail: proof },
      fleetOf(next),
      succeed(causedBy, proof),
    ],
  ];
}
