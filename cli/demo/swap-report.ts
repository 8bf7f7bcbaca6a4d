/**
 * What the demo shows of a swap of roles and back, as one document.
 * @module
 */
import { z } from "zod";
import { hostId, term, vmId } from "../../protocol/ids.ts";

const count = z.int().nonnegative();

const swap = z.strictObject({
  from: hostId,
  to: hostId,
  term,
  /** The rule's words: parameter, value, range, and since when. */
  reason: z.string(),
  /** The guest's last pause; null: it was not told. */
  pauseMs: z.number().nonnegative().nullable(),
  /** The last counter that was seen before, and the newest afterwards. */
  counterBefore: count,
  counterAfter: count,
});
export type Swap = z.infer<typeof swap>;

const vm = z.strictObject({
  vmId,
  name: z.string(),
  swaps: z.array(swap),
  tornPages: count,
  diskErrors: count,
});
export type SwappedVm = z.infer<typeof vm>;

export const swapReport = z.strictObject({
  ok: z.boolean(),
  scenario: z.literal("swap"),
  tookMs: z.number().nonnegative(),
  vms: z.array(vm),
  /** Only if not ok: what is wrong, a sentence each. */
  reasons: z.array(z.string()).optional(),
});
export type SwapReport = z.infer<typeof swapReport>;

/** Each guest is to go there and come back. */
const SWAPS = 2;

export function swapReportOf(tookMs: number, vms: readonly SwappedVm[]): SwapReport {
  const reasons = vms.flatMap(faultsOf);
  return {
    ok: reasons.length === 0,
    scenario: "swap",
    tookMs,
    vms: [...vms],
    ...(reasons.length === 0 ? {} : { reasons }),
  };
}

function faultsOf({ name, swaps, tornPages, diskErrors }: SwappedVm): string[] {
  const faults = swaps.flatMap(({ to, counterBefore, counterAfter }) =>
    counterAfter > counterBefore
      ? []
      : [`${name} counted ${counterBefore} before it went to ${to}, and ${counterAfter} there`],
  );
  if (swaps.length !== SWAPS) faults.push(`${name} was swapped ${swaps.length} times`);
  if (tornPages > 0) faults.push(`${name} found ${tornPages} torn pages`);
  if (diskErrors > 0) faults.push(`${name} found ${diskErrors} disk errors`);
  return faults;
}
