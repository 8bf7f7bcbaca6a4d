/**
 * The coordinator's part of a site's configuration file (docs/operations.md has an example).
 * @module
 */
import { z } from "zod";
import { address, name, serverId } from "../protocol/ids.ts";
import { PING_MS } from "../runtime/heartbeat.ts";
import { redfishConfig } from "../runtime/redfish-config.ts";
import { COORDINATOR_LISTEN } from "../runtime/site.ts";
import { DEFAULTS, REPLICA_LIMITS } from "./state.ts";

const durationMs = z.int().min(100).max(3_600_000);

/** As a service processor shows it; upper and lower case are the same. */
const uuid = z
  .string()
  .regex(/^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$/, "must be a UUID");

const section = z.strictObject({
  listen: address.default(COORDINATOR_LISTEN),
  /** Allows an address beyond loopback: links are proven, but not encrypted. */
  insecureNetwork: z.boolean().default(false),
  limits: z
    .strictObject({
      prepareMs: durationMs.default(DEFAULTS.prepareMs),
      stallMs: durationMs.default(DEFAULTS.stallMs),
      resendMs: durationMs.default(DEFAULTS.resendMs),
      retireMs: durationMs.default(DEFAULTS.retireMs),
      restartMs: durationMs.default(DEFAULTS.restartMs),
      restartsMax: z.int().min(1).max(100).default(DEFAULTS.restartsMax),
    })
    .prefault({}),
  /** Servers that can be fenced: by whom, and which machine it must be. */
  servers: z.record(serverId, z.strictObject({ redfish: redfishConfig, uuid })).default({}),
  /** In which rack a server is, for replicas that shall be in another. */
  racks: z.record(serverId, name).default({}),
  replicas: z
    .strictObject({
      replaceMs: z.int().min(100).max(86_400_000).default(REPLICA_LIMITS.replaceMs),
      statusMs: durationMs.default(REPLICA_LIMITS.statusMs),
      sealMs: durationMs.default(REPLICA_LIMITS.sealMs),
      sealAwayMs: durationMs.default(REPLICA_LIMITS.sealAwayMs),
      promoteMs: durationMs.default(REPLICA_LIMITS.promoteMs),
    })
    .prefault({}),
  fence: z
    .strictObject({
      holdMs: durationMs.default(DEFAULTS.fence.holdMs),
      steadyMs: durationMs.default(DEFAULTS.fence.steadyMs),
      deadlineMs: durationMs.default(DEFAULTS.fence.deadlineMs),
    })
    .prefault({}),
  suspicion: z
    .strictObject({
      /** Two losses of one moment may be noticed as far apart as this. */
      silentMs: durationMs.min(2 * PING_MS).default(DEFAULTS.suspicion.silentMs),
      togetherMs: durationMs.min(60_000).default(DEFAULTS.suspicion.togetherMs),
      lookMs: durationMs.min(3_000).default(DEFAULTS.suspicion.lookMs),
    })
    .prefault({}),
  /** Whether a suspected host is fenced without an operator, and how often. */
  automaticFence: z.boolean().default(DEFAULTS.automaticFence.enabled),
  automaticFencesPerDay: z.int().min(1).max(100).default(DEFAULTS.automaticFence.perDayMax),
});

/** A site's file as the coordinator reads it: other programs check their own parts. */
export const coordinatorFile = z.strictObject({
  state: z.string().min(1).optional(),
  secrets: z.string().min(1).optional(),
  coordinator: section.prefault({}),
  management: z.unknown().optional(),
});
export type CoordinatorFile = z.infer<typeof coordinatorFile>;
