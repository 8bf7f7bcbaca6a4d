/**
 * The rules of a drive's wear, for drives that count it themselves: NVMe by its health log, SCSI
 * by its error counters. Levels are judged as they are, growth by the drive's own earlier counts.
 * @module
 */
import { type Growth, grownBy, NO_GROWTH, observeGrowth } from "./detectors/growth.ts";
import {
  isRateKnown,
  NO_RATE,
  observeRate,
  type RateSpec,
  type RateState,
} from "./detectors/rate.ts";
import { type Finding, fires, quiet, type Rule } from "./evidence.ts";
import type { DiskSignal, Reading } from "./reading.ts";
import { errorLimits, isAccepted, type Situation } from "./situation.ts";
import { countOf, gaugeOf } from "./values.ts";

export interface WearHistory {
  readonly media: RateState;
  readonly defects: Growth;
  readonly uncorrected: Growth;
}

/** Statistical detectors of one drive. */
export const DISK_SERIES = 1;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Drives are asked every few minutes or hours. */
const DRIVE_GAP_MS = DAY_MS;
const WINDOW_MS = 7 * DAY_MS;
/** So many errors a week that the drive could not correct: an assumption. */
const UNCORRECTED_MAX = 2;
/** One lost block a month is more than most drives ever show: an assumption. */
const MEDIA: RateSpec = {
  healthyRate: 1 / (30 * 24),
  exposure: (elapsedMs) => elapsedMs / HOUR_MS,
  blockMs: HOUR_MS,
  forgetMs: 7 * DAY_MS,
  exposureMin: 1e-3,
};

export const NO_WEAR: WearHistory = { media: NO_RATE, defects: NO_GROWTH, uncorrected: NO_GROWTH };

export function judgeWear(
  history: WearHistory,
  readings: readonly Reading[],
  situation: Situation,
): readonly [WearHistory, readonly Finding[]] {
  const [media, ...lost] = judgeMedia(history.media, readings, situation);
  const [defects, grown] = judgeGrowth(history.defects, DEFECTS, readings, situation);
  const [uncorrected, unread] = judgeGrowth(history.uncorrected, UNCORRECTED, readings, situation);
  const findings = [judgeSpare(readings), judgeUsed(readings), ...lost, grown, unread];
  return [{ media, defects, uncorrected }, findings];
}

/** Below its threshold the drive promises nothing: NVM Express base specification, log 02h. */
function judgeSpare(readings: readonly Reading[]): Finding {
  const value = gaugeOf(readings, "available-spare");
  const threshold = gaugeOf(readings, "spare-threshold");
  // Virtual drives say 0 of 0: nothing is below that, so nothing is known.
  if (value === undefined || threshold === undefined || threshold === 0) {
    return quiet("spare", false);
  }
  // A drive that has lost nothing yet is not at its end, whatever threshold it names.
  if (value > threshold || value >= 100) return quiet("spare");
  const text = `Spare left: ${value} %; the drive's own threshold: ${threshold} %`;
  const evidence = { signal: "available-spare", value, threshold, unit: "percent", text } as const;
  return fires("spare", "failing", evidence);
}

const USED_MAX = 100;

/** What the vendor expects is used up; many drives go on for long. */
function judgeUsed(readings: readonly Reading[]): Finding {
  const value = gaugeOf(readings, "percentage-used");
  if (value === undefined || value < USED_MAX) return quiet("wear", value !== undefined);
  const text = `Used: ${value} % of what its vendor expects of it`;
  const evidence = { signal: "percentage-used", value, threshold: USED_MAX } as const;
  return fires("wear", "suspect", { ...evidence, unit: "percent", text });
}

function judgeMedia(
  state: RateState,
  readings: readonly Reading[],
  situation: Situation,
): readonly [RateState, Finding, Finding] {
  const events = countOf(readings, "media-errors");
  if (events === undefined) {
    return [state, quiet("media-errors", false), quiet("media-error-rate", false)];
  }
  const { atMs, accepted } = situation;
  const allowance = { ...situation.allowance, gapMs: DRIVE_GAP_MS };
  const media = observeRate(state, { atMs, events, base: 0n, scale: 1 }, MEDIA, allowance);
  const threshold = accepted["media-errors"] ?? 0;
  const value = Number(events);
  if (value <= threshold) {
    return [media, quiet("media-errors"), quiet("media-error-rate", isRateKnown(media))];
  }
  const signal = "media-errors";
  const text = `Media errors: ${value}`;
  const level = fires("media-errors", "suspect", { signal, value, threshold, unit: "count", text });
  if (!media.alarmed) return [media, level, quiet("media-error-rate", isRateKnown(media))];
  const { seenEvents, seenExposure: hours } = media;
  const rate = fires("media-error-rate", "failing", {
    signal,
    value: seenEvents,
    threshold: MEDIA.healthyRate * hours,
    unit: "count",
    text: `Media errors in ${hours.toFixed(0)} hours: ${seenEvents}`,
  });
  return [media, level, rate];
}

interface GrowthRule {
  readonly rule: Rule;
  readonly signal: DiskSignal;
  readonly what: string;
  readonly failingFrom: number;
}

const DEFECTS: GrowthRule = {
  rule: "grown-defects",
  signal: "grown-defects",
  what: "New grown defects",
  failingFrom: Number.POSITIVE_INFINITY,
};
const UNCORRECTED: GrowthRule = {
  rule: "uncorrected-errors",
  signal: "uncorrected-errors",
  what: "New uncorrected errors",
  failingFrom: UNCORRECTED_MAX,
};

function judgeGrowth(
  growth: Growth,
  { rule, signal, what, failingFrom }: GrowthRule,
  readings: readonly Reading[],
  situation: Situation,
): readonly [Growth, Finding] {
  const value = countOf(readings, signal);
  if (value === undefined) return [growth, quiet(rule, false)];
  const sample = { atMs: situation.atMs, value, instance: "" };
  const limits = { ...errorLimits(situation), gapMs: DRIVE_GAP_MS };
  const next = observeGrowth(growth, sample, WINDOW_MS, limits);
  const count = grownBy(next.steps);
  if (count === 0 || isAccepted(situation, signal, value)) return [next, quiet(rule)];
  const text = `${what} in a week: ${count} (${value} in all)`;
  const risk = count >= failingFrom ? "failing" : "suspect";
  return [next, fires(rule, risk, { signal, value: count, threshold: 0, unit: "count", text })];
}
