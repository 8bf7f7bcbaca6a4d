/**
 * An anytime-valid detector of change: it bets against "healthy", and its winnings are its proof.
 *
 * For every alternative it holds the Shiryaev-Roberts sum M = (M + 1) L, where L is the likelihood
 * ratio of what was just seen. While the thing is healthy L is worth at most 1 on average, given
 * all that came before, so M - t is a supermartingale, and by Ville's inequality
 * P(M reaches c within t steps) <= t / c. The same holds of a mean over alternatives, of an L cut
 * at the top, and of an M that leaks. Nothing is assumed of how samples hang together.
 * Shin, Ramdas and Rinaldo, E-detectors (2022); Ville (1939).
 *
 * Rule 1: L is cut, so that fewer than `PERSISTENCE` samples can never raise an alarm: a burst is
 * no failure, however large it is.
 * Rule 2: M leaks with time, so that bursts far apart do not add up.
 * @module
 */

/** So many samples must speak for a change before it is one. */
export const PERSISTENCE = 4;

/** The logarithm of each alternative's sum. */
export type Wealth = readonly number[];

/** Nothing won yet: sums of zero. */
export function noWealth(alternatives: number): Wealth {
  return Array<number>(alternatives).fill(Number.NEGATIVE_INFINITY);
}

/** The logarithm of c: with it a false alarm comes after `arl0Samples` on average, or later. */
export function wealthLimit(arl0Samples: number): number {
  return Math.log(arl0Samples);
}

/** The most that one sample may be worth, as a logarithm: `PERSISTENCE` of them are enough. */
export function sampleLimit(limit: number): number {
  return limit / (PERSISTENCE - 0.5);
}

/** The sums after one more sample with these log likelihood ratios, a `leak` of them lost. */
export function bet(
  wealth: Wealth,
  logRatios: readonly number[],
  logRatioMax: number,
  leak: number,
): Wealth {
  const won = wealth.slice();
  for (let index = 0; index < won.length; index += 1) {
    won[index] = logPlusOne(won[index]! - leak) + Math.min(logRatios[index]!, logRatioMax);
  }
  return won;
}

/** The logarithm of the mean over the alternatives: what is held against the limit. */
export function worth(wealth: Wealth): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const log of wealth) most = Math.max(most, log);
  if (most === Number.NEGATIVE_INFINITY) return most;
  let sum = 0;
  for (const log of wealth) sum += Math.exp(log - most);
  return most + Math.log(sum / wealth.length);
}

/** log(e^x + 1), for any x. */
function logPlusOne(x: number): number {
  return x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
}

/**
 * How much likelier `count` events are when `multiple` times `expected` are due, as a logarithm.
 * Its mean under any smaller intensity is at most 1: the healthy rate may be anything below.
 */
export function poissonLogRatio(count: number, expected: number, multiple: number): number {
  return count * Math.log(multiple) - (multiple - 1) * expected;
}
