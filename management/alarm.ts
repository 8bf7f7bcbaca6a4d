/**
 * The records of what became of predictions, and how they are read.
 * @module
 */
import { z } from "zod";
import { operationId, serverId } from "../protocol/ids.ts";
import { type Ask, told } from "../protocol/operator.ts";
import { component, prediction, source } from "../protocol/prediction.ts";

/** Predictions and rules of one alarm. */
export const JOINED_MAX = 16;
/** Alarms kept in memory and in the store; the oldest that are over give way. */
export const ALARMS_KEPT = 10_000;

/** When, by the wall clock: ISO 8601. */
const when = z.string().max(32);

export const alarmRecord = z.strictObject({
  /** Its first prediction's. */
  alarmId: operationId,
  /** The newest of those that joined it. */
  joined: z.array(operationId).max(JOINED_MAX),
  serverId,
  source,
  component,
  device: z.string().max(1_024),
  rules: z.array(z.string().max(32)).max(JOINED_MAX),
  /** The highest that was told. */
  probability: z.number(),
  horizonMs: z.int(),
  basis: prediction.shape.basis,
  wallTime: when,
  ended: z
    .strictObject({
      cause: z.enum(["healed", "replaced", "acknowledged", "uncordoned"]),
      reason: z.string().max(1_024),
      wallTime: when,
    })
    .optional(),
  /** The evacuation that moved guests off its server while it was open. */
  actedOn: operationId.optional(),
  word: z
    .strictObject({
      outcome: told,
      note: z.string().max(1_024).optional(),
      /** When it failed. */
      failedAt: when.optional(),
      wallTime: when,
    })
    .optional(),
});
export type AlarmRecord = z.infer<typeof alarmRecord>;
export type Alarms = Readonly<{ [alarmId: string]: AlarmRecord }>;

/** A failure that no alarm had told of. */
export const failureRecord = z.strictObject({
  failureId: operationId,
  serverId,
  component,
  device: z.string().max(1_024),
  failedAt: when,
  note: z.string().max(1_024).optional(),
  wallTime: when,
});
export type FailureRecord = z.infer<typeof failureRecord>;

export type Outcome =
  | "failed"
  | "healthy"
  | "cleared"
  | "replaced"
  | "acted-on"
  | "open"
  | "unknown";

/** What became of it, as far as anybody knows. */
export function outcomeOf({ word, ended, actedOn }: AlarmRecord): Outcome {
  if (word !== undefined) return word.outcome;
  if (actedOn !== undefined) return "acted-on";
  switch (ended?.cause) {
    case undefined:
      return "open";
    case "healed":
      return "cleared";
    case "acknowledged":
      return "healthy";
    case "replaced":
      return "replaced";
    case "uncordoned":
      return "unknown";
  }
}

/** Whether it came true; undefined where that is not known, which is no false alarm either. */
export function cameTrue(alarm: AlarmRecord): boolean | undefined {
  const outcome = outcomeOf(alarm);
  if (outcome === "failed") return true;
  return outcome === "healthy" || outcome === "cleared" ? false : undefined;
}

export function isOpen({ ended, word }: AlarmRecord): boolean {
  return ended === undefined && word === undefined;
}

/** An operator's word on what became of a prediction, or on a failure. */
export type WordAsk = Extract<Ask, { method: "outcome" | "failure" }>;
