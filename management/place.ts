/**
 * Where a protected VM runs, and where it ran before, as it is kept.
 * @module
 */
import { z } from "zod";
import { hostId, vmId } from "../protocol/ids.ts";

export const placeRecord = z.strictObject({
  vmId,
  hostId,
  /** Since it is protected; absent: nowhere else. */
  formerHostId: hostId.optional(),
});
export type PlaceRecord = z.infer<typeof placeRecord>;

export type Places = Readonly<{ [vmId: string]: PlaceRecord }>;
