import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  bet,
  noWealth,
  PERSISTENCE,
  poissonLogRatio,
  sampleLimit,
  wealthLimit,
  worth,
} from "../../../../predictor/detectors/e-detector.ts";
import { poissons } from "../noise.ts";

const detector = suite("e-detector");
const MULTIPLES = [1.25, 10, 100];

/** Samples until the limit is reached; `counts` gives what each sample holds. */
function runLength(counts: () => number, expected: number, limit: number, most: number): number {
  let wealth = noWealth(MULTIPLES.length);
  for (let sample = 1; sample <= most; sample += 1) {
    const count = counts();
    const ratios = MULTIPLES.map((multiple) => poissonLogRatio(count, expected, multiple));
    wealth = bet(wealth, ratios, sampleLimit(limit), 0);
    if (worth(wealth) >= limit) return sample;
  }
  return most;
}

detector("a healthy rate at its very limit alarms later than promised, on average", () => {
  const next = poissons(3);
  for (const expected of [0.02, 0.5, 5]) {
    const limit = wealthLimit(500);
    const lengths = Array.from({ length: 200 }, () =>
      runLength(() => next(expected), expected, limit, 20_000),
    );
    const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
    assert.ok(mean >= 500, `${expected}: ${mean}`);
  }
});

detector("the promise holds of bursts that hang together, while their mean is healthy", () => {
  // Whether a sample is in a burst is decided a hundred samples at a time.
  const next = poissons(4);
  let [left, count] = [0, 0];
  const clumped = (): number => {
    if (left === 0) [left, count] = [100, next(0.05)];
    left -= 1;
    return left === 50 ? count : 0;
  };
  const lengths = Array.from({ length: 100 }, () =>
    runLength(clumped, 0.05, wealthLimit(500), 20_000),
  );
  const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  assert.ok(mean >= 500, `${mean}`);
});

detector(
  "what is far beyond healthy is found at the least number of samples, and no sooner",
  () => {
    const limit = wealthLimit(1e9);
    assert.is(
      runLength(() => 50, 0.01, limit, 100),
      PERSISTENCE,
    );
    assert.is(
      runLength(() => 1e9, 0.01, limit, 100),
      PERSISTENCE,
    );
  },
);

detector("a leak forgets bursts far apart", () => {
  const limit = wealthLimit(1e9);
  const most = sampleLimit(limit);
  let wealth = noWealth(1);
  for (let burst = 0; burst < 50; burst += 1) {
    wealth = bet(wealth, [most], most, 0);
    assert.ok(worth(wealth) < limit);
    for (let quiet = 0; quiet < 10; quiet += 1) wealth = bet(wealth, [0], most, most / 5);
  }
});

detector("poissonLogRatio() is a fair bet at the healthy rate", () => {
  const expected = 2;
  let mean = 0;
  let chance = Math.exp(-expected);
  for (let count = 0; count < 200; count += 1) {
    mean += chance * Math.exp(poissonLogRatio(count, expected, 3));
    chance *= expected / (count + 1);
  }
  assert.ok(Math.abs(mean - 1) < 1e-9, `${mean}`);
});

detector.run();
