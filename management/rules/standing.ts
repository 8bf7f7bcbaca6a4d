/**
 * How the hosts of a VM stand to its rules, from review to review.
 * @module
 */
import type { HostId, VmId } from "../../protocol/ids.ts";
import type { ParameterValues } from "../../protocol/parameters.ts";
import type { RuleSet } from "../../protocol/rules.ts";
import type { RulesRecord, SwapRecord } from "./record.ts";
import { type Judged, judge, worstOf } from "./verdict.ts";

/** Within so long swaps are counted. */
export const DAY_MS = 86_400_000;
/** A longer time between two reviews was no watching: what held before it begins anew. */
const REVIEW_MS_MAX = 10_000;

export interface Swap extends Omit<SwapRecord, "ageMs"> {
  /** When it began or, once it is over, ended. Negative for one of an earlier life. */
  readonly atMs: number;
}

export interface HostStanding {
  readonly judged: Readonly<{ [parameter: string]: Judged }>;
  /** Since when all of its parameters are inside. */
  readonly insideSinceMs?: number;
}

export interface VmRules {
  readonly vmId: VmId;
  readonly rules: RuleSet;
  readonly wallTime: string;
  readonly swaps: readonly Swap[];
  /** Its primary and its secondaries. */
  readonly hosts: Readonly<{ [hostId: HostId]: HostStanding }>;
  /** Where the VM runs, and since when it is known to. */
  readonly primary?: { readonly hostId: HostId; readonly sinceMs: number };
  readonly reviewedAtMs: number;
  readonly savedAtMs: number;
  /** When a swap that is held back was told of; and to where, while it still would be made. */
  readonly told?: { readonly target?: HostId; readonly atMs: number };
}

export type AllRules = Readonly<{ [vmId: VmId]: VmRules }>;

/** Rules of an operator, or of another life. */
export function beginRules({ vmId, rules, wallTime, swaps }: RulesRecord, atMs: number): VmRules {
  return {
    vmId,
    rules,
    wallTime,
    swaps: swaps.map(({ ageMs, ...swap }) => ({ ...swap, atMs: atMs - ageMs })),
    hosts: {},
    reviewedAtMs: atMs,
    savedAtMs: atMs,
  };
}

export function recordOfRules(one: VmRules, nowMs: number): RulesRecord {
  const { vmId, rules, wallTime } = one;
  const swaps = one.swaps.map(({ atMs, ...swap }) => ({ ...swap, ageMs: nowMs - atMs }));
  return { vmId, rules, wallTime, swaps };
}

/** The standings after another look at the values, by host. Hosts that are none of it go. */
export function follow(
  before: VmRules,
  primary: HostId,
  secondaries: readonly HostId[],
  valuesOf: (hostId: HostId) => ParameterValues,
  atMs: number,
): VmRules {
  const anew = atMs - before.reviewedAtMs > REVIEW_MS_MAX;
  const stand = (hostId: HostId): [HostId, HostStanding] => {
    const known = before.hosts[hostId];
    const values = valuesOf(hostId);
    const judged = Object.fromEntries(
      Object.entries(before.rules.parameters).map(([name, rule]) => {
        const last = known?.judged[name];
        const since = last === undefined || !anew ? last : { ...last, sinceMs: atMs };
        const value = Object.hasOwn(values, name) ? values[name] : undefined;
        return [name, judge(rule, value, atMs, since)];
      }),
    );
    const inside = worstOf(Object.values(judged).map(({ verdict }) => verdict)) === "inside";
    const insideSinceMs = anew ? atMs : (known?.insideSinceMs ?? atMs);
    return [hostId, inside ? { judged, insideSinceMs } : { judged }];
  };
  const stays = before.primary?.hostId === primary;
  return {
    ...before,
    primary: stays ? before.primary : { hostId: primary, sinceMs: atMs },
    hosts: Object.fromEntries([primary, ...secondaries].map(stand)),
    swaps: before.swaps.filter((swap) => swap.outcome === "running" || atMs - swap.atMs < DAY_MS),
    reviewedAtMs: atMs,
  };
}
