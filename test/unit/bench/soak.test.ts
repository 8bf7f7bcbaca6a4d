// limit: 120 s
// A small part of the bench false-alarms: healthy servers, of which nothing must be said.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LARGE, SMALL } from "../../../bench/healthy-host.ts";
import { soak, summed } from "../../../bench/soak.ts";

const soaking = suite("soak");
const HOUR_MS = 3_600_000;

soaking("twenty host-years of healthy noise raise no false alarm", () => {
  const seeds = Array.from({ length: 20 }, (_, index) => index + 1);
  const counts = summed(
    seeds.map((seed) => soak({ seed, size: SMALL, years: 1, stepMs: 2 * HOUR_MS })),
  );
  assert.is(Math.round(counts.years), 20);
  assert.ok(counts.rounds > 100_000, `${counts.rounds} rounds`);
  assert.equal([counts.predictions, counts.suspects], [0, 0], JSON.stringify(counts.rules));
});

soaking("nor do a large server's weeks and a small one's minutes", () => {
  const large = soak({ seed: 1, size: LARGE, years: 0.03, stepMs: HOUR_MS });
  const close = soak({ seed: 2, size: SMALL, years: 0.03, stepMs: 60_000 });
  const counts = summed([large, close]);
  assert.equal([counts.predictions, counts.suspects], [0, 0], JSON.stringify(counts.rules));
});

soaking.run();
