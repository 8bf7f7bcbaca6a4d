/**
 * The rules of a network adapter, over a short history of its counters.
 *
 * A history belongs to one instance (boot and hardware). A counter that wraps, resets or jumps
 * absurdly empties it: what came before cannot be compared with what comes after.
 * @module
 */
import type { Config } from "./config.ts";
import { type CounterSample, counterChange, FRAME_LIMITS } from "./counter.ts";
import type { Finding } from "./evidence.ts";
import type { NicSignal, Reading } from "./reading.ts";

export interface FrameSample {
  readonly atMs: number;
  /** Good frames and frames with a bad checksum, since the adapter's start. */
  readonly frames: bigint;
  readonly crcErrors: bigint;
}

export interface NicHistory {
  readonly instance: string;
  /** Oldest first, at most `SAMPLES_MAX`. */
  readonly frames: readonly FrameSample[];
  readonly carrier: CarrierSample | undefined;
  /** When each loss of carrier was seen, oldest first, at most `LOSSES_MAX`. */
  readonly lossesAtMs: readonly number[];
  /** Whether the newest readings held the signals of each rule. */
  readonly framesKnown: boolean;
  readonly carrierKnown: boolean;
}

interface CarrierSample {
  readonly atMs: number;
  readonly counter: "carrier-losses" | "carrier-changes";
  readonly value: bigint;
  readonly up: boolean;
  readonly adminUp: boolean;
}

const SAMPLES_MAX = 128;
/** Closer samples are not kept, so that `SAMPLES_MAX` always covers the window. */
const SPACING_MS = 900;
const LOSSES_MAX = 64;
const CARRIER_LIMITS = { perSecondMax: 1_000, gapMs: FRAME_LIMITS.gapMs };

export const EMPTY_HISTORY: NicHistory = {
  instance: "",
  frames: [],
  carrier: undefined,
  lossesAtMs: [],
  framesKnown: false,
  carrierKnown: false,
};

/** Adds the readings of one adapter at `atMs` to its history. */
export function observeNic(
  history: NicHistory,
  readings: readonly Reading[],
  atMs: number,
  config: Config,
): NicHistory {
  const instance = readings[0]?.instance ?? "";
  const kept = history.instance === instance ? history : { ...EMPTY_HISTORY, instance };
  const values = new Map<NicSignal, number | bigint | string>();
  for (const reading of readings) {
    if (reading.status === "ok") values.set(reading.signal as NicSignal, reading.value);
  }
  return observeCarrier(observeFrames(kept, values, atMs), values, atMs, config);
}

type Values = ReadonlyMap<NicSignal, number | bigint | string>;

function observeFrames(history: NicHistory, values: Values, atMs: number): NicHistory {
  const good = values.get("rx-packets");
  const crcErrors = values.get("rx-crc-errors");
  if (typeof good !== "bigint" || typeof crcErrors !== "bigint") {
    return { ...history, framesKnown: false };
  }
  const current: FrameSample = { atMs, frames: good + crcErrors, crcErrors };
  const previous = history.frames.at(-1);
  if (previous === undefined || !continues(previous, current)) {
    return { ...history, frames: [current], framesKnown: true };
  }
  if (atMs - previous.atMs < SPACING_MS) return { ...history, framesKnown: true };
  const frames = [...history.frames, current].slice(-SAMPLES_MAX);
  return { ...history, frames, framesKnown: true };
}

function continues(previous: FrameSample, current: FrameSample): boolean {
  return (["frames", "crcErrors"] as const).every((name) => {
    const before = { atMs: previous.atMs, value: previous[name], instance: "" };
    const after = { atMs: current.atMs, value: current[name], instance: "" };
    return counterChange(before, after, FRAME_LIMITS).status === "known";
  });
}

function observeCarrier(
  history: NicHistory,
  values: Values,
  atMs: number,
  config: Config,
): NicHistory {
  const sinceMs = atMs - config.carrierWindowMs;
  const recent = history.lossesAtMs.filter((lossAtMs) => lossAtMs > sinceMs);
  const current = carrierSample(values, atMs);
  if (current === undefined) return { ...history, lossesAtMs: recent, carrierKnown: false };
  const losses = lossesBetween(history.carrier, current);
  const lossesAtMs = [...recent, ...Array<number>(losses).fill(atMs)].slice(-LOSSES_MAX);
  return { ...history, carrier: current, lossesAtMs, carrierKnown: true };
}

