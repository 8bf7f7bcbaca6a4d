/**
 * `lifeboat rules explain`: each value of a VM's primary and secondaries, its range and verdict,
 * and what would happen, and why not yet.
 * @module
 */
import type { HostId, VmId } from "../../protocol/ids.ts";
import { kindOf } from "../../protocol/parameters.ts";
import type { ParameterRule, RuleSet } from "../../protocol/rules.ts";
import { decide, scoreOf, verdictOfHost } from "./decide.ts";
import { type Situation, secondariesOf } from "./situation.ts";
import type { HostStanding, Swap, VmRules } from "./standing.ts";
import type { Judged, Verdict } from "./verdict.ts";

const SECOND_MS = 1_000;

export interface ExplainedParameter {
  readonly name: string;
  readonly unit: string;
  /** null: unknown. */
  readonly value: number | null;
  readonly range: ParameterRule["range"];
  readonly hysteresis: number;
  readonly weight: number;
  readonly verdict: Verdict;
  readonly forSeconds: number;
  /** Why it is what it is, where that is not plain. */
  readonly note?: string;
}

export interface ExplainedHost {
  readonly hostId: HostId;
  readonly role: "primary" | "secondary";
  readonly replica?: string;
  readonly lagMs?: number;
  readonly verdict: Verdict;
  /** Of a secondary that is inside: 0 to 1. */
  readonly score?: number;
  /** How long a secondary has been inside. */
  readonly insideForSeconds?: number;
  readonly obstacles: readonly string[];
  readonly parameters: readonly ExplainedParameter[];
}

export interface Explained {
  readonly vmId: VmId;
  readonly name?: string;
  readonly rules: RuleSet;
  /** When they were set. */
  readonly wallTime: string;
  readonly hosts: readonly ExplainedHost[];
  /** The secondary that would become the primary. */
  readonly target?: HostId;
  readonly reason?: string;
  /** Why that does not happen now. */
  readonly waits: readonly string[];
  /** Parameters that nobody told or fed: most likely misspelt. */
  readonly neverFed?: readonly string[];
  readonly swaps: readonly (Omit<Swap, "atMs"> & { readonly secondsAgo: number })[];
}

export function explainRules(one: VmRules, situation: Situation, atMs: number): Explained {
  const { vmId, rules, wallTime, primary } = one;
  const { vm } = situation;
  const { target, reason, waits } = decide(one, situation, atMs);
  const first: ExplainedHost[] =
    primary === undefined
      ? []
      : [{ ...hostOf(one, primary.hostId, atMs), role: "primary", obstacles: [] }];
  return {
    vmId,
    ...(vm === undefined ? {} : { name: vm.name }),
    rules,
    wallTime,
    hosts: [...first, ...secondaryHosts(one, situation, atMs)],
    ...(target === undefined ? {} : { target }),
    ...(reason === undefined ? {} : { reason }),
    waits,
    swaps: one.swaps.map(({ atMs: thenMs, ...swap }) => ({
      ...swap,
      secondsAgo: secondsOf(atMs - thenMs),
    })),
  };
}

function secondaryHosts(
  one: VmRules,
  { vm, secondaries }: Situation,
  atMs: number,
): ExplainedHost[] {
  const replicas = vm === undefined ? [] : secondariesOf(vm);
  return secondaries.map(({ hostId, obstacles }) => {
    const replica = replicas.find((each) => each.hostId === hostId);
    const insideSinceMs = one.hosts[hostId]?.insideSinceMs;
    const host = hostOf(one, hostId, atMs);
    return {
      ...host,
      role: "secondary",
      ...(replica === undefined ? {} : { replica: replica.state }),
      ...(replica?.lagMs === undefined ? {} : { lagMs: replica.lagMs }),
      ...(host.verdict === "inside" ? { score: scoreOf(one, hostId) } : {}),
      ...(insideSinceMs === undefined ? {} : { insideForSeconds: secondsOf(atMs - insideSinceMs) }),
      obstacles,
    };
  });
}

const NOTHING: HostStanding = { judged: {} };

function hostOf(one: VmRules, hostId: HostId, atMs: number) {
  const standing = one.hosts[hostId] ?? NOTHING;
  const parameters = Object.entries(one.rules.parameters).map(([name, rule]) =>
    parameterOf(name, rule, standing.judged[name], atMs),
  );
  const verdict = standing === NOTHING ? ("unknown" as const) : verdictOfHost(standing);
  return { hostId, verdict, parameters };
}

function parameterOf(
  name: string,
  { range, hysteresis, weight }: ParameterRule,
  judged: Judged | undefined,
  atMs: number,
): ExplainedParameter {
  const { verdict = "unknown", value, sinceMs = atMs } = judged ?? {};
  const note = noteOf(verdict, value, hysteresis, range);
  return {
    name,
    unit: kindOf(name).unit,
    value: value ?? null,
    range,
    hysteresis,
    weight,
    verdict,
    forSeconds: secondsOf(atMs - sinceMs),
    ...(note === undefined ? {} : { note }),
  };
}

/** A verdict that the range alone does not tell. */
function noteOf(
  verdict: Verdict,
  value: number | undefined,
  hysteresis: number,
  [min, max]: ParameterRule["range"],
): string | undefined {
  if (value === undefined) return "no value is known";
  const within = value >= (min ?? value) && value <= (max ?? value);
  if (verdict === "inside" || !within) return undefined;
  if (verdict === "outside") return `not ${hysteresis} within the range yet`;
  return `within the hysteresis of ${hysteresis}, and it was neither inside nor outside before`;
}

function secondsOf(ms: number): number {
  return Math.round(ms / SECOND_MS);
}
