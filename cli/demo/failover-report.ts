/**
 * What the demo shows of a power cut, as one document.
 * @module
 */
import { z } from "zod";
import { offProof } from "../../protocol/fence.ts";
import { hostId, term, vmId } from "../../protocol/ids.ts";
import type { GuestSeen } from "./witness.ts";

const count = z.int().nonnegative();
const ms = z.number().nonnegative();

const vm = z.strictObject({
  vmId,
  name: z.string(),
  from: hostId,
  to: hostId.nullable(),
  term,
  /** What a failover may lose, by the policy. */
  promisedMs: ms,
  /** Of its newest replica, by the secondary's clock, when it was last told before the cut. */
  lagMs: ms.nullable(),
  /** As the coordinator says it. */
  lost: z.string().nullable(),
  /** From the cut until its new console shows a counter; the fence is part of it. */
  downMs: ms.nullable(),
  /** The last counter before the cut, the first one afterwards, and the newest. */
  counterBefore: count,
  counterResumed: count,
  counterAfter: count,
  /** The counter at the oldest moment that the promise allows to go on from. */
  counterPromised: count,
  tornPages: count,
  diskErrors: count,
  /** It has a secondary again, without anybody's word. */
  protectedAgain: z.boolean(),
});
export type FailoverOutcome = z.infer<typeof vm>;

export const failoverReport = z.strictObject({
  ok: z.boolean(),
  scenario: z.literal("power-cut"),
  tookMs: ms,
  /** Since the cut. */
  provenMs: ms,
  proof: offProof,
  vms: z.array(vm),
  /** Only if not ok: what is wrong, a sentence each. */
  reasons: z.array(z.string()).optional(),
});
export type FailoverReport = z.infer<typeof failoverReport>;

/** A guest before and after, as far as it was seen. */
export interface FailedOver
  extends Omit<
    FailoverOutcome,
    "counterBefore" | "counterResumed" | "counterAfter" | "tornPages" | "diskErrors"
  > {
  readonly seen: GuestSeen;
}

export function failoverReportOf(
  known: Pick<FailoverReport, "tookMs" | "provenMs" | "proof">,
  guests: readonly FailedOver[],
): FailoverReport {
  const vms = guests.map(outcomeOf);
  const reasons = [
    ...(vms.length === 0 ? ["No guest was protected"] : []),
    ...vms.flatMap(faultsOf),
  ];
  return {
    ok: reasons.length === 0,
    scenario: "power-cut",
    ...known,
    vms,
    ...(reasons.length === 0 ? {} : { reasons }),
  };
}

function outcomeOf({ seen, ...known }: FailedOver): FailoverOutcome {
  return {
    ...known,
    counterBefore: seen.before ?? 0,
    counterResumed: seen.firstAfter ?? 0,
    counterAfter: seen.after ?? 0,
    tornPages: seen.tornPages,
    diskErrors: seen.diskErrors,
  };
}

function faultsOf(one: FailoverOutcome): string[] {
  const { name, to, counterResumed, counterAfter, counterPromised, promisedMs } = one;
  if (to === null) return [`${name} did not come up`];
  const faults: string[] = [];
  if (counterResumed < counterPromised) {
    const was = `${counterPromised} was counted ${promisedMs} ms before the cut`;
    faults.push(`${name} went on from ${counterResumed}, though ${was}`);
  }
  if (counterAfter <= counterResumed) faults.push(`${name} does not count any more`);
  if (one.tornPages > 0) faults.push(`${name} found ${one.tornPages} torn pages`);
  if (one.diskErrors > 0) faults.push(`${name} found ${one.diskErrors} disk errors`);
  if (!one.protectedAgain) faults.push(`${name} has no secondary again`);
  return faults;
}
