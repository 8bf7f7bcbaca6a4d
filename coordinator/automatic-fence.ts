/**
 * Fences without an operator (docs/authority.md, section 6): off unless the site's configuration
 * says otherwise.
 *
 * Rule 1: only a suspected host, and none that fell silent together with another.
 * Rule 2: only where nothing is lost by it: every guest that may run there is protected within its
 *         RPO. Where none may run there is nothing to be won.
 * Rule 3: one at a time, so many a day, and never a majority of the hosts away at once.
 * Rule 4: all of this holds again in the moment before `ForceOff`.
 */
import type { HostId } from "../protocol/ids.ts";
import { guestsBelieved } from "./guests.ts";
import { phaseOf } from "./observers.ts";
import {
  type AutomaticFence,
  busy,
  type Config,
  type Effect,
  type Host,
  type HostRecord,
  hostRecordOf,
  type State,
  type Step,
} from "./state.ts";
import { fellWith } from "./suspicion.ts";

const DAY_MS = 24 * 3_600_000;

/** Why this host's server is not fenced now; undefined: it is to be. */
export function whyNotFenced(state: State, hostId: HostId, config: Config): string | undefined {
  const { enabled, perDayMax } = config.automaticFence;
  if (!enabled) return "Automatic fences are off";
  const host = state.hosts[hostId];
  const silence = state.suspicion.silences[hostId];
  if (host === undefined || silence === undefined || host.connected) return "Its agent is heard";
  if (host.off !== undefined) return "It counts as off";
  if (phaseOf(state, silence, config) !== "suspected") return "It is not suspected";
  const other = fellWith(state.suspicion, silence, state.suspicion.atMs, config.suspicion);
  if (other !== undefined) return `It fell silent together with ${other}`;
  if (config.servers[host.serverId] === undefined) return "It has no service processor";
  if (state.fence !== undefined) return `${state.fence.hostId} is being fenced: one at a time`;
  if (state.automaticFences.length >= perDayMax) {
    return `${state.automaticFences.length} fences were begun within a day, of ${perDayMax}`;
  }
  const known = Object.values(state.hosts);
  const away = known.filter((one) => !one.connected).length;
  if (2 * away > known.length) return `${away} of ${known.length} hosts are away: a majority`;
  return whyNotWithout(state, hostId, config);
}

/** What would be lost with it. */
function whyNotWithout(state: State, hostId: HostId, config: Config): string | undefined {
  const guests = guestsBelieved(state, hostId);
  if (guests.length === 0) return "No guest may run there";
  const moving = guests.find((id) => busy(state, id));
  if (moving !== undefined) return `${moving} is being moved, or brought up elsewhere`;
  const bare = guests.filter((id) => !config.protectedWithinRpo(state, id));
  if (bare.length === 0) return undefined;
  return `${bare.length} of ${guests.length} guests are not protected within their RPO: ${bare[0]}`;
}

/** The host whose server is to be fenced now, if there is one. */
export function dueFence(state: State, config: Config): Host | undefined {
  if (!config.automaticFence.enabled || state.fence !== undefined) return undefined;
  const due = Object.values(state.suspicion.silences).find(
    ({ hostId }) => whyNotFenced(state, hostId, config) === undefined,
  );
  return due && state.hosts[due.hostId];
}

/** Counted with the host, so that no other life of the coordinator begins to count anew. */
export function countFence(state: State, host: Host, atMs: number): Step {
  const { hostId } = host;
  const counted: Host = { ...host, automaticFences: (host.automaticFences ?? 0) + 1 };
  const automaticFences = [...state.automaticFences, { hostId, atMs }];
  const hosts = { ...state.hosts, [hostId]: counted };
  return [
    { ...state, hosts, automaticFences },
    [{ type: "save-host", host: hostRecordOf(counted) }],
  ];
}

/** Those of an earlier life, for which nobody knows when they were: they count from now on. */
export function fencesKept(hosts: readonly HostRecord[], atMs: number): AutomaticFence[] {
  return hosts.flatMap(({ hostId, automaticFences = 0 }) =>
    Array.from({ length: automaticFences }, () => ({ hostId, atMs })),
  );
}

/** A day later they count no more. */
export function expireFences(state: State, atMs: number): Step {
  const automaticFences = state.automaticFences.filter((one) => atMs - one.atMs < DAY_MS);
  if (automaticFences.length === state.automaticFences.length) return [state, []];
  const hosts: { [id: HostId]: Host } = { ...state.hosts };
  const effects: Effect[] = [];
  for (const host of Object.values(state.hosts)) {
    const count = automaticFences.filter((one) => one.hostId === host.hostId).length;
    if (count === (host.automaticFences ?? 0)) continue;
    const { automaticFences: _was, ...rest } = host;
    const kept: Host = count === 0 ? rest : { ...rest, automaticFences: count };
    hosts[host.hostId] = kept;
    effects.push({ type: "save-host", host: hostRecordOf(kept) });
  }
  return [{ ...state, hosts, automaticFences }, effects];
}
