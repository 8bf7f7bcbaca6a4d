/**
 * What scores are worth: how many of the failed are found at a rate of false alarms.
 * @module
 */

/** A share with its 95 % interval (Wilson, 1927). */
export interface Rate {
  readonly hits: number;
  readonly of: number;
  readonly low: number;
  readonly high: number;
}

const Z95 = 1.96;

export function rateOf(hits: number, of: number): Rate {
  const share = hits / of;
  const scale = 1 + Z95 ** 2 / of;
  const centre = (share + Z95 ** 2 / (2 * of)) / scale;
  const half = (Z95 * Math.sqrt((share * (1 - share)) / of + (Z95 / (2 * of)) ** 2)) / scale;
  return { hits, of, low: centre - half, high: centre + half };
}

/** One rate of several ways to split the same units: the mean, as sure as one of them. */
export function meanRate(rates: readonly Rate[]): Rate {
  const hits = rates.reduce((sum, rate) => sum + rate.hits, 0) / rates.length;
  return rateOf(hits, rates[0]!.of);
}

/** `62.7 % (56.4-68.5)` */
export function rateText({ hits, of, low, high }: Rate): string {
  const percent = (share: number): string => (100 * share).toFixed(1);
  return `${percent(hits / of)} % (${percent(low)}-${percent(high)})`;
}

/** The least threshold that at most a share `far` of the healthy scores is above. */
export function thresholdAt(healthy: readonly number[], far: number): number {
  const descending = healthy.toSorted((a, b) => b - a);
  return descending[Math.min(descending.length - 1, Math.floor(far * descending.length))]!;
}

export function rateAbove(scores: readonly number[], threshold: number): Rate {
  return rateOf(scores.filter((score) => score > threshold).length, scores.length);
}

/** The best harmonic mean of precision and recall that any threshold reaches. */
export function bestF1(scores: readonly number[], failed: readonly boolean[]): number {
  const order = scores.map((_, index) => index).sort((a, b) => scores[b]! - scores[a]!);
  const all = failed.filter(Boolean).length;
  let [found, best] = [0, 0];
  for (const [taken, index] of order.entries()) {
    if (failed[index]) found++;
    const next = order[taken + 1];
    // Rows of one score are alarmed together or not at all.
    if (next !== undefined && scores[next] === scores[index]) continue;
    best = Math.max(best, (2 * found) / (taken + 1 + all));
  }
  return best;
}
