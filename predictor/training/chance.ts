/**
 * Chance for training: the same seed draws the same numbers, millions of them a second.
 * @module
 */

/** Numbers uniform in [0, 1), 32 bits each: mulberry32 (Tommy Ettinger, public domain). */
export function fractions(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A new order of 0 to `count` - 1, of which the first ones are as good as any (Fisher, Yates). */
export function shuffled(count: number, fraction: () => number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(fraction() * (last + 1));
    const kept = order[last]!;
    order[last] = order[other]!;
    order[other] = kept;
  }
  return order;
}
