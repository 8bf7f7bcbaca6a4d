/**
 * The record of an acknowledged baseline, and how one is asked for.
 * @module
 */
import { z } from "zod";
import { type OperationId, serverId } from "../protocol/ids.ts";
import type { Ask } from "../protocol/operator.ts";
import { baseline, type Evidence } from "../protocol/prediction.ts";

export const baselineRecord = baseline.extend({
  serverId,
  note: z.string().max(1_024).optional(),
  wallTime: z.string().max(32),
});
export type BaselineRecord = z.infer<typeof baselineRecord>;

export type AcknowledgeAsk = Extract<Ask, { method: "acknowledge" | "unacknowledge" }>;

export interface Acknowledge {
  readonly type: "acknowledge";
  readonly operationId: OperationId;
  readonly ask: AcknowledgeAsk;
  /** What was told of that device, for who does not say a value. */
  readonly evidence: readonly Evidence[];
  readonly wallTime: string;
}

/** Whether its agent has it: not yet, yes, or yes but its hardware is not there any more. */
export interface BaselineStatus extends BaselineRecord {
  readonly state: "waiting" | "in force" | "lapsed";
}
