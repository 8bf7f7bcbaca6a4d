/**
 * The management server's part of a site's configuration file (docs/operations.md has an example).
 * @module
 */
import { z } from "zod";
import { SystemError } from "../protocol/error.ts";
import { address, hostId, serverId } from "../protocol/ids.ts";
import { COORDINATOR_LISTEN, MANAGEMENT_LISTEN } from "../runtime/site.ts";
import { DEFAULTS } from "./state.ts";
import { EVENTS_KEPT } from "./store.ts";

const share = z.number().min(0).max(1);

const policy = z.strictObject({
  probabilityMin: share.default(DEFAULTS.probabilityMin),
  hostsShareMax: share.default(DEFAULTS.hostsShareMax),
  streamsMax: z.int().min(1).max(64).default(DEFAULTS.streamsMax),
  attemptsMax: z.int().min(1).max(100).default(DEFAULTS.attemptsMax),
  retryMs: z.int().min(100).max(3_600_000).default(DEFAULTS.retryMs),
  stampedeServers: z.int().min(2).max(10_000).default(DEFAULTS.stampedeServers),
  stampedeShare: share.default(DEFAULTS.stampedeShare),
  stampedeWindowMs: z.int().min(1_000).max(86_400_000).default(DEFAULTS.stampedeWindowMs),
  pauseMsMax: z.int().min(1).max(3_600_000).default(DEFAULTS.pauseMsMax),
  roundsMax: z.int().min(1).max(1_000).default(DEFAULTS.roundsMax),
});

const section = z.strictObject({
  listen: address.default(MANAGEMENT_LISTEN),
  /** Where the coordinator listens. */
  coordinator: address.default(COORDINATOR_LISTEN),
  /** Allows an address beyond loopback: links are proven, but not encrypted. */
  insecureNetwork: z.boolean().default(false),
  eventsKept: z.int().min(100).max(10_000_000).default(EVENTS_KEPT),
  policy: policy.prefault({}),
  /** Host -> what an hour of it costs, in the site's currency; a parameter of rules. */
  costPerHour: z.record(hostId, z.number().min(0)).default({}),
  /** Rack -> the servers in it, for those who want them compared. */
  racks: z.record(z.string().min(1).max(63), z.array(serverId).max(1_000)).default({}),
});

/** Server -> rack. @throws SystemError CONFIG_INVALID if one is in two racks */
export function rackOf(racks: Readonly<Record<string, readonly string[]>>): Map<string, string> {
  const found = new Map<string, string>();
  for (const [rack, servers] of Object.entries(racks)) {
    for (const server of servers) {
      const other = found.get(server);
      if (other !== undefined) {
        const reason = `management.racks: ${server} is in ${other} and in ${rack}`;
        throw new SystemError("CONFIG_INVALID", reason);
      }
      found.set(server, rack);
    }
  }
  return found;
}

/** A site's file as the management server reads it: other programs check their own parts. */
export const managementFile = z.strictObject({
  state: z.string().min(1).optional(),
  secrets: z.string().min(1).optional(),
  management: section.prefault({}),
  coordinator: z.unknown().optional(),
});
export type ManagementFile = z.infer<typeof managementFile>;
