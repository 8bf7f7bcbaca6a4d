/**
 * What an operator may ask of the management server, and the event stream it may follow.
 * @module
 */
import { z } from "zod";
import { guestDefinition } from "./definition.ts";
import { hostId, operationId, serverId, text, vmId } from "./ids.ts";
import { parameterName } from "./parameters.ts";
import { component } from "./prediction.ts";
import { ruleSet } from "./rules.ts";

/** How long a value that a site feeds counts. */
export const FED_SECONDS_MAX = 30 * 86_400;

import { drillCheck, protectionPolicy } from "./replication.ts";

export const mode = z.enum(["shadow", "act"]);
export type Mode = z.infer<typeof mode>;

/** What an operator says became of a prediction. */
export const told = z.enum(["failed", "healthy", "replaced", "unknown"]);
export type Told = z.infer<typeof told>;

/** When something was, by the wall clock. */
export const utcTime = z.iso.datetime({
  error: "must be a time in UTC such as 2026-01-31T12:00:00Z",
});

/** One request; the answer is a `response` with the same id. */
export const request = z.strictObject({
  type: z.literal("request"),
  operationId,
  ask: z.discriminatedUnion("method", [
    z.strictObject({ method: z.literal("status") }),
    z.strictObject({ method: z.literal("events"), after: z.int().min(0), follow: z.boolean() }),
    z.strictObject({ method: z.literal("mode"), mode: mode.optional() }),
    z.strictObject({ method: z.literal("disarm"), disarmed: z.boolean() }),
    z.strictObject({ method: z.literal("cordon"), hostId, cordoned: z.boolean() }),
    /** The server's name is typed again, so that no other is meant. */
    z.strictObject({ method: z.literal("declare-off"), hostId, serverId, reason: text }),
    /** Answered when it has ended, with the proof; a dry run with what would be done. */
    z.strictObject({
      method: z.literal("fence"),
      hostId,
      /** Typed again, so that no other is meant. */
      serverId,
      evenIfConnected: z.boolean(),
      guestsWillStop: z.boolean(),
      dryRun: z.boolean(),
    }),
    z.strictObject({
      method: z.literal("evacuate"),
      hostId,
      dryRun: z.boolean(),
      /** Restrict to these; an empty list means none, never all. */
      vmIds: z.array(vmId).max(1_000).optional(),
      target: hostId.optional(),
      pauseMsMax: z.int().positive().optional(),
    }),
    z.strictObject({ method: z.literal("cancel"), hostId }),
    z.strictObject({ method: z.literal("outcomes") }),
    z.strictObject({
      method: z.literal("outcome"),
      predictionId: operationId,
      outcome: told,
      note: text.optional(),
      /** When it failed; now unless said. */
      at: utcTime.optional(),
    }),
    /** A device of a host has failed, whether or not that was predicted. */
    z.strictObject({
      method: z.literal("failure"),
      hostId,
      component,
      device: text,
      note: text.optional(),
      at: utcTime.optional(),
    }),
    z.strictObject({
      method: z.literal("acknowledge"),
      hostId,
      component,
      device: text,
      /** One signal only; else all that was told. */
      signal: text.optional(),
      /** Up to which nothing is wrong; else what was told. */
      value: z.number().optional(),
      note: text.optional(),
      dryRun: z.boolean(),
    }),
    z.strictObject({
      method: z.literal("unacknowledge"),
      hostId,
      component,
      device: text,
      signal: text.optional(),
    }),
    z.strictObject({ method: z.literal("backtest") }),
    /** How far back a prediction counts. */
    z.strictObject({ method: z.literal("fleet"), days: z.int().min(1).max(3_650) }),
    z.strictObject({
      method: z.literal("explain"),
      hostId,
      component: component.optional(),
      device: text.optional(),
    }),
    z.strictObject({
      method: z.literal("rules-set"),
      vmId,
      rules: ruleSet,
      dryRun: z.boolean(),
    }),
    /** Of all VMs unless one is named. */
    z.strictObject({ method: z.literal("rules-show"), vmId: vmId.optional() }),
    z.strictObject({ method: z.literal("rules-remove"), vmId, dryRun: z.boolean() }),
    z.strictObject({ method: z.literal("rules-explain"), vmId }),
    /** A number that the site feeds in: unknown again after so long. */
    z.strictObject({
      method: z.literal("parameter-set"),
      hostId,
      name: parameterName,
      value: z.number(),
      forSeconds: z.int().min(1).max(FED_SECONDS_MAX),
    }),
    z.strictObject({ method: z.literal("parameters"), hostId: hostId.optional() }),
    z.strictObject({ method: z.literal("vm-run"), hostId, definition: guestDefinition }),
    z.strictObject({ method: z.literal("vm-stop"), vmId }),
    /** Answered when it has ended, well or not. */
    z.strictObject({
      method: z.literal("drill"),
      vmId,
      hostId: hostId.optional(),
      check: drillCheck,
    }),
    /** From now on it is protected so; without a policy, no more. */
    z.strictObject({
      method: z.literal("protect"),
      vmId,
      policy: protectionPolicy.optional(),
      dryRun: z.boolean(),
    }),
    /** Answered when it has ended; a dry run with what would be done. */
    z.strictObject({
      method: z.literal("failover"),
      vmId,
      allowStale: z.boolean(),
      dryRun: z.boolean(),
    }),
    /** Answered when it has ended. */
    z.strictObject({ method: z.literal("switch-over"), vmId, target: hostId }),
    z.strictObject({ method: z.literal("vm-console"), vmId, offset: z.int() }),
  ]),
});
export type Request = z.infer<typeof request>;
export type Ask = Request["ask"];

export const response = z.strictObject({
  type: z.literal("response"),
  operationId,
  ok: z.boolean(),
  code: z.string().max(32).optional(),
  reason: text.optional(),
  /** Shape by method: docs/protocol.md. */
  result: z.json().optional(),
});
export type Response = z.infer<typeof response>;

/** One line of the time line: a message between programs, or something that happened. */
export const event = z.strictObject({
  type: z.literal("event"),
  /** Grows by one; ask for what came after it. */
  id: z.int().positive(),
  wallTime: z.string().max(32),
  /** Milliseconds of the management server's monotonic clock since it started. */
  atMs: z.number().nonnegative(),
  message: z.string().max(64),
  from: z.string().max(80),
  to: z.string().max(80),
  causedBy: z.string().max(80).optional(),
  subject: z.string().max(80).optional(),
  text: text.optional(),
  detail: z.json().optional(),
});
export type Event = z.infer<typeof event>;
