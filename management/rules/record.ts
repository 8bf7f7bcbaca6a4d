/**
 * What is durable of a VM's rules, and how they are asked for.
 * @module
 */
import { z } from "zod";
import { type HostId, hostId, type OperationId, operationId, vmId } from "../../protocol/ids.ts";
import type { Ask } from "../../protocol/operator.ts";
import type { ParameterValues } from "../../protocol/parameters.ts";
import { ruleSet } from "../../protocol/rules.ts";

export const swapRecord = z.strictObject({
  /** Given to the coordinator: asked again, it swaps once. */
  operationId,
  from: hostId,
  to: hostId,
  outcome: z.enum(["running", "moved", "failed", "cancelled"]),
  /** Why it was asked for; and what the coordinator said of its end. */
  reason: z.string().max(1_024),
  result: z.string().max(1_024).optional(),
  /** Of its asking, for people. */
  wallTime: z.string().max(32),
  /** How long ago it began or ended when this was saved: the next life counts on from there. */
  ageMs: z.number().nonnegative(),
});
export type SwapRecord = z.infer<typeof swapRecord>;

export const rulesRecord = z.strictObject({
  vmId,
  rules: ruleSet,
  /** When they were set. */
  wallTime: z.string().max(32),
  /** Those that a limit may still depend on, the oldest first. */
  swaps: z.array(swapRecord),
});
export type RulesRecord = z.infer<typeof rulesRecord>;

/** What is known now of the hosts of all VMs that have rules. */
export interface Review {
  readonly type: "review";
  readonly values: HostValues;
  /** Never used before: part of the ids of what is begun now. */
  readonly nonce: string;
  readonly wallTime: string;
}

export type HostValues = Readonly<{ [hostId: HostId]: ParameterValues }>;

export type RulesAsk = Extract<Ask, { method: "rules-set" | "rules-remove" }>;

/** An operator sets or removes a VM's rules. */
export interface RulesChange {
  readonly type: "rules";
  readonly operationId: OperationId;
  readonly ask: RulesAsk;
  readonly wallTime: string;
}
