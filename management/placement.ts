/**
 * Where a VM goes: another server, healthy, with room, able to run it exactly as it is.
 * @module
 */
import { diskBytesOf, whyIncompatible } from "../protocol/compatible.ts";
import type { Fleet, HostSummary, VmSummary } from "../protocol/evacuation.ts";
import type { HostId, ServerId } from "../protocol/ids.ts";

/** A guest needs its RAM and, at its next move, a shadow of it. */
const MEMORY_FACTOR = 2;

export interface Wanted {
  readonly vm: Pick<VmSummary, "memoryBytes" | "definition">;
  readonly from: HostId;
  /** Memory already promised to earlier moves of the same plan, by host. */
  readonly promised: ReadonlyMap<HostId, number>;
  /** The highest probability of a failure that is predicted for each server. */
  readonly risk: (server: ServerId) => number;
  /** An operator's choice; it must pass the same tests. */
  readonly only?: HostId;
  /** Where the last attempt failed: taken again only if nothing else fits. */
  readonly failedAt?: HostId;
}

export type Placement = Readonly<
  { target: HostId; reason: string } | { target?: undefined; reason: string }
>;

/** The healthiest host that fits, with why; or why each does not. */
export function place(fleet: Fleet, wanted: Wanted): Placement {
  const source = fleet.hosts.find((host) => host.hostId === wanted.from);
  const refusals: string[] = [];
  const fitting: HostSummary[] = [];
  for (const host of fleet.hosts) {
    if (wanted.only !== undefined && host.hostId !== wanted.only) continue;
    const why = whyNot(host, source, wanted);
    if (why === undefined) fitting.push(host);
    else refusals.push(`${host.hostId}: ${why}`);
  }
  const [best] = fitting.sort((a, b) => order(a, b, wanted));
  if (best === undefined) {
    const reason = refusals.length === 0 ? "There is no such host" : refusals.join("; ");
    return { reason: `No host can take it (${reason})`.slice(0, 1_000) };
  }
  const freeMiB = Math.floor(freeBytes(best, wanted) / 1024 ** 2);
  const risk = wanted.risk(best.serverId);
  const reason = `${best.hostId}: another server, risk ${risk.toFixed(2)}, ${freeMiB} MiB free`;
  return { target: best.hostId, reason };
}

function whyNot(
  host: HostSummary,
  source: HostSummary | undefined,
  wanted: Wanted,
): string | undefined {
  if (host.hostId === wanted.from) return "it is the source";
  if (host.serverId === source?.serverId) return "it is on the same server";
  if (!host.connected) return "its agent is not connected";
  if (host.cordoned) return "it is cordoned";
  if (wanted.risk(host.serverId) > 0) return "a failure of its server is predicted";
  const { definition, memoryBytes } = wanted.vm;
  const flags = source?.capabilities?.cpuFlags ?? [];
  const why = whyIncompatible(host.capabilities, definition, flags);
  if (why !== undefined) return why;
  if (freeBytes(host, wanted) < memoryBytes * MEMORY_FACTOR) return "it has too little memory";
  const diskFreeBytes = host.capacity?.diskFreeBytes ?? 0;
  if (diskFreeBytes < diskBytesOf(definition)) return "it has too little disk space";
  return undefined;
}

function freeBytes(host: HostSummary, wanted: Wanted): number {
  const { memoryBytes = 0, memoryUsedBytes = 0 } = host.capacity ?? {};
  return memoryBytes - memoryUsedBytes - (wanted.promised.get(host.hostId) ?? 0);
}

/**
 * Not where it failed before; healthiest first, then the emptiest, then by name so that a plan
 * is reproducible.
 */
function order(a: HostSummary, b: HostSummary, wanted: Wanted): number {
  const failed = Number(a.hostId === wanted.failedAt) - Number(b.hostId === wanted.failedAt);
  if (failed !== 0) return failed;
  const risk = wanted.risk(a.serverId) - wanted.risk(b.serverId);
  if (risk !== 0) return risk;
  const free = freeBytes(b, wanted) - freeBytes(a, wanted);
  if (free !== 0) return free;
  return a.hostId < b.hostId ? -1 : 1;
}

/** Memory that placing `memoryBytes` takes of a host. */
export function memoryNeeded(memoryBytes: number): number {
  return memoryBytes * MEMORY_FACTOR;
}
