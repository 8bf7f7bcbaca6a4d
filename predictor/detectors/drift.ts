/**
 * Whether a gauge has left what is usual for it, by the hour.
 *
 * Samples are averaged over a block, so that a spike is one sample of many and neighbours hang
 * together less; the block is held against the baseline of its circumstances, and cut to
 * `Z_MAX` deviations, so that one block is never proof. The baseline follows slow change (a
 * season) but not while a shift is suspected. A shift that lasts is after `RELEARN_BLOCKS` the
 * new usual: somebody has changed the machine.
 * @module
 */
import { type Baseline, NO_BASELINE, type Usual, usualAt, withPoint } from "./baseline.ts";
import { arl0Samples } from "./budget.ts";
import { cusum, thresholdFor } from "./cusum.ts";
import { ewma, isEwmaBeyond } from "./ewma.ts";

export interface DriftSpec {
  /** The way that is bad. */
  readonly direction: "up" | "down" | "both";
  /** Less than this is never a deviation: the sensor's step, and what nobody would act on. */
  readonly deviationMin: number;
  /** A cumulative sum, or an average that must be off by `changeMin` of the gauge's unit too. */
  readonly method: "sum" | { readonly changeMin: number };
}

export interface DriftState {
  /** The block under way: undefined before the first sample. */
  readonly sinceMs: number | undefined;
  readonly atMs: number;
  readonly sum: number;
  readonly circumstances: number;
  readonly count: number;
  readonly baseline: Baseline;
  /** The cumulative sum or the average, in deviations. */
  readonly statistic: number;
  /** The average distance from what is usual, for the method that has one. */
  readonly change: number;
  /** What the newest judged block was, and what was usual. */
  readonly value: number;
  readonly usual: Usual | undefined;
  readonly alarmed: boolean;
  readonly alarmedBlocks: number;
}

export const BLOCK_MS = 3_600_000;
const RELEARN_BLOCKS = 168;
const Z_MAX = 3;
/** The shift that is let pass: one deviation, and half of one for a baseline not quite right. */
const ALLOWANCE = 1;
const BASELINE_ERROR = 0.5;
const WEIGHT = 0.2;

export const NO_DRIFT: DriftState = {
  sinceMs: undefined,
  atMs: 0,
  sum: 0,
  circumstances: 0,
  count: 0,
  baseline: NO_BASELINE,
  statistic: 0,
  change: 0,
  value: 0,
  usual: undefined,
  alarmed: false,
  alarmedBlocks: 0,
};

export interface DriftSample {
  readonly atMs: number;
  readonly value: number;
  /** How loaded it is, or how fast it is driven; 0 where nothing else moves it. */
  readonly circumstances: number;
}

/** Takes one sample in. After a gap of two blocks the block under way begins anew. */
export function observeDrift(
  state: DriftState,
  { atMs, value, circumstances }: DriftSample,
  spec: DriftSpec,
  { falseAlarmsPerHostYear, series }: DriftAllowance,
): DriftState {
  const { sinceMs } = state;
  if (sinceMs === undefined || atMs - state.atMs > 2 * BLOCK_MS) {
    return { ...state, sinceMs: atMs, atMs, sum: value, circumstances, count: 1 };
  }
  const open = {
    ...state,
    atMs,
    sum: state.sum + value,
    circumstances: state.circumstances + circumstances,
    count: state.count + 1,
  };
  if (atMs - sinceMs < BLOCK_MS) return open;
  const arl0 = arl0Samples(falseAlarmsPerHostYear, series, BLOCK_MS);
  return judge({ ...open, sinceMs: atMs, sum: 0, circumstances: 0, count: 0 }, open, spec, arl0);
}

export interface DriftAllowance {
  readonly falseAlarmsPerHostYear: number;
  readonly series: number;
}

/** What the block that is over (`block`) makes of the state with which the next one begins. */
function judge(next: DriftState, block: DriftState, spec: DriftSpec, arl0: number): DriftState {
  const { baseline, count } = block;
  const [x, value] = [block.circumstances / count, block.sum / count];
  const usual = usualAt(baseline, x);
  if (usual === undefined) return { ...next, baseline: withPoint(baseline, { x, y: value }) };
  if (block.alarmedBlocks >= RELEARN_BLOCKS) return { ...NO_DRIFT, sinceMs: next.sinceMs };
  const deviation = Math.max(spec.deviationMin, usual.deviation);
  const z = towards(spec, (value - usual.value) / deviation);
  const { statistic, change, alarmed, suspected } = movedBy(
    block,
    z,
    value - usual.value,
    spec,
    arl0,
  );
  const alarmedBlocks = alarmed ? block.alarmedBlocks + 1 : 0;
  const kept = suspected ? baseline : withPoint(baseline, { x, y: value });
  return { ...next, statistic, change, value, usual, alarmed, alarmedBlocks, baseline: kept };
}

function towards({ direction }: DriftSpec, z: number): number {
  const cut = Math.max(-Z_MAX, Math.min(Z_MAX, z));
  return direction === "down" ? -cut : cut;
}

function movedBy(state: DriftState, z: number, distance: number, spec: DriftSpec, arl0: number) {
  if (spec.method === "sum") {
    const sum = cusum(state.statistic, z, ALLOWANCE + BASELINE_ERROR);
    // As in nearly every hour: nothing has summed up, whatever the threshold is.
    if (sum === 0) return { statistic: 0, change: distance, alarmed: false, suspected: false };
    const threshold = thresholdFor(arl0, ALLOWANCE);
    // Cut above, or a long excursion would take as long to be forgiven.
    const statistic = Math.min(threshold, sum);
    const alarmed = statistic >= threshold || state.alarmed;
    return { statistic, change: distance, alarmed, suspected: statistic > threshold / 2 };
  }
  const statistic = ewma(state.statistic, z, WEIGHT);
  const change = ewma(state.change, distance, WEIGHT);
  const off = Math.abs(statistic);
  // Suspected from half of the limit.
  const suspected = isEwmaBeyond(2 * off, arl0, WEIGHT);
  const far = suspected && Math.abs(change) >= spec.method.changeMin;
  const beyond = far && isEwmaBeyond(off, arl0, WEIGHT);
  return { statistic, change, alarmed: beyond || (state.alarmed && suspected), suspected };
}
