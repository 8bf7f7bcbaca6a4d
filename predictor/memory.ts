/**
 * The rules of a memory module, by the counters of its controller (EDAC).
 *
 * A word that could not be corrected: failing. Words corrected faster than ten a day (what
 * mcelog allows a page), hour after hour: suspect only, because of DIMMs with as many errors few
 * fail (about one in twenty within months). What was corrected is forgotten within a day.
 * @module
 */
import {
  HOURLY,
  isRateKnown,
  NO_RATE,
  observeRate,
  type RateSpec,
  type RateState,
} from "./detectors/rate.ts";
import { type Finding, fires, quiet } from "./evidence.ts";
import type { Reading } from "./reading.ts";
import { isAccepted, type Situation } from "./situation.ts";
import { countOf } from "./values.ts";

export interface MemoryHistory {
  readonly corrected: RateState;
}

export const MEMORY_SERIES = 1;

const CORRECTED: RateSpec = {
  healthyRate: 10 / 24,
  ...HOURLY,
};

export const NO_MEMORY: MemoryHistory = { corrected: NO_RATE };

export function judgeMemory(
  history: MemoryHistory,
  readings: readonly Reading[],
  situation: Situation,
): readonly [MemoryHistory, readonly Finding[]] {
  const uncorrected = judgeUncorrected(readings, situation);
  const { atMs, allowance } = situation;
  const events = countOf(readings, "corrected-errors");
  if (events === undefined) return [history, [uncorrected, quiet("memory-corrected", false)]];
  const sample = { atMs, events, base: 0n, scale: 1 };
  const corrected = observeRate(history.corrected, sample, CORRECTED, allowance);
  const accepted = isAccepted(situation, "corrected-errors", events);
  return [{ corrected }, [uncorrected, judgeCorrected(corrected, accepted)]];
}

function judgeUncorrected(readings: readonly Reading[], situation: Situation): Finding {
  const value = countOf(readings, "uncorrected-errors");
  if (value === undefined) return quiet("memory-uncorrected", false);
  const threshold = situation.accepted["uncorrected-errors"] ?? 0;
  if (Number(value) <= threshold) return quiet("memory-uncorrected");
  const text = `Errors that could not be corrected since the start: ${value}`;
  return fires("memory-uncorrected", "failing", {
    signal: "uncorrected-errors",
    value: Number(value),
    threshold,
    unit: "count",
    text,
  });
}

function judgeCorrected(corrected: RateState, accepted: boolean): Finding {
  if (!corrected.alarmed || accepted) return quiet("memory-corrected", isRateKnown(corrected));
  const { seenEvents: value, seenExposure: hours } = corrected;
  const threshold = CORRECTED.healthyRate * hours;
  const text = `Errors corrected in ${hours.toFixed(1)} hours: ${value}; ten a day are borne`;
  return fires("memory-corrected", "suspect", {
    signal: "corrected-errors",
    value,
    threshold,
    unit: "count",
    text,
  });
}
