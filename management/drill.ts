/**
 * The newest drill of each replica, as it is kept.
 * @module
 */
import { z } from "zod";
import { type DrillResult, drillResult } from "../protocol/replication.ts";

export const drillRecord = drillResult.omit({ type: true, operationId: true }).extend({
  wallTime: z.string().max(32),
});
export type DrillRecord = z.infer<typeof drillRecord>;

export function drillRecordOf(result: DrillResult, wallTime: string): DrillRecord {
  const { type: _type, operationId: _id, ...rest } = result;
  return { ...rest, wallTime };
}
