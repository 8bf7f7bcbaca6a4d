import { suite } from "uvu";
import * as assert from "uvu/assert";
import { countInterval, fisherP, quantile, shareInterval } from "../../../management/figures.ts";

const figures = suite("figures");

function near(actual: number, expected: number, what: string): void {
  assert.ok(Math.abs(actual - expected) < 5e-4, `${what}: ${actual}, not ${expected}`);
}

// As R 4.3 says: binom.test(hits, all)$conf.int and poisson.test(count)$conf.int.
const SHARES = [
  [0, 10, 0, 0.3085],
  [3, 10, 0.0667, 0.6525],
  [10, 10, 0.6915, 1],
  [50, 1000, 0.0373, 0.0654],
] as const;
const COUNTS = [
  [0, 0, 3.6889],
  [1, 0.0253, 5.5716],
  [10, 4.7954, 18.3904],
] as const;

figures("shareInterval() is that of Clopper and Pearson", () => {
  for (const [hits, all, low, high] of SHARES) {
    const interval = shareInterval(hits, all);
    near(interval[0], low, `${hits} of ${all}, low`);
    near(interval[1], high, `${hits} of ${all}, high`);
  }
  assert.equal(shareInterval(0, 0), [0, 1], "of nothing nothing is known");
});

figures("countInterval() is that of Garwood", () => {
  for (const [count, low, high] of COUNTS) {
    const interval = countInterval(count);
    near(interval[0], low, `${count}, low`);
    near(interval[1], high, `${count}, high`);
  }
});

figures("fisherP() is the two-sided exact test", () => {
  // Fisher's tea taster: 3 of 4 against 1 of 4; and R's fisher.test(matrix(c(3,37,2,498),2)).
  near(fisherP({ hits: 3, all: 4 }, { hits: 1, all: 4 }), 0.4857, "the tea taster");
  near(fisherP({ hits: 4, all: 4 }, { hits: 0, all: 4 }), 0.0286, "all of them");
  near(fisherP({ hits: 0, all: 10 }, { hits: 0, all: 90 }), 1, "none at all");
  assert.ok(fisherP({ hits: 3, all: 40 }, { hits: 2, all: 500 }) < 0.01);
});

figures("quantile() lies between its neighbours", () => {
  assert.equal([quantile([3, 1, 2], 0.5), quantile([1, 2], 0.25)], [2, 1.25]);
});

figures.run();
