/**
 * The newest value of each host's parameters, as agents told them, sites fed them and the
 * configuration has them. Each goes stale: then it is not known.
 * @module
 */
import type { HostId, ServerId } from "../../protocol/ids.ts";
import {
  isOwn,
  PARAMETERS,
  PARAMETERS_MAX,
  type ParameterValues,
} from "../../protocol/parameters.ts";
import type { Telemetry } from "../../protocol/prediction.ts";
import { TELEMETRY_MS } from "../../runtime/uplink.ts";

/** An agent that has not told its values for so long is not heard. */
export const TOLD_MS_MAX = 3 * TELEMETRY_MS;

export interface KnownValue {
  readonly name: string;
  readonly value: number;
  readonly from: "agent" | "site" | "configuration" | "predictions";
  /** Since it was told or fed. */
  readonly ageMs: number;
  /** Until it is unknown, unless it comes again. */
  readonly leftMs?: number;
}

export interface Board {
  take(telemetry: Telemetry, atMs: number): void;
  /** Why not, if it cannot be taken. */
  feed(
    hostId: HostId,
    name: string,
    value: number,
    forMs: number,
    atMs: number,
  ): string | undefined;
  /** Whether the server's agent, or the firmware of its network adapter, is heard. */
  hears(server: ServerId, atMs: number): boolean;
  known(hostId: HostId, server: ServerId | undefined, atMs: number): readonly KnownValue[];
  /** Names that were ever fed to any host, for who looks for a spelling mistake. */
  isFed(name: string): boolean;
}

interface Fed {
  readonly value: number;
  readonly atMs: number;
  readonly untilMs: number;
}

/** @param costPerHour of the configuration, by host */
export function parameterBoard(costPerHour: ReadonlyMap<string, number> = new Map()): Board {
  const heardAtMs = new Map<ServerId, number>();
  const told = new Map<ServerId, { readonly values: ParameterValues; readonly atMs: number }>();
  const fed = new Map<HostId, Map<string, Fed>>();
  return {
    take({ serverId, parameters }, atMs) {
      heardAtMs.set(serverId, atMs);
      // The firmware of a network adapter knows none.
      if (parameters === undefined) return;
      told.set(serverId, { values: agentsOwn(parameters), atMs });
    },
    feed(hostId, name, value, forMs, atMs) {
      if (isOwn(name)) return `${name} is Lifeboat's own: feed yours under another name`;
      const ofHost = fed.get(hostId) ?? new Map<string, Fed>();
      if (ofHost.size >= PARAMETERS_MAX && !ofHost.has(name)) prune(ofHost, atMs);
      if (ofHost.size >= PARAMETERS_MAX && !ofHost.has(name)) {
        return `${PARAMETERS_MAX} parameters of ${hostId} are fed already`;
      }
      fed.set(hostId, ofHost.set(name, { value, atMs, untilMs: atMs + forMs }));
      return undefined;
    },
    hears: (server, atMs) =>
      atMs - (heardAtMs.get(server) ?? Number.NEGATIVE_INFINITY) < TOLD_MS_MAX,
    known(hostId, server, atMs) {
      const ofAgent = server === undefined ? undefined : told.get(server);
      const cost = costPerHour.get(hostId);
      return [
        ...(ofAgent === undefined ? [] : toldValues(ofAgent.values, atMs - ofAgent.atMs)),
        ...(cost === undefined
          ? []
          : [{ name: "cost-per-hour", value: cost, from: "configuration", ageMs: 0 } as const]),
        ...[...(fed.get(hostId) ?? [])].flatMap(([name, one]) => fedValue(name, one, atMs)),
      ];
    },
    isFed: (name) => [...fed.values()].some((ofHost) => ofHost.has(name)),
  };
}

/** What an agent may say; the rest is not its to tell. */
function agentsOwn(values: ParameterValues): ParameterValues {
  const own = ([name]: [string, number]) => isOwn(name) && PARAMETERS[name]!.from === "agent";
  return Object.fromEntries(Object.entries(values).filter(own));
}

function toldValues(values: ParameterValues, ageMs: number): KnownValue[] {
  if (ageMs >= TOLD_MS_MAX) return [];
  const leftMs = TOLD_MS_MAX - ageMs;
  return Object.entries(values).map(([name, value]) => ({
    name,
    value,
    from: "agent",
    ageMs,
    leftMs,
  }));
}

function fedValue(
  name: string,
  { value, atMs: fedAtMs, untilMs }: Fed,
  atMs: number,
): KnownValue[] {
  if (atMs >= untilMs) return [];
  return [{ name, value, from: "site", ageMs: atMs - fedAtMs, leftMs: untilMs - atMs }];
}

function prune(fed: Map<string, Fed>, atMs: number): void {
  for (const [name, { untilMs }] of [...fed]) if (atMs >= untilMs) fed.delete(name);
}
