/**
 * The exponentially weighted moving average (Roberts, 1959): slower than a cumulative sum for a
 * step, and in the unit of the sample, so that it can be held against a limit people understand.
 * @module
 */
import { normalTail } from "./budget.ts";

/** What the average is after one more sample; `weight` is the sample's, in (0, 1]. */
export function ewma(average: number, sample: number, weight: number): number {
  return average + weight * (sample - average);
}

/**
 * Whether the average of normal samples, in sigmas of a sample, is farther up than happens once in
 * `arl0Samples`. It is the union bound over the samples: however they hang together.
 */
export function isEwmaBeyond(average: number, arl0Samples: number, weight: number): boolean {
  const z = average / Math.sqrt(weight / (2 - weight));
  return z > 0 && normalTail(z) <= 1 / arl0Samples;
}
