import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type CounterSample, counterChange, FRAME_LIMITS } from "../../../predictor/counter.ts";
import { counterReading, parseInteger } from "../../../predictor/reading.ts";

const counter = suite("counter");

function sample(atMs: number, value: bigint, instance = "boot/2"): CounterSample {
  return { atMs, value, instance };
}

counter("counterChange() is known only where nothing broke the count", () => {
  const cases: readonly [what: string, from: CounterSample, to: CounterSample, delta?: bigint][] = [
    ["counting", sample(0, 5n), sample(1_000, 9n), 4n],
    ["standing", sample(0, 5n), sample(1_000, 5n), 0n],
    ["at the end of 64 bits", sample(0, 2n ** 64n - 2n), sample(1_000, 2n ** 64n - 1n), 1n],
    ["wrapped at 2^32", sample(0, 2n ** 32n - 1n), sample(1_000, 3n)],
    ["wrapped at 2^64", sample(0, 2n ** 64n - 1n), sample(1_000, 0n)],
    ["reset", sample(0, 1_000n), sample(1_000, 0n)],
    ["rebooted", sample(0, 5n, "boot-1/2"), sample(1_000, 9n, "boot-2/2")],
    ["replaced", sample(0, 5n, "boot/2"), sample(1_000, 9n, "boot/3")],
    ["jumped", sample(0, 0n), sample(1_000, 2n ** 48n)],
    ["after a gap", sample(0, 0n), sample(10 * 60_000, 1n)],
    ["at the same time", sample(5, 0n), sample(5, 10n), 10n],
  ];
  for (const [what, from, to, delta] of cases) {
    const change = counterChange(from, to, FRAME_LIMITS);
    assert.is(change.status, delta === undefined ? "unknown" : "known", what);
    if (change.status === "known") assert.is(change.delta, delta, what);
  }
});

counter("counterChange() is never negative and never beyond what hardware can count", () => {
  const value = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  fc.assert(
    fc.property(value, value, fc.nat(600_000), (from, to, elapsedMs) => {
      const change = counterChange(sample(0, from), sample(elapsedMs, to), FRAME_LIMITS);
      if (change.status === "unknown") return true;
      const most = FRAME_LIMITS.perSecondMax * Math.max(1, elapsedMs / 1_000);
      return change.delta >= 0n && Number(change.delta) <= most;
    }),
    { seed: 1, numRuns: 1_000 },
  );
});

counter("counterChange() refuses time that runs backwards", () => {
  assert.throws(() => counterChange(sample(2, 0n), sample(1, 0n), FRAME_LIMITS), /backwards/);
});

counter("parseInteger() is strict and exact", () => {
  assert.is(parseInteger(" 9007199254740993\n"), 9007199254740993n);
  assert.is(parseInteger("-7"), -7n);
  for (const text of ["", " ", "1.5", "0x1", "1e3", "1_000", "١", "1".repeat(21)]) {
    assert.is(parseInteger(text), undefined, text);
  }
});

counter("counterReading() quotes what it refuses, cut and escaped", () => {
  const sensor = {
    component: "nic",
    device: "eth0",
    signal: "rx-packets",
    source: "test",
  } as const;
  const reading = counterReading(sensor, `\u001b[31m${"x".repeat(1_000)}`);
  assert.ok(reading.status === "unreadable" && reading.reason.length < 100);
  assert.not.match(reading.status === "unreadable" ? reading.reason : "", "\u001b");
});

counter.run();
