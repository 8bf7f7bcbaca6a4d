import { suite } from "uvu";
import * as assert from "uvu/assert";
import { grownBy, NO_GROWTH, observeGrowth } from "../../../../predictor/detectors/growth.ts";

const growth = suite("growth");
const LIMITS = { perSecondMax: 1e6, gapMs: 10_000 };

function grown(values: readonly bigint[], stepMs = 1_000, windowMs = 10_000): number {
  const last = values.reduce(
    (state, value, index) =>
      observeGrowth(state, { atMs: index * stepMs, value, instance: "" }, windowMs, LIMITS),
    NO_GROWTH,
  );
  return grownBy(last.steps);
}

growth("observeGrowth() sums the steps of the window, and no wrap, reset or gap", () => {
  const cases: readonly [what: string, values: bigint[], grown: number, stepMs?: number][] = [
    ["none", [5n, 5n, 5n], 0],
    ["what was there before", [700n], 0],
    ["steps", [5n, 6n, 6n, 9n], 4],
    ["reset", [5n, 6n, 0n, 1n], 2],
    ["wrapped", [2n ** 64n - 1n, 0n], 0],
    ["jumped", [0n, 2n ** 60n], 0],
    ["after a gap", [0n, 5n], 0, 60_000],
    ["out of the window", [0n, 3n, ...Array<bigint>(11).fill(3n)], 0],
  ];
  for (const [what, values, expected, stepMs] of cases) {
    assert.is(grown(values, stepMs), expected, what);
  }
});

growth("observeGrowth() keeps a bounded number of steps, and every count", () => {
  const many = Array.from({ length: 1_000 }, (_, index) => BigInt(index));
  assert.is(grown(many, 10, 1_000_000), 999);
});

growth.run();
