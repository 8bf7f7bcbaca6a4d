/**
 * What a service processor says of a component: its word, once it has stood for a while.
 * @module
 */
import { type Finding, fires, quiet } from "./evidence.ts";
import { hasHeld, holdSince, type Since } from "./hold.ts";
import type { Reading } from "./reading.ts";
import type { Situation } from "./situation.ts";
import { wordOf } from "./values.ts";

export interface StatusHistory {
  readonly criticalSince: Since;
  readonly warningSince: Since;
}

export const NO_STATUS: StatusHistory = { criticalSince: undefined, warningSince: undefined };

const CRITICAL = ["critical", "failed"];

/** DMTF Redfish: Critical needs attention at once, Warning needs attention. */
export function judgeStatus(
  history: StatusHistory,
  readings: readonly Reading[],
  { atMs, config }: Situation,
): readonly [StatusHistory, readonly Finding[]] {
  const word = wordOf(readings, "health");
  if (word === undefined) return [history, [quiet("status", false)]];
  const critical = CRITICAL.includes(word);
  const next: StatusHistory = {
    criticalSince: holdSince(history.criticalSince, critical, atMs),
    warningSince: holdSince(history.warningSince, critical || word === "warning", atMs),
  };
  const evidence = {
    signal: "health",
    value: critical ? 2 : 1,
    threshold: 0,
    text: `The service processor calls it ${word}`,
  } as const;
  if (hasHeld(next.criticalSince, atMs, config.holdMs)) {
    return [next, [fires("status", "failing", evidence)]];
  }
  const warned = hasHeld(next.warningSince, atMs, config.holdMs);
  return [next, [warned ? fires("status", "suspect", evidence) : quiet("status")]];
}
