/**
 * Whether a VM's primary and a secondary swap their roles now, to which, and what it waits for.
 * The decision looks at standings and limits only: explained, it is the same as carried out.
 * @module
 */
import type { HostId } from "../../protocol/ids.ts";
import { kindOf } from "../../protocol/parameters.ts";
import { type Situation, SWAPS_AT_ONCE } from "./situation.ts";
import type { HostStanding, VmRules } from "./standing.ts";
import { comfort, worstOf } from "./verdict.ts";

const SECOND_MS = 1_000;

export interface Decision {
  /** The best of those that are fit for long enough. */
  readonly target?: HostId;
  /** Why the roles are swapped, or would be. */
  readonly reason?: string;
  /** What a swap waits for; it is made when this is empty. */
  readonly waits: readonly string[];
  /** Only the site's own state holds it back: mode, `disarm`, coordinator. */
  readonly heldOnly: boolean;
}

export function decide(one: VmRules, situation: Situation, atMs: number): Decision {
  const { vm, busy } = situation;
  const { held } = situation.site;
  const { primary } = one;
  if (vm === undefined) return stay("The coordinator has told of no such VM");
  if (primary === undefined) return stay(busy ?? "No review has been made yet");
  const standing = one.hosts[primary.hostId];
  const outside = standing === undefined ? undefined : longestOutside(standing);
  const target = bestOf(one, situation, atMs);
  const waits = [
    ...(busy === undefined ? [] : [busy]),
    ...primaryWaits(one, primary.hostId, standing, outside, atMs),
    ...(target === undefined ? [noneFit(one, situation, atMs)] : []),
    ...limits(one, situation, primary.sinceMs, atMs),
  ];
  const all = held === undefined ? waits : [...waits, held];
  if (target === undefined || outside === undefined) return { waits: all, heldOnly: false };
  const reason = reasonOf(one, primary.hostId, outside, target, atMs);
  return { target, reason, waits: all, heldOnly: held !== undefined && waits.length === 0 };
}

function stay(why: string): Decision {
  return { waits: [why], heldOnly: false };
}

/** The parameter that is outside, and since the longest. */
function longestOutside({ judged }: HostStanding): string | undefined {
  const [first] = Object.entries(judged)
    .filter(([, { verdict }]) => verdict === "outside")
    .sort(([, a], [, b]) => a.sinceMs - b.sinceMs);
  return first?.[0];
}

function primaryWaits(
  { rules }: VmRules,
  hostId: HostId,
  standing: HostStanding | undefined,
  outside: string | undefined,
  atMs: number,
): string[] {
  if (outside === undefined) {
    const judged = Object.entries(standing?.judged ?? {});
    const unknown = judged.filter(([, { verdict }]) => verdict === "unknown").map(([name]) => name);
    return [
      unknown.length === 0
        ? `The primary ${hostId} is inside`
        : `Of the primary ${hostId} is not known: ${unknown.join(", ")}`,
    ];
  }
  const forMs = atMs - (standing?.judged[outside]?.sinceMs ?? atMs);
  if (forMs >= rules.outsideSeconds * SECOND_MS) return [];
  const wanted = `${rules.outsideSeconds} s are wanted`;
  return [`${outside} of the primary ${hostId} is outside for ${secondsOf(forMs)}, ${wanted}`];
}

/** Not where the last swap failed, if there is another; then the most comfortable; then by name. */
function bestOf(one: VmRules, { secondaries }: Situation, atMs: number): HostId | undefined {
  const last = one.swaps.at(-1);
  const failedAt = last?.outcome === "failed" ? last.to : undefined;
  const wantedMs = one.rules.insideSeconds * SECOND_MS;
  const fit = secondaries
    .filter(({ obstacles }) => obstacles.length === 0)
    .map(({ hostId }) => hostId)
    .filter((hostId) => insideFor(one, hostId, atMs) >= wantedMs);
  const order = (a: HostId, b: HostId): number =>
    Number(a === failedAt) - Number(b === failedAt) ||
    scoreOf(one, b) - scoreOf(one, a) ||
    (a < b ? -1 : 1);
  return fit.sort(order)[0];
}

