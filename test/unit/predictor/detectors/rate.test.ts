import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  isRateKnown,
  NO_RATE,
  observeRate,
  type RateSpec,
  type RateState,
} from "../../../../predictor/detectors/rate.ts";

const rate = suite("rate");
const MINUTE_MS = 60_000;
/** One event an hour is healthy. */
const SPEC: RateSpec = {
  healthyRate: 1,
  exposure: (elapsedMs) => elapsedMs / 3_600_000,
  blockMs: MINUTE_MS,
  forgetMs: 60 * MINUTE_MS,
  exposureMin: 1e-6,
};
const ALLOWANCE = { falseAlarmsPerHostYear: 0.01, series: 64, gapMs: 5 * MINUTE_MS };

function observe(events: readonly (number | bigint)[], stepMs = MINUTE_MS): RateState {
  return events.reduce<RateState>(
    (state, count, index) =>
      observeRate(
        state,
        { atMs: index * stepMs, events: BigInt(count), base: 0n, scale: 1 },
        SPEC,
        ALLOWANCE,
      ),
    NO_RATE,
  );
}

const counting = (minutes: number, each: number): number[] =>
  Array.from({ length: minutes + 1 }, (_, minute) => minute * each);

rate("observeRate() alarms on a rate that lasts, whatever it is read by", () => {
  assert.ok(observe(counting(6, 20)).alarmed);
  assert.not.ok(observe(counting(3, 20)).alarmed);
  const often = Array.from({ length: 6 * 60 + 1 }, (_, second) => Math.floor(second / 3));
  assert.ok(observe(often, 1_000).alarmed);
});

rate("observeRate() takes no burst for a rate, however large, and forgets it", () => {
  const burst = [0, 0, 1e6, ...Array<number>(200).fill(1e6)];
  assert.not.ok(observe(burst).alarmed);
  assert.not.ok(observe([...burst, ...Array<number>(300).fill(2e6)]).alarmed);
});

rate("observeRate() is calm again after as many quiet blocks", () => {
  const bad = counting(10, 20);
  const last = bad.at(-1)!;
  assert.ok(observe([...bad, last, last, last]).alarmed);
  assert.not.ok(observe([...bad, last, last, last, last]).alarmed);
});

rate("observeRate() starts anew where the count was broken, and knows nothing then", () => {
  const steady = counting(10, 20);
  const broken: readonly (readonly [what: string, events: readonly (number | bigint)[]])[] = [
    ["reset", [...steady, 0]],
    ["wrapped at 2^32", [2 ** 32 - 5, 2 ** 32 - 1, 3]],
    ["wrapped at 2^64", [2n ** 64n - 2n, 2n ** 64n - 1n, 1n]],
    ["jumped", [...steady, 2n ** 62n]],
  ];
  for (const [what, events] of broken) {
    const state = observe(events);
    assert.equal([state.alarmed, isRateKnown(state)], [false, false], what);
  }
  assert.ok(isRateKnown(observe(steady)));
  assert.not.ok(isRateKnown(observe(steady, 6 * MINUTE_MS)), "a gap");
});

rate.run();
