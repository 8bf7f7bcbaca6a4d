/**
 * Fences in the coordinator: which of them may begin, and what becomes of a host that is proven
 * to be off. One fence is under way at a time; it ends with this life of the coordinator.
 */
import type { HostOff, OffProof } from "../protocol/fence.ts";
import type { OperationId, ServerId, VmId } from "../protocol/ids.ts";
import { countFence, dueFence, expireFences, whyNotFenced } from "./automatic-fence.ts";
import {
  answerFence,
  beginFence,
  type Fence,
  type FenceStep,
  tickFence,
  unwatched,
  type Witnesses,
} from "./fence.ts";
import { guestsBelieved } from "./guests.ts";
import { peersSee } from "./observers.ts";
import { fail, succeed } from "./requests.ts";
import {
  type Config,
  type Effect,
  type Event,
  type Host,
  hostRecordOf,
  NO_NIC_LINKS,
  type State,
  type Step,
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
    const hostsCanLook = peersSee(state, hostId, config).able;
    const target = { hostId, serverId, uuid: uuid ?? null, guests };
    const detail = { ...target, nicHeard, hostsCanLook, refusal: why ?? null };
    return [state, [succeed(operationId, detail)]];
  }
  if (why !== undefined || uuid === undefined) {
    return fail(state, operationId, "STATE_CONFLICT", why ?? "It has no service processor");
  }
  const text = `Fencing ${hostId}: its server ${serverId} is to be switched off`;
  const [next, effects] = take(
    state,
    beginFence({ operationId, by: "operator", hostId, serverId, uuid }, event.atMs),
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

/** A service processor has answered; one that a fence did not ask is none of its matter. */
export function powerAnswer(state: State, event: Of<"power-answer">, config: Config): Step {
  const { fence: current } = state;
  if (current?.operationId !== event.operationId) return [state, []];
  const why = whyNotNow(state, current, config);
  if (why !== undefined) return take(state, { type: "failed", reason: why });
  const seen = witnesses(state, current, config);
  return take(state, answerFence(current, event, seen, event.atMs, config.fence));
}

/** What a fence of its own may have lost since it began, before `ForceOff` is asked. */
function whyNotNow(state: State, current: Fence, config: Config): string | undefined {
  if (current.by !== "automatic" || current.phase !== "identifying") return undefined;
  const { fence: _own, ...others } = state;
  const { hostId } = current;
  const counted = state.automaticFences.findLastIndex((one) => one.hostId === hostId);
  const automaticFences = state.automaticFences.toSpliced(counted, 1);
  return whyNotFenced({ ...others, automaticFences }, hostId, config);
}

export function tickFencing(state: State, atMs: number, config: Config): Step {
  const { fence: current } = state;
  if (current !== undefined) {
    const seen = witnesses(state, current, config);
    return take(state, tickFence(current, seen, atMs, config.fence));
  }
  const [kept, saved] = expireFences(state, atMs);
  const [next, effects] = fenceSuspected(kept, atMs, config);
  return [next, [...saved, ...effects]];
}

/** Begins a fence without an operator where one is due; it is counted before anything is asked. */
function fenceSuspected(state: State, atMs: number, config: Config): Step {
  const host = dueFence(state, config);
  const uuid = host && config.servers[host.serverId]?.uuid.toLowerCase();
  if (host === undefined || uuid === undefined) return [state, []];
  const { hostId, serverId } = host;
  const { bornAtMs, rounds } = state.suspicion;
  const operationId = `fence-${Math.round(bornAtMs * 1_000)}-${rounds + 1}` as OperationId;
  const numbered = { ...state, suspicion: { ...state.suspicion, rounds: rounds + 1 } };
  const [counted, saved] = countFence(numbered, host, atMs);
  const target = { operationId, by: "automatic", hostId, serverId, uuid } as const;
  const [next, effects] = take(counted, beginFence(target, atMs));
  const text = `Fencing ${hostId}, suspected: its server ${serverId} is to be switched off`;
  return [next, [...saved, { type: "note", text, causedBy: operationId }, ...effects]];
}

/** The list of a life of the management server: who was in it and is not any more is silent. */
export function nicLinks(state: State, { version, up, lost = [], atMs }: Of<"nic-links">): Step {
  if (version <= state.nicLinks.version) return [state, []];
  const silentSinceMs: { [id: ServerId]: number } = {};
  for (const id of Object.keys(state.nicLinks.silentSinceMs) as ServerId[]) {
    silentSinceMs[id] = Math.min(atMs, state.nicLinks.silentSinceMs[id] ?? atMs);
  }
  for (const { serverId, silentMs } of lost) {
    const known = silentSinceMs[serverId];
    if (known !== undefined) silentSinceMs[serverId] = Math.min(known, atMs - silentMs);
  }
  for (const id of up) silentSinceMs[id] = Number.POSITIVE_INFINITY;
  return [{ ...state, nicLinks: { version, silentSinceMs } }, []];
}

/** Another management server, or another life of it, or none: nothing is known of NIC firmware. */
export function forgetNicLinks(state: State): State {
  const next = { ...state, nicLinks: NO_NIC_LINKS };
  return state.fence === undefined ? next : { ...next, fence: unwatched(state.fence) };
}

function witnesses(state: State, { hostId, serverId }: Fence, config: Config): Witnesses {
  const agentSilent = state.hosts[hostId]?.connected !== true;
  const nicSilentSinceMs = state.nicLinks.silentSinceMs[serverId];
  return { agentSilent, nicSilentSinceMs, peers: peersSee(state, hostId, config) };
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
  const { operationId: causedBy, hostId, by } = current;
  const text = `Nothing is proven of ${hostId}: ${reason}`;
  const note: Effect = { type: "note", text, causedBy };
  if (by === "automatic") return [next, [note]];
  return [next, [note, ...fail(next, causedBy, "FENCE_FAILED", reason)[1]]];
}

/** The proof is durable with its host before anybody hears of it, and whole in the time line. */
function proven(state: State, proof: OffProof): Step {
  const { hostId, serverId, by, operationId: causedBy } = proof;
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
      ...(by === "operator" ? [succeed(causedBy, proof)] : []),
    ],
  ];
}
