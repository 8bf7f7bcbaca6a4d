/**
 * The host's operating parameters, as its agent sees them: what its sensors said last, and how
 * long a configured address takes to answer. docs/rules.md tells of each.
 * @module
 */
import { z } from "zod";
import type { Reading, Signal } from "../../predictor/reading.ts";
import { address } from "../../protocol/ids.ts";
import type { ParameterValues } from "../../protocol/parameters.ts";
import { parseAddress } from "../../runtime/address.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { MeasureAnswer } from "../../runtime/tcp-latency.ts";
import type { Watch } from "../sensors/watch.ts";

/** A regular expression as text. */
export const pattern = z.string().max(1_024).refine(isPattern, "is no regular expression");

/** What of the host becomes a parameter; the `parameters` section below `sensors`. */
export const parametersConfig = z.strictObject({
  /** `host:port` whose answer is timed; none unless given. */
  latencyTo: address.optional(),
  latencyMs: z.int().min(1_000).max(3_600_000).default(5_000),
  /** A regular expression that a whole device must match; all count unless given. */
  temperatureOf: pattern.optional(),
  powerOf: pattern.optional(),
});
export type ParametersConfig = z.infer<typeof parametersConfig>;

/** An answer that takes longer is none. */
export const ANSWER_MS_MAX = 2_000;
/** The shortest of so many counts: one may have waited for this process. */
const ANSWERS_KEPT = 3;
/** A rate over a shorter time says little: the one before it holds. */
const RATE_MS_MIN = 1_000;
const BITS_A_BYTE = 8;
const BITS_A_MEGABIT = 1e6;

export interface ParametersPorts {
  readonly clock: Clock;
  readonly watch: Pick<Watch, "newest">;
  readonly measure: MeasureAnswer;
  /** A reading older than this is of a sensor that is gone. */
  readonly freshMs: number;
}

export interface Parameters {
  /** Those that are known now. */
  read(): ParameterValues;
  stop(): void;
}

export function watchParameters(
  config: ParametersConfig,
  { clock, watch, measure, freshMs }: ParametersPorts,
): Parameters {
  const answers = watchAnswers(config, clock, measure);
  let network: NetworkLoad | undefined;
  return {
    read() {
      const readings = watch.newest(freshMs);
      network = networkLoad(readings, clock.nowMs(), network);
      const found = { ...hostParameters(readings, config), ...answers.read() };
      return network.percent === undefined ? found : { ...found, "network-load": network.percent };
    },
    stop: () => answers.stop(),
  };
}

/** What single readings say; a sensor without a value says nothing. */
export function hostParameters(
  readings: readonly Reading[],
  { temperatureOf, powerOf }: Pick<ParametersConfig, "temperatureOf" | "powerOf">,
): ParameterValues {
  const [load] = valuesOf(readings, "cpu", "load");
  const known = {
    "cpu-load": load === undefined ? undefined : load * 100,
    "cpu-pressure": highest(valuesOf(readings, "cpu", "pressure")),
    "memory-pressure": highest(valuesOf(readings, "memory", "pressure")),
    "disk-pressure": highest(valuesOf(readings, "disk", "pressure")),
    temperature: highest(valuesOf(readings, "temperature", "temperature", temperatureOf)),
    power: highest(valuesOf(readings, "power", "power", powerOf)),
  };
  return Object.fromEntries(
    Object.entries(known).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

function valuesOf(
  readings: readonly Reading[],
  component: Reading["component"],
  signal: Signal,
  devices?: string,
): number[] {
  const wanted = devices === undefined ? undefined : new RegExp(`^(?:${devices})$`);
  return readings.flatMap((one) => {
    if (one.component !== component || one.signal !== signal || one.status !== "ok") return [];
    if (wanted?.test(one.device) === false || typeof one.value === "string") return [];
    return [Number(one.value)];
  });
}

function highest(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : Math.max(...values);
}

export interface NetworkLoad {
  readonly atMs: number;
  /** Bytes by "instance direction", as they were counted at `atMs`. */
  readonly bytes: ReadonlyMap<string, number>;
  /** Of the busiest direction of any adapter, of its link's speed; undefined while not known. */
  readonly percent: number | undefined;
}

/** The network's load since `before`; adapters that do not tell their speed have none. */
export function networkLoad(
  readings: readonly Reading[],
  atMs: number,
  before: NetworkLoad | undefined,
): NetworkLoad {
  if (before !== undefined && atMs - before.atMs < RATE_MS_MIN) return before;
  const bytes = new Map<string, number>();
  const loads: number[] = [];
  const speeds = new Map(
    of(readings, "speed").map(({ device, value }) => [device, value * BITS_A_MEGABIT]),
  );
  for (const signal of ["rx-bytes", "tx-bytes"] as const) {
    for (const { device, instance, value } of of(readings, signal)) {
      const key = `${device} ${instance} ${signal}`;
      bytes.set(key, value);
      const counted = value - (before?.bytes.get(key) ?? Number.NaN);
      const speed = speeds.get(device);
      // Not a number for one that was not there before.
      if (speed === undefined || before === undefined || !(counted >= 0)) continue;
      const seconds = (atMs - before.atMs) / 1_000;
      loads.push(Math.min(100, ((counted * BITS_A_BYTE) / seconds / speed) * 100));
    }
  }
  return { atMs, bytes, percent: highest(loads) };
}

function of(readings: readonly Reading[], signal: Signal) {
  return readings.flatMap((one) =>
    one.component === "nic" && one.signal === signal && one.status === "ok"
      ? [{ device: one.device, instance: one.instance ?? "", value: Number(one.value) }]
      : [],
  );
}

/** Times the configured address's answers, never two at once. */
function watchAnswers(
  { latencyTo, latencyMs }: ParametersConfig,
  clock: Clock,
  measure: MeasureAnswer,
): Parameters {
  if (latencyTo === undefined) return { read: () => ({}), stop() {} };
  const to = parseAddress(latencyTo);
  let answers: readonly (number | undefined)[] = [];
  let waiting = false;
  const ask = async (): Promise<void> => {
    if (waiting) return;
    waiting = true;
    const answer = await measure(to, ANSWER_MS_MAX);
    waiting = false;
    answers = [...answers, answer].slice(-ANSWERS_KEPT);
  };
  void ask();
  const timer = clock.every(latencyMs, () => void ask());
  return {
    read() {
      if (answers.length === 0) return {};
      const came = answers.filter((answer) => answer !== undefined);
      if (answers.at(-1) === undefined) return { "network-reachable": 0 };
      return { "network-reachable": 1, "network-latency": Math.min(...came) };
    },
    stop: () => timer.cancel(),
  };
}

function isPattern(text: string): boolean {
  try {
    return new RegExp(`^(?:${text})$`) instanceof RegExp;
  } catch {
    return false;
  }
}
