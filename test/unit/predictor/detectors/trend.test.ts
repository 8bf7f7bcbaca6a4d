import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type TrendPoint, timeToLimit, trendOf } from "../../../../predictor/detectors/trend.ts";
import { normals } from "../noise.ts";

const trend = suite("trend");

function points(count: number, value: (index: number) => number): TrendPoint[] {
  return Array.from({ length: count }, (_, index) => ({
    atMs: index * 1_000,
    value: value(index),
  }));
}

trend("trendOf() finds the slope in noise and wild values, within its interval", () => {
  const next = normals(5);
  const noisy = trendOf(points(40, (i) => 20 + 0.5 * i + next()))!;
  assert.ok(Math.abs(noisy.slope * 1_000 - 0.5) < 0.05, `${noisy.slope}`);
  assert.ok(noisy.slopeLow < 0.5e-3 && noisy.slopeHigh > 0.5e-3);
  const wild = trendOf(points(40, (i) => (i % 5 === 0 ? 900 : 20 + 0.5 * i)))!;
  assert.ok(Math.abs(wild.slope * 1_000 - 0.5) < 0.1, `${wild.slope}`);
});

trend("trendOf() tells a trend from none: Mann and Kendall's statistic", () => {
  // Kendall's example of complete order: S = n (n - 1) / 2, var = n (n - 1) (2 n + 5) / 18.
  const rising = trendOf(points(10, (i) => i))!;
  assert.ok(Math.abs(rising.z - 44 / Math.sqrt(125)) < 1e-9);
  assert.is(trendOf(points(20, () => 7))!.z, 0);
  const next = normals(6);
  const beyond = Array.from({ length: 2_000 }, () => trendOf(points(32, next))!.z).filter(
    (z) => z > 3.09,
  );
  assert.ok(beyond.length <= 6, `${beyond.length} of 2,000 beyond 1 in 1,000`);
});

trend("timeToLimit() names the time, with an interval around it", () => {
  const next = normals(7);
  const time = timeToLimit(
    points(32, (i) => 80 + 0.25 * i + 0.2 * next()),
    95,
    1e6,
  )!;
  // From 87.75 to 95 at a quarter of a degree a second.
  assert.ok(Math.abs(time.ms / 29_000 - 1) < 0.15, `${time.ms}`);
  assert.ok(time.soonestMs <= time.ms && time.ms <= time.latestMs * 1.1);
});

trend("timeToLimit() is undefined for noise, for a fall and for what levels off", () => {
  const next = normals(8);
  assert.is(
    timeToLimit(
      points(32, () => 90 + next()),
      95,
      1e6,
    ),
    undefined,
  );
  assert.is(
    timeToLimit(
      points(32, (i) => 90 - i),
      95,
      1e6,
    ),
    undefined,
  );
  const settling = (i: number): number => 90 - 20 * Math.exp(-i / 5);
  assert.is(timeToLimit(points(32, settling), 95, 1e3), undefined);
  assert.is(
    timeToLimit(
      points(4, (i) => i),
      95,
      10,
    ),
    undefined,
  );
});

trend.run();