/** Kernels before 4.16 lack carrier_down_count; carrier_changes counts both directions. */
function carrierSample(values: Values, atMs: number): CarrierSample | undefined {
  const counter = values.has("carrier-losses") ? "carrier-losses" : "carrier-changes";
  const value = values.get(counter);
  if (typeof value !== "bigint") return undefined;
  const up = values.get("carrier") === 1n;
  return { atMs, counter, value, up, adminUp: values.get("admin-up") !== 0 };
}

/** A link taken down by its administrator is no fault; nor is what a reset counter shows. */
function lossesBetween(previous: CarrierSample | undefined, current: CarrierSample): number {
  if (previous === undefined || previous.counter !== current.counter) return 0;
  if (!previous.adminUp || !current.adminUp) return 0;
  const before: CounterSample = { atMs: previous.atMs, value: previous.value, instance: "" };
  const after: CounterSample = { atMs: current.atMs, value: current.value, instance: "" };
  const change = counterChange(before, after, CARRIER_LIMITS);
  if (change.status === "unknown") return 0;
  const delta = Math.min(Number(change.delta), 2 * LOSSES_MAX);
  const losses =
    current.counter === "carrier-losses" ? delta : Math.floor((delta + (previous.up ? 1 : 0)) / 2);
  return Math.min(losses, LOSSES_MAX);
}

export function judgeNic(history: NicHistory, config: Config): readonly Finding[] {
  return [crcErrors(history, config), carrierLosses(history, config)];
}

/**
 * Above the threshold over the whole window and in each third of it: a burst, as when a cable is
 * plugged in, is not a corrupting link. Without enough frames there is no verdict.
 */
function crcErrors(history: NicHistory, config: Config): Finding {
  const none: Finding = { rule: "crc-errors", known: false, risk: "healthy", evidence: [] };
  const window = history.framesKnown ? windowOf(history.frames, config) : undefined;
  if (window === undefined) return none;
  const { rate, frames } = between(window[0]!, window.at(-1)!);
  if (frames < config.framesMin) return none;
  const sustained = thirds(window).every((part) => part.rate > config.crcErrorsPerFrame);
  if (rate <= config.crcErrorsPerFrame || !sustained) {
    return { ...none, known: true };
  }
  const text = `CRC errors a frame: ${rate.toExponential(1)} over ${frames} frames`;
  const threshold = config.crcErrorsPerFrame;
  const evidence = [
    { signal: "rx-crc-errors", value: rate, threshold, unit: "errors/frame", text },
  ] as const;
  return { rule: "crc-errors", known: true, risk: "failing", evidence };
}

const PARTS = 3;

/** The shortest run of newest samples that spans the window and can be cut into thirds. */
function windowOf(samples: readonly FrameSample[], config: Config) {
  const newest = samples.at(-1);
  if (newest === undefined) return undefined;
  for (let first = samples.length - 1 - PARTS; first >= 0; first -= 1) {
    if (newest.atMs - samples[first]!.atMs >= config.crcWindowMs) return samples.slice(first);
  }
  return undefined;
}

function thirds(window: readonly FrameSample[]) {
  const startMs = window[0]!.atMs;
  const spanMs = window.at(-1)!.atMs - startMs;
  const cuts = Array.from({ length: PARTS + 1 }, (_, part) => {
    const atMs = startMs + (spanMs * part) / PARTS;
    return window.findLast((sample) => sample.atMs <= atMs)!;
  });
  return cuts.slice(1).map((cut, part) => between(cuts[part]!, cut));
}

function between(from: FrameSample, to: FrameSample): { rate: number; frames: number } {
  const frames = Number(to.frames - from.frames);
  const errors = Number(to.crcErrors - from.crcErrors);
  return { rate: frames === 0 ? 0 : errors / frames, frames };
}

function carrierLosses(history: NicHistory, config: Config): Finding {
  const known = history.carrierKnown;
  const losses = history.lossesAtMs.length;
  if (losses === 0) return { rule: "carrier-losses", known, risk: "healthy", evidence: [] };
  const minutes = config.carrierWindowMs / 60_000;
  const text = `Losses of carrier in ${minutes} minutes: ${losses}`;
  const threshold = config.carrierLosses;
  const risk = losses >= threshold ? "failing" : "suspect";
  const evidence = [{ signal: "carrier-losses", value: losses, threshold, text }] as const;
  return { rule: "carrier-losses", known, risk, evidence };
}
