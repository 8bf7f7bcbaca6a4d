/**
 * What is ordinary of a series, from its own recent past: median and median absolute deviation
 * over a window of time. Up to half of the window may be faults before the baseline gives way.
 * @module
 */

/** More samples in a window than this: the oldest go first. */
export const SAMPLES_MAX = 1_024;
/** The standard deviation of normal noise is so many times its median absolute deviation. */
const MAD_SIGMA = 1.4826;

export interface Centre {
  readonly median: number;
  /** A standard deviation, from the median absolute deviation. */
  readonly sigma: number;
  readonly samples: number;
  /** From the oldest sample to the newest, in milliseconds. */
  readonly spanMs: number;
}

/** A ring of samples in the order of time. */
export class Baseline {
  private readonly windowMs: number;
  private readonly times = new Float64Array(SAMPLES_MAX);
  private readonly values = new Float64Array(SAMPLES_MAX);
  private oldest = 0;
  private count = 0;

  constructor(windowMs: number) {
    this.windowMs = windowMs;
  }

  /** Adds a sample, and forgets what is older than the window before it. */
  add(atMs: number, value: number): void {
    if (this.count === SAMPLES_MAX) this.forget();
    while (this.count > 0 && this.times[this.oldest]! < atMs - this.windowMs) this.forget();
    const next = (this.oldest + this.count) % SAMPLES_MAX;
    this.times[next] = atMs;
    this.values[next] = value;
    this.count++;
  }

  /** What is ordinary now; undefined while there is nothing. */
  centre(): Centre | undefined {
    if (this.count === 0) return undefined;
    const values = Float64Array.from({ length: this.count }, (_, at) => this.values[this.at(at)]!);
    const median = medianOf(values);
    const deviations = values.map((value) => Math.abs(value - median));
    const spanMs = this.times[this.at(this.count - 1)]! - this.times[this.oldest]!;
    return { median, sigma: MAD_SIGMA * medianOf(deviations), samples: this.count, spanMs };
  }

  private at(index: number): number {
    return (this.oldest + index) % SAMPLES_MAX;
  }

  private forget(): void {
    this.oldest = (this.oldest + 1) % SAMPLES_MAX;
    this.count--;
  }
}

/** Sorts `values`. The lower one of an even number's two. */
function medianOf(values: Float64Array): number {
  return values.sort()[(values.length - 1) >> 1]!;
}
