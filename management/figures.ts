/**
 * Exact figures of small counts: shares, rates and tables of two by two.
 * @module
 */
import assert from "node:assert/strict";

export type Interval = readonly [low: number, high: number];

/** What each end of a 95 % interval leaves out. */
const TAIL = 0.025;
const BISECTIONS = 80;

/** Between which shares `hits` of `all` lie with 95 %, exactly (Clopper and Pearson, 1934). */
export function shareInterval(hits: number, all: number): Interval {
  assert(hits >= 0 && hits <= all, `${hits} of ${all}`);
  if (all === 0) return [0, 1];
  const low = hits === 0 ? 0 : solve((share) => 1 - atMost(hits - 1, all, share) < TAIL, 0, 1);
  const high = hits === all ? 1 : solve((share) => atMost(hits, all, share) > TAIL, 0, 1);
  return [low, high];
}

/** Between which means a Poisson count lies with 95 %, exactly (Garwood, 1936). */
export function countInterval(count: number): Interval {
  const most = 2 * count + 100;
  const high = solve((mean) => poissonAtMost(count, mean) > TAIL, count, most);
  const low =
    count === 0 ? 0 : solve((mean) => 1 - poissonAtMost(count - 1, mean) < TAIL, 0, count);
  return [low, high];
}

/**
 * Fisher's exact test, two-sided: how likely a split of all hits between two groups at least as
 * unlikely as this one would be, were both groups alike.
 */
export function fisherP(
  { hits: a, all: m }: { readonly hits: number; readonly all: number },
  { hits: b, all: n }: { readonly hits: number; readonly all: number },
): number {
  const hits = a + b;
  const chance = (first: number): number =>
    Math.exp(choose(m, first) + choose(n, hits - first) - choose(m + n, hits));
  const seen = chance(a);
  let sum = 0;
  for (let first = Math.max(0, hits - n); first <= Math.min(m, hits); first++) {
    const one = chance(first);
    // What only rounding tells apart is as unlikely.
    if (one <= seen * (1 + 1e-9)) sum += one;
  }
  return Math.min(1, sum);
}

/** The value below which a share of the sorted samples lies, linear between neighbours. */
export function quantile(samples: readonly number[], share: number): number {
  assert(samples.length > 0, "no samples");
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)]!;
  return below + (sorted[Math.ceil(at)]! - below) * (at - Math.floor(at));
}

/**
 * Between which values the median lies with at least 95 %, whatever the distribution: order
 * statistics whose ranks leave at most 2.5 % on each side. Undefined of fewer than six samples.
 */
export function medianInterval(samples: readonly number[]): Interval | undefined {
  const sorted = samples.toSorted((a, b) => a - b);
  const { length: all } = sorted;
  let left = 0;
  let below = Math.exp(all * Math.log(0.5));
  while (below <= TAIL) {
    left++;
    below += Math.exp(choose(all, left) + all * Math.log(0.5));
  }
  if (left === 0) return undefined;
  return [sorted[left - 1]!, sorted[sorted.length - left]!];
}

/** Where `isBelow` turns false between the two ends. */
function solve(isBelow: (at: number) => boolean, from: number, to: number): number {
  let [low, high] = [from, to];
  for (let round = 0; round < BISECTIONS; round++) {
    const middle = (low + high) / 2;
    if (isBelow(middle)) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** How likely at most `hits` of `all` are, each with this chance. */
function atMost(hits: number, all: number, share: number): number {
  let sum = 0;
  for (let n = 0; n <= hits; n++) {
    const log = choose(all, n) + times(n, Math.log(share)) + times(all - n, Math.log1p(-share));
    sum += Math.exp(log);
  }
  return sum;
}

/** Nothing of what is infinite is nothing. */
function times(count: number, log: number): number {
  return count === 0 ? 0 : count * log;
}

function poissonAtMost(count: number, mean: number): number {
  if (mean === 0) return 1;
  let sum = 0;
  for (let n = 0; n <= count; n++) {
    sum += Math.exp(n * Math.log(mean) - mean - factorial(n));
  }
  return sum;
}

/** The logarithm of "n over k". */
function choose(n: number, k: number): number {
  return factorial(n) - factorial(k) - factorial(n - k);
}

const FACTORIALS: number[] = [0, 0];

/** The logarithm of n!, summed once. */
function factorial(n: number): number {
  for (let next = FACTORIALS.length; next <= n; next++) {
    FACTORIALS.push(FACTORIALS[next - 1]! + Math.log(next));
  }
  return FACTORIALS[n]!;
}
