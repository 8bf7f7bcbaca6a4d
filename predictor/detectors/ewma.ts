/**
 * The exponentially weighted moving average (Roberts, 1959): slower than a cumulative sum for a
 * step, and in the unit of the sample, so that it can be held against a limit people understand.
 * @module
 */
import { normalLimit } from "./budget.ts";

/** What the average is after one more sample; `weight` is the sample's, in (0, 1]. */
export function ewma(average: number, sample: number, weight: number): number {
  return average + weight * (sample - average);
}

/**
 * How many sigmas of a sample the average of normal samples may be off with at most one false
 * alarm in `arl0Samples`. It is the union bound over the samples: however they hang together.
 */
export function ewmaLimit(arl0Samples: number, weight: number): number {
  return normalLimit(1 / arl0Samples) * Math.sqrt(weight / (2 - weight));
}
