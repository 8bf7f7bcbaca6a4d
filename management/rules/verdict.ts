/**
 * Whether a value is inside its range: with hysteresis, and since when. A value that is not known
 * is neither inside nor outside.
 * @module
 */
import { kindOf } from "../../protocol/parameters.ts";
import type { ParameterRule } from "../../protocol/rules.ts";

export type Verdict = "inside" | "outside" | "unknown";

export interface Judged {
  readonly verdict: Verdict;
  readonly sinceMs: number;
  readonly value: number | undefined;
  /** What it was when it was last known: decides within the hysteresis. */
  readonly side: Exclude<Verdict, "unknown"> | undefined;
}

/**
 * The verdict on a value, after the one before it. Between a limit and its hysteresis a value is
 * what it was; one that was nothing yet stays unknown there.
 */
export function judge(
  rule: ParameterRule,
  value: number | undefined,
  atMs: number,
  before: Judged | undefined,
): Judged {
  const verdict = verdictOf(rule, value, before?.side);
  return {
    verdict,
    sinceMs: before?.verdict === verdict ? before.sinceMs : atMs,
    value,
    side: verdict === "unknown" ? before?.side : verdict,
  };
}

function verdictOf(rule: ParameterRule, value: number | undefined, side: Judged["side"]): Verdict {
  if (value === undefined) return "unknown";
  const { range, hysteresis } = rule;
  const [min, max] = [range[0] ?? Number.NEGATIVE_INFINITY, range[1] ?? Number.POSITIVE_INFINITY];
  if (value < min || value > max) return "outside";
  if (value >= min + hysteresis && value <= max - hysteresis) return "inside";
  return side ?? "unknown";
}

/**
 * How good a value is, 0 to 1: its way from the worse end of the range to the better one. Where
 * one end is open, the other limit's size stands for the range.
 */
export function comfort(name: string, rule: ParameterRule, value: number): number {
  const [min, max] = rule.range;
  const lower = (rule.better ?? kindOf(name).better) === "lower";
  const width = min !== null && max !== null ? max - min : Math.abs(max ?? min ?? 0) || 1;
  const worst = lower ? (max ?? (min ?? 0) + width) : (min ?? (max ?? 0) - width);
  const way = (lower ? worst - value : value - worst) / (width || 1);
  return Math.min(1, Math.max(0, way));
}

/** What several verdicts come to: outside by one, inside only by all. */
export function worstOf(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes("outside")) return "outside";
  return verdicts.includes("unknown") ? "unknown" : "inside";
}
