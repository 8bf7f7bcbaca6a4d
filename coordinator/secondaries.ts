/**
 * Where replicas of a VM go: other servers, or other racks, with room, able to run it as it is.
 * @module
 */
import { diskBytesOf, whyIncompatible } from "../protocol/compatible.ts";
import type { FrozenDefinition } from "../protocol/definition.ts";
import type { HostId } from "../protocol/ids.ts";
import type { ProtectionPolicy } from "../protocol/replication.ts";
import type { Racks } from "./protection-record.ts";
import type { Host } from "./state.ts";

/** A promoted guest needs its RAM and, to be protected in turn, a shadow of it. */
const MEMORY_FACTOR = 2;
/** Of RAM: its base and its log on disk. */
const DISK_RAM_FACTOR = 2;

export interface Wanted {
  readonly definition: FrozenDefinition;
  readonly primary: Host;
  readonly apart: ProtectionPolicy["apart"];
  /** How many more there shall be. */
  readonly count: number;
  /** Who has a current replica already; they take none, and nobody beside them may. */
  readonly taken: readonly Host[];
  /** Who keeps an older replica: much of it need not be sent again. */
  readonly before: ReadonlySet<HostId>;
  /** Memory of replicas that are on their way to a host, which its capacity does not show yet. */
  readonly promised: ReadonlyMap<HostId, number>;
  /** Why a host cannot take it for what it already has of this VM. */
  readonly refuses: (host: Host) => string | undefined;
  readonly racks: Racks;
}

export interface Choice {
  readonly hosts: readonly Host[];
  /** Why each of the others was not chosen. */
  readonly refusals: Readonly<{ [id: HostId]: string }>;
  /** Why there are fewer than wanted. */
  readonly lacking?: string;
}

/** The best hosts that fit, one after the other; the same for the same hosts. */
export function chooseSecondaries(hosts: readonly Host[], wanted: Wanted): Choice {
  const { primary, count, racks, apart } = wanted;
  const refusals: { [id: HostId]: string } = {};
  if (apart === "rack" && racks[primary.serverId] === undefined) {
    const lacking = `The rack of ${primary.serverId} is not in the coordinator's configuration`;
    return { hosts: [], refusals, lacking };
  }
  const chosen: Host[] = [];
  for (const host of hosts.toSorted((a, b) => order(a, b, wanted))) {
    const why = whyNot(host, chosen, wanted);
    if (why !== undefined) refusals[host.hostId] = why;
    else if (chosen.length === count) refusals[host.hostId] = "there are enough without it";
    else chosen.push(host);
  }
  if (chosen.length >= count) return { hosts: chosen, refusals };
  const named = Object.entries(refusals).map(([id, why]) => `${id}: ${why}`);
  const reasons = named.length === 0 ? "there is no other host" : named.join("; ");
  const lacking = `${count - chosen.length} more secondaries are wanted (${reasons})`;
  return { hosts: chosen, refusals, lacking: lacking.slice(0, 1_000) };
}

function whyNot(host: Host, chosen: readonly Host[], wanted: Wanted): string | undefined {
  const { primary, definition, taken, racks, apart } = wanted;
  if (host.hostId === primary.hostId) return "it is the primary";
  if (taken.some(({ hostId }) => hostId === host.hostId)) return "it has a replica";
  if (host.off !== undefined) return "it is off";
  if (!host.connected) return "its agent is not connected";
  if (host.cordoned) return "it is cordoned";
  const near = [primary, ...taken, ...chosen].find((one) => together(host, one, apart, racks));
  if (near !== undefined) return `it is on the same ${apart} as ${near.hostId}`;
  if (apart === "rack" && racks[host.serverId] === undefined) return "its rack is not known";
  const flags = primary.capabilities?.cpuFlags ?? [];
  const why = whyIncompatible(host.capabilities, definition, flags) ?? wanted.refuses(host);
  if (why !== undefined) return why;
  const { memoryBytes } = definition;
  if (freeBytes(host, wanted) < memoryBytes * MEMORY_FACTOR) return "it has too little memory";
  const diskBytes = diskBytesOf(definition) + memoryBytes * DISK_RAM_FACTOR;
  if ((host.capacity?.diskFreeBytes ?? 0) < diskBytes) return "it has too little disk space";
  return undefined;
}

function together(a: Host, b: Host, apart: ProtectionPolicy["apart"], racks: Racks): boolean {
  if (a.serverId === b.serverId) return true;
  return apart === "rack" && racks[a.serverId] === racks[b.serverId];
}

function freeBytes({ hostId, capacity }: Host, { promised }: Wanted): number {
  const { memoryBytes = 0, memoryUsedBytes = 0 } = capacity ?? {};
  return memoryBytes - memoryUsedBytes - (promised.get(hostId) ?? 0);
}

/** Who has an older replica first, then the emptiest, then by name. */
function order(a: Host, b: Host, wanted: Wanted): number {
  const { before } = wanted;
  const kept = Number(before.has(b.hostId)) - Number(before.has(a.hostId));
  if (kept !== 0) return kept;
  const free = freeBytes(b, wanted) - freeBytes(a, wanted);
  if (free !== 0) return free;
  return a.hostId < b.hostId ? -1 : 1;
}
