// Chance for tests of detectors: seeded, so that a failure comes again.
import { fractions } from "../../../predictor/training/chance.ts";

/** Standard normal samples: Box and Muller's, one of the pair. */
export function normals(seed: number): () => number {
  const fraction = fractions(seed);
  return () => Math.sqrt(-2 * Math.log(1 - fraction())) * Math.cos(2 * Math.PI * fraction());
}

/** Poisson counts, by Knuth's way: for small means. */
export function poissons(seed: number): (mean: number) => number {
  const fraction = fractions(seed);
  return (mean) => {
    let count = 0;
    for (let product = fraction(); product > Math.exp(-mean); product *= fraction()) count += 1;
    return count;
  };
}
