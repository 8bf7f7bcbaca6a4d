/**
 * The rules of a network adapter. Corruption depends neither on load nor on time (Zhuo et al.,
 * SIGCOMM 2017), so its rate is tested, not its count; a burst, as when a cable is plugged in, is
 * no corrupting link.
 *
 * The counters of frames and those of the port (forward error correction, symbols, light) may
 * come together or apart: each rule speaks when its signals do.
 * @module
 */
import { type CarrierHistory, judgeCarrier, NO_CARRIER } from "./carrier.ts";
import { type DriftSpec, type DriftState, NO_DRIFT, observeDrift } from "./detectors/drift.ts";
import { type Growth, grownBy, NO_GROWTH, observeGrowth } from "./detectors/growth.ts";
import {
  isRateKnown,
  NO_RATE,
  observeRate,
  type RateSpec,
  type RateState,
  seenRate,
} from "./detectors/rate.ts";
import { type Finding, fires, quiet, type Rule } from "./evidence.ts";
import type { NicSignal, Reading } from "./reading.ts";
import { errorLimits, type Situation } from "./situation.ts";
import { countOf, gaugeOf } from "./values.ts";

export interface NicHistory {
  readonly crc: RateState;
  readonly carrier: CarrierHistory;
  /** Of the link, in Mbit/s, as last said. */
  readonly speed: number;
  readonly symbols: RateState;
  readonly margin: RateState;
  readonly limit: RateState;
  readonly lost: RateState;
  readonly lostRecently: Growth;
  readonly light: DriftState;
}

/** Statistical detectors of one adapter, the carrier's among them. */
export const NIC_SERIES = 7;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Where no speed was said; slower links have fewer bits, and are judged more mildly. */
const MEGABITS_USUAL = 10_000;

/** A switch's path is to be left at this loss: CorrOpt (SIGCOMM 2017). */
const CRC: RateSpec = {
  healthyRate: 1e-8,
  exposure: (_elapsedMs, frames, errors) => frames + errors,
  blockMs: 15_000,
  forgetMs: 5 * MINUTE_MS,
  exposureMin: 250,
};

const bits = (elapsedMs: number, megabits: number): number => elapsedMs * megabits * 1_000;

/** The objective for a bit error ratio: IEEE 802.3. */
const SYMBOLS: RateSpec = {
  healthyRate: 1e-12,
  exposure: (elapsedMs, _base, _events, megabits) => bits(elapsedMs, megabits),
  blockMs: MINUTE_MS,
  forgetMs: HOUR_MS,
  exposureMin: 1,
};

/** A codeword of RS(544,514), which counters of FEC count by: IEEE 802.3 clause 91. */
const CODEWORD_BITS = 5_440;
const codewords: RateSpec["exposure"] = (elapsedMs, _base, _events, megabits) =>
  bits(elapsedMs, megabits) / CODEWORD_BITS;

/**
 * The share of codewords with an error at a bit error ratio of 2.4e-4, the most that the code
 * bears (clause 119): 1 - (1 - 2.4e-4)^5440. RS(528,514) bears less, and shows it by losing.
 */
const FEC_LIMIT: RateSpec = {
  healthyRate: 0.729,
  exposure: codewords,
  blockMs: MINUTE_MS,
  forgetMs: HOUR_MS,
  exposureMin: 1,
};
/** The same at a tenth of that ratio. */
const FEC_MARGIN: RateSpec = { ...FEC_LIMIT, healthyRate: 0.122 };

/** Codewords lost for good: one an hour is far beyond the objective at any speed. */
const FEC_LOST: RateSpec = {
  healthyRate: 1,
  exposure: (elapsedMs) => elapsedMs / HOUR_MS,
  blockMs: 15_000,
  forgetMs: 10 * MINUTE_MS,
  exposureMin: 1e-4,
};
const LOST_WINDOW_MS = 10 * MINUTE_MS;

/** In dBm. Half a decibel is a bent fibre's or a meter's; a real loss is more. */
const LIGHT: DriftSpec = { direction: "down", deviationMin: 0.5, method: "sum" };

export const EMPTY_HISTORY: NicHistory = {
  crc: NO_RATE,
  carrier: NO_CARRIER,
  speed: MEGABITS_USUAL,
  symbols: NO_RATE,
  margin: NO_RATE,
  limit: NO_RATE,
  lost: NO_RATE,
  lostRecently: NO_GROWTH,
  light: NO_DRIFT,
};

/** What the host's network stack counts, and the port itself does not. */
const HOST_SIGNALS = ["rx-packets", "carrier-losses", "carrier-changes"] as const;

export type NicStep = readonly [NicHistory, readonly Finding[]];

export function judgeNic(
  history: NicHistory,
  readings: readonly Reading[],
  situation: Situation,
): NicStep {
  let next = history;
  const findings: Finding[] = [];
  if (HOST_SIGNALS.some((signal) => speaksOf(readings, signal))) {
    const [carrier, told] = judgeCarrier(history.carrier, readings, situation);
    const [crc, finding] = judgeCrc(history.crc, readings, situation);
    next = { ...next, carrier, crc, speed: gaugeOf(readings, "speed") ?? next.speed };
    findings.push(finding, ...told);
  }
  if (speaksOf(readings, "symbol-errors")) {
    const [symbols, finding] = judgeSymbols(next, readings, situation);
    next = { ...next, symbols };
    findings.push(finding);
  }
  if (speaksOf(readings, "fec-corrected") || speaksOf(readings, "fec-uncorrectable")) {
    const [fec, told] = judgeFec(next, readings, situation);
    next = { ...next, ...fec };
    findings.push(...told);
  }
  if (speaksOf(readings, "rx-power")) {
    const [light, finding] = judgeLight(next.light, readings, situation);
    next = { ...next, light };
    findings.push(finding);
  }
  return [next, findings];
}

