/**
 * The rules of a PCIe device, by the counters of its advanced error reporting.
 *
 * A fatal error takes the link down: failing. One that is not fatal lost a transaction: suspect,
 * and failing when there are more. Corrected ones cost time only, and are suspect when steady.
 * @module
 */
import { type Growth, grownBy, NO_GROWTH, observeGrowth } from "./detectors/growth.ts";
import {
  HOURLY,
  isRateKnown,
  NO_RATE,
  observeRate,
  type RateSpec,
  type RateState,
} from "./detectors/rate.ts";
import { type Evidence, type Finding, fires, quiet } from "./evidence.ts";
import type { PcieSignal, Reading } from "./reading.ts";
import { errorLimits, isAccepted, type Situation } from "./situation.ts";
import { countOf } from "./values.ts";

export interface PcieHistory {
  readonly fatal: Growth;
  readonly nonfatal: Growth;
  readonly corrected: RateState;
}

export const PCIE_SERIES = 1;

const HOUR_MS = 3_600_000;
const WINDOW_MS = 24 * HOUR_MS;
/** So many transactions lost in a day are no accident: an assumption. */
const NONFATAL_MAX = 3;
/** One a minute: a link trained at its edge shows more, a sound one none for days. Assumed. */
const CORRECTED: RateSpec = {
  healthyRate: 60,
  ...HOURLY,
};

export const NO_PCIE: PcieHistory = { fatal: NO_GROWTH, nonfatal: NO_GROWTH, corrected: NO_RATE };

export function judgePcie(
  history: PcieHistory,
  readings: readonly Reading[],
  situation: Situation,
): readonly [PcieHistory, readonly Finding[]] {
  const fatal = grow(history.fatal, "fatal-errors", readings, situation);
  const nonfatal = grow(history.nonfatal, "nonfatal-errors", readings, situation);
  const [corrected, steady] = judgeCorrected(history.corrected, readings, situation);
  const known = countOf(readings, "fatal-errors") !== undefined;
  return [{ fatal, nonfatal, corrected }, [judgeUncorrected(fatal, nonfatal, known), steady]];
}

function grow(
  growth: Growth,
  signal: PcieSignal,
  readings: readonly Reading[],
  situation: Situation,
): Growth {
  const value = countOf(readings, signal);
  if (value === undefined) return growth;
  const { atMs } = situation;
  const limits = errorLimits(situation);
  const next = observeGrowth(growth, { atMs, value, instance: "" }, WINDOW_MS, limits);
  return isAccepted(situation, signal, value) ? { ...next, steps: [] } : next;
}

function judgeUncorrected(fatal: Growth, nonfatal: Growth, known: boolean): Finding {
  const fact = (signal: PcieSignal, value: number, threshold: number, kind: string): Evidence => ({
    signal,
    value,
    threshold,
    unit: "count",
    text: `${kind} PCIe errors in a day: ${value}`,
  });
  const deaths = grownBy(fatal.steps);
  const losses = grownBy(nonfatal.steps);
  if (deaths > 0) {
    return fires("pcie-uncorrected", "failing", fact("fatal-errors", deaths, 0, "Fatal"));
  }
  if (losses === 0) return quiet("pcie-uncorrected", known);
  const risk = losses >= NONFATAL_MAX ? "failing" : "suspect";
  const evidence = fact("nonfatal-errors", losses, NONFATAL_MAX, "Uncorrected");
  return fires("pcie-uncorrected", risk, evidence);
}

function judgeCorrected(
  state: RateState,
  readings: readonly Reading[],
  situation: Situation,
): readonly [RateState, Finding] {
  const events = countOf(readings, "corrected-errors");
  if (events === undefined) return [state, quiet("pcie-corrected", false)];
  const { atMs, allowance } = situation;
  const next = observeRate(state, { atMs, events, base: 0n, scale: 1 }, CORRECTED, allowance);
  if (!next.alarmed || isAccepted(situation, "corrected-errors", events)) {
    return [next, quiet("pcie-corrected", isRateKnown(next))];
  }
  const { seenEvents: value, seenExposure: hours } = next;
  const threshold = CORRECTED.healthyRate * hours;
  const text = `Corrected PCIe errors in ${hours.toFixed(1)} hours: ${value}`;
  const evidence = { signal: "corrected-errors", value, threshold, unit: "count", text } as const;
  return [next, fires("pcie-corrected", "suspect", evidence)];
}
