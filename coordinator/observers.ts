/**
 * Who can look at a host, and what those who did have seen.
 * @module
 */
import type { HostId } from "../protocol/ids.ts";
import { isLoopback, parseAddress } from "../runtime/address.ts";
import type { Peers } from "./fence.ts";
import type { Config, Host, State } from "./state.ts";
import { freshLooks, judge, type Look, NIC, PROCESSOR, type Silence } from "./suspicion.ts";

/** Hosts that are asked about one host at once; others have their turn. */
export const PEERS_MAX = 3;

/**
 * Hosts that can look at this one, in turns. On an address of the machine itself every look would
 * be answered by whoever looks.
 */
export function peersOf(state: State, { hostId, address }: Host, turn: number): HostId[] {
  if (address === undefined || isLoopback(parseAddress(address).host)) return [];
  const able = Object.values(state.hosts).filter((one) => one.connected && one.hostId !== hostId);
  const count = Math.min(PEERS_MAX, able.length);
  const first = turn * PEERS_MAX;
  return Array.from({ length: count }, (_, index) => able[(first + index) % able.length]!.hostId);
}

/** Looks of a silent host that count now. */
export function looksOf(state: State, hostId: HostId, config: Config): Look[] {
  const silence = state.suspicion.silences[hostId];
  if (silence === undefined) return [];
  const nic = nicLook(state, hostId, config);
  return freshLooks(silence, nic, state.suspicion.atMs, config.suspicion);
}

/** What is to be thought of a silent host at this moment. */
export function phaseOf(state: State, silence: Silence, config: Config): Silence["phase"] {
  const nic = nicLook(state, silence.hostId, config);
  return judge(silence, nic, state.suspicion.atMs, config.suspicion);
}

/** What other hosts see of one that is being fenced. */
export function peersSee(state: State, hostId: HostId, config: Config): Peers {
  const host = state.hosts[hostId];
  const able = host !== undefined && peersOf(state, host, 0).length > 0;
  const silence = state.suspicion.silences[hostId];
  const { round } = silence ?? {};
  const late =
    round === undefined || state.suspicion.atMs - round.askedAtMs >= config.suspicion.lookMs;
  const waiting = !late && round.waiting.some((one) => one !== PROCESSOR);
  const looks = looksOf(state, hostId, config).filter(({ observer }) =>
    observer.startsWith("agent:"),
  );
  return { able, waiting, looks };
}

/** NIC firmware is silent only after longer than it takes to connect again. */
function nicLook({ hosts, nicLinks, suspicion }: State, hostId: HostId, config: Config) {
  const serverId = hosts[hostId]?.serverId;
  const sinceMs = serverId && nicLinks.silentSinceMs[serverId];
  if (sinceMs === undefined) return undefined;
  const { atMs } = suspicion;
  const at = { observer: NIC, askedAtMs: atMs, atMs } as const;
  if (sinceMs === Number.POSITIVE_INFINITY)
    return { ...at, verdict: "lives", saw: "heard" } as const;
  const silent = atMs - sinceMs >= config.fence.silentMs;
  return { ...at, verdict: silent ? "silent" : "unsure", saw: "silent" } as const;
}