function speaksOf(readings: readonly Reading[], signal: NicSignal): boolean {
  for (const reading of readings) if (reading.signal === signal) return true;
  return false;
}

function judgeCrc(
  state: RateState,
  readings: readonly Reading[],
  { atMs, allowance }: Situation,
): readonly [RateState, Finding] {
  const base = countOf(readings, "rx-packets");
  const events = countOf(readings, "rx-crc-errors");
  if (base === undefined || events === undefined) return [state, quiet("crc-errors", false)];
  const crc = observeRate(state, { atMs, events, base, scale: 1 }, CRC, allowance);
  if (!crc.alarmed) return [crc, quiet("crc-errors", isRateKnown(crc))];
  const value = seenRate(crc);
  const text = `CRC errors a frame: ${value.toExponential(1)} over ${crc.seenExposure} frames`;
  const unit = "errors/frame";
  const threshold = CRC.healthyRate;
  return [
    crc,
    fires("crc-errors", "failing", { signal: "rx-crc-errors", value, threshold, unit, text }),
  ];
}

interface PortRule {
  readonly rule: Rule;
  readonly signal: NicSignal;
  readonly spec: RateSpec;
  readonly risk: "suspect" | "failing";
  readonly what: string;
  readonly unit: string;
}

function judgePort(
  state: RateState,
  { rule, signal, spec, risk, what, unit }: PortRule,
  scale: number,
  readings: readonly Reading[],
  { atMs, allowance }: Situation,
): readonly [RateState, Finding] {
  const events = countOf(readings, signal);
  if (events === undefined) return [state, quiet(rule, false)];
  const next = observeRate(state, { atMs, events, base: 0n, scale }, spec, allowance);
  if (!next.alarmed) return [next, quiet(rule, isRateKnown(next))];
  const value = seenRate(next);
  const threshold = spec.healthyRate;
  const text = `${what}: ${value.toExponential(1)}, at most ${threshold} is healthy`;
  return [next, fires(rule, risk, { signal, value, threshold, unit, text })];
}

const SYMBOL_RULE: PortRule = {
  rule: "symbol-errors",
  signal: "symbol-errors",
  spec: SYMBOLS,
  risk: "suspect",
  what: "Symbol errors a bit",
  unit: "errors/bit",
};
const MARGIN_RULE: PortRule = {
  rule: "fec-margin",
  signal: "fec-corrected",
  spec: FEC_MARGIN,
  risk: "suspect",
  what: "Share of codewords that had to be corrected",
  unit: "share",
};
const LIMIT_RULE: PortRule = {
  ...MARGIN_RULE,
  rule: "fec-limit",
  spec: FEC_LIMIT,
  risk: "failing",
};
const LOST_RULE: PortRule = {
  rule: "fec-uncorrectable",
  signal: "fec-uncorrectable",
  spec: FEC_LOST,
  risk: "failing",
  what: "Codewords beyond correction an hour",
  unit: "errors/hour",
};

function judgeSymbols(history: NicHistory, readings: readonly Reading[], situation: Situation) {
  return judgePort(history.symbols, SYMBOL_RULE, history.speed, readings, situation);
}

function judgeFec(history: NicHistory, readings: readonly Reading[], situation: Situation) {
  const { speed } = history;
  const [margin, first] = judgePort(history.margin, MARGIN_RULE, speed, readings, situation);
  const [limit, second] = judgePort(history.limit, LIMIT_RULE, speed, readings, situation);
  const [lost, third] = judgePort(history.lost, LOST_RULE, 1, readings, situation);
  const [lostRecently, fourth] = judgeLost(history.lostRecently, readings, situation);
  return [{ margin, limit, lost, lostRecently }, [first, second, third, fourth]] as const;
}

/** Any codeword lost makes the link suspect for a while; LOST_RULE is for those that lose on. */
function judgeLost(
  growth: Growth,
  readings: readonly Reading[],
  situation: Situation,
): readonly [Growth, Finding] {
  const value = countOf(readings, "fec-uncorrectable");
  if (value === undefined) return [growth, quiet("fec-loss", false)];
  const { atMs } = situation;
  const sample = { atMs, value, instance: "" };
  const next = observeGrowth(growth, sample, LOST_WINDOW_MS, errorLimits(situation));
  const count = grownBy(next.steps);
  if (count === 0) return [next, quiet("fec-loss")];
  const text = `Codewords beyond correction in ${LOST_WINDOW_MS / MINUTE_MS} minutes: ${count}`;
  const evidence = { signal: "fec-uncorrectable", value: count, threshold: 0, text } as const;
  return [next, fires("fec-loss", "suspect", evidence)];
}

function judgeLight(
  state: DriftState,
  readings: readonly Reading[],
  { atMs, allowance }: Situation,
): readonly [DriftState, Finding] {
  const value = gaugeOf(readings, "rx-power");
  if (value === undefined) return [state, quiet("rx-power", false)];
  const light = observeDrift(state, { atMs, value, circumstances: 0 }, LIGHT, allowance);
  const { alarmed, usual } = light;
  if (!alarmed || usual === undefined) return [light, quiet("rx-power", usual !== undefined)];
  const [now, before] = [light.value, usual.value].map((dbm) => dbm.toFixed(1));
  const text = `Received light: ${now} dBm, usual: ${before} dBm`;
  const evidence = { signal: "rx-power", value: light.value, threshold: usual.value } as const;
  return [light, fires("rx-power", "suspect", { ...evidence, unit: "dBm", text })];
}