/** -1 for one that is not inside. */
function insideFor(one: VmRules, hostId: HostId, atMs: number): number {
  const since = one.hosts[hostId]?.insideSinceMs;
  return since === undefined ? -1 : atMs - since;
}

/** The weighted mean of its values' comfort, 0 to 1; what is not known counts as 0. */
export function scoreOf({ rules, hosts }: VmRules, hostId: HostId): number {
  let sum = 0;
  let weights = 0;
  for (const [name, rule] of Object.entries(rules.parameters)) {
    const value = hosts[hostId]?.judged[name]?.value;
    sum += value === undefined ? 0 : rule.weight * comfort(name, rule, value);
    weights += rule.weight;
  }
  return weights === 0 ? 0 : sum / weights;
}

function noneFit(one: VmRules, { secondaries }: Situation, atMs: number): string {
  if (secondaries.length === 0) return "It has no secondary";
  const each = secondaries.map(({ hostId, obstacles }) => {
    const forMs = insideFor(one, hostId, atMs);
    const wanted = one.rules.insideSeconds;
    const soon = `it is inside for ${secondsOf(forMs)}, ${wanted} s are wanted`;
    const early = forMs >= 0 && forMs < wanted * SECOND_MS ? [soon] : [];
    return `${hostId}: ${[...obstacles, ...notInside(one.hosts[hostId]), ...early].join(", ")}`;
  });
  return `No secondary is fit (${each.join("; ")})`.slice(0, 1_000);
}

function notInside(standing: HostStanding | undefined): string[] {
  return Object.entries(standing?.judged ?? {}).flatMap(([name, { verdict }]) =>
    verdict === "inside" ? [] : [`${name} is ${verdict}`],
  );
}

function limits(one: VmRules, { site }: Situation, since: number, atMs: number): string[] {
  const { swapsRunning } = site;
  const { dwellSeconds, coolDownSeconds, swapsPerDay } = one.rules;
  const last = one.swaps.at(-1);
  const swapping = last?.outcome === "running";
  const left = (fromMs: number, seconds: number) => fromMs + seconds * SECOND_MS - atMs;
  const dwellMs = left(since, dwellSeconds);
  const coolMs = last === undefined ? 0 : left(last.atMs, coolDownSeconds);
  return [
    ...(swapping ? [`It is being swapped, by ${last.operationId}`] : []),
    ...(dwellMs > 0 ? [`It dwells where it is for another ${secondsOf(dwellMs)}`] : []),
    ...(!swapping && coolMs > 0 ? [`It cools down for another ${secondsOf(coolMs)}`] : []),
    ...(one.swaps.length >= swapsPerDay
      ? [`Its ${swapsPerDay} swaps within 24 hours have been made`]
      : []),
    ...(!swapping && swapsRunning >= SWAPS_AT_ONCE
      ? [`${swapsRunning} other VMs are being swapped: at most ${SWAPS_AT_ONCE} at once`]
      : []),
  ];
}

function reasonOf(
  one: VmRules,
  primary: HostId,
  outside: string,
  target: HostId,
  atMs: number,
): string {
  const { value = 0, sinceMs } = one.hosts[primary]!.judged[outside]!;
  const { unit } = kindOf(outside);
  const said = unit === "" ? `${rounded(value)}` : `${rounded(value)} ${unit}`;
  const range = rangeText(one.rules.parameters[outside]!.range);
  const why = `${outside} of ${primary} is ${said}, outside ${range}`;
  const score = scoreOf(one, target).toFixed(2);
  const fit = `${target} is inside for ${secondsOf(insideFor(one, target, atMs))}, score ${score}`;
  return `${why} for ${secondsOf(atMs - sinceMs)}; ${fit}`;
}

/** `[0, 70]`, and `-` where there is no limit. */
export function rangeText([min, max]: readonly [number | null, number | null]): string {
  return `[${min ?? "-"}, ${max ?? "-"}]`;
}

/** A whole host's verdict. */
export function verdictOfHost({ judged }: HostStanding): ReturnType<typeof worstOf> {
  return worstOf(Object.values(judged).map(({ verdict }) => verdict));
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

function secondsOf(ms: number): string {
  return `${Math.ceil(ms / SECOND_MS)} s`;
}
