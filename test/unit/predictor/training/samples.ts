/** Made-up samples for the tests of training. */
import type { Samples } from "../../../../predictor/training/boosting.ts";
import { fractions } from "../../../../predictor/training/chance.ts";

/** `rows` rows of features uniform in [0, 1), labelled by `probability` of the row. */
export function madeUp(
  rows: number,
  columns: number,
  seed: number,
  probability: (row: Float32Array) => number,
): Samples {
  const fraction = fractions(seed);
  const values = Float32Array.from({ length: rows * columns }, fraction);
  const labels = Uint8Array.from({ length: rows }, (_, row) => {
    const own = values.subarray(row * columns, (row + 1) * columns);
    return fraction() < probability(own) ? 1 : 0;
  });
  return { rows, columns, values, labels, weights: new Float32Array(rows).fill(1) };
}
