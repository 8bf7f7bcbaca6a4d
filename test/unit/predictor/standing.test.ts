import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DEFAULT_CONFIG } from "../../../predictor/config.ts";
import { type State, start, step } from "../../../predictor/predictor.ts";
import type { Reading } from "../../../predictor/reading.ts";
import { healthReporter } from "../../../predictor/reporter.ts";
import { NOTHING_REPORTED, type Reported, reported } from "../../../predictor/standing.ts";
import { serverId } from "../../../protocol/ids.ts";
import { type Reliable, reliable } from "../../../protocol/message.ts";
import { diskReadings, readingsOf, WELL } from "./readings.ts";

const told = suite("healthReporter");
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const DYING = { ...WELL, "smart-5": 8, "smart-197": 8 };

/** A program whose predictor is fed by hand, from what its last life kept. */
function life(kept: Reported = NOTHING_REPORTED) {
  let state: State = start(0);
  const said: Reliable[] = [];
  const disk = { kept };
  const reporter = healthReporter({
    serverId: serverId.parse("alpha"),
    source: "agent",
    config: DEFAULT_CONFIG,
    kept,
    keep: (now) => {
      disk.kept = reported.parse(now);
    },
    report: (body) => void said.push(reliable.parse(body)),
  });
  return {
    disk,
    reads(atMs: number, readings: readonly Reading[]): void {
      const event = { type: "readings", atMs, readings } as const;
      const [next, effects] = step(state, event, DEFAULT_CONFIG);
      state = next;
      for (const effect of effects) reporter.take(effect, state);
      reporter.look(state);
    },
    acknowledges(atMs: number, values: Readonly<Record<string, number>>): void {
      const baselines = Object.entries(values).map(([signal, value]) => ({
        baselineId: `${signal}-${value}`,
        component: "disk" as const,
        device: "sda",
        signal,
        value,
      }));
      [state] = step(state, { type: "baselines", atMs, baselines }, DEFAULT_CONFIG);
    },
    types: () => said.map(({ type }) => type),
    cleared: () =>
      said.flatMap((body) =>
        body.type === "prediction-cleared" ? [`${body.predictionId} ${body.cause}`] : [],
      ),
  };
}

told("look() takes a prediction back once its device has gone all the way to healthy", () => {
  const at = life();
  at.reads(0, diskReadings(DYING));
  assert.equal(at.types(), ["risk-change", "prediction"]);
  assert.is(at.disk.kept.standing.length, 1);
  for (let day = 1; day < 3; day++) at.reads(day * DAY_MS, diskReadings(WELL));
  assert.equal(at.cleared(), [], "suspect is not well");
  at.reads(3 * DAY_MS, diskReadings(WELL));
  assert.equal(at.cleared(), ["local-disk-sda-1 healed"]);
  assert.equal(at.disk.kept, NOTHING_REPORTED);
  at.reads(4 * DAY_MS, diskReadings(WELL));
  assert.is(at.cleared().length, 1, "once");
});

told("look() takes back what an earlier life told, after as long as the way down takes", () => {
  const before = life();
  before.reads(0, diskReadings(DYING));
  const after = life(before.disk.kept);
  after.reads(0, diskReadings(WELL));
  after.reads(2 * DAY_MS - 1, diskReadings(WELL));
  assert.equal(after.cleared(), []);
  after.reads(2 * DAY_MS, diskReadings(WELL));
  assert.equal(after.cleared(), ["local-disk-sda-1 healed"]);
});

told("take() tells that a device is well which an earlier life told to be unwell", () => {
  const before = life();
  before.reads(0, diskReadings({ ...WELL, "smart-5": 1 }));
  const after = life(before.disk.kept);
  after.reads(0, diskReadings(WELL));
  assert.equal([before.types(), after.types()], [["risk-change"], ["risk-change"]]);
  assert.equal(after.disk.kept, NOTHING_REPORTED);
  after.reads(1, diskReadings(WELL, "model/serial", "sdb"));
  assert.is(after.types().length, 1, "of others nobody needs to know");
});

told("look() takes back what rests on nothing but what was acknowledged", () => {
  const at = life();
  at.reads(0, diskReadings(DYING));
  at.acknowledges(1, { "smart-5": 8 });
  at.reads(2, diskReadings(DYING));
  assert.equal(at.cleared(), [], "smart-197 was not");
  at.acknowledges(3, { "smart-5": 8, "smart-197": 8 });
  at.reads(4, diskReadings(DYING));
  assert.equal(at.cleared(), ["local-disk-sda-1 acknowledged"]);
  at.reads(5, diskReadings({ ...DYING, "smart-5": 9, "smart-197": 9 }));
  assert.is(at.types().at(-1), "prediction", "both have grown");
});

told("look() begins to wait anew when the device was not well meanwhile", () => {
  const before = life();
  before.reads(0, diskReadings(DYING));
  const after = life(before.disk.kept);
  after.reads(0, diskReadings(WELL));
  after.reads(DAY_MS, diskReadings({ ...WELL, "smart-5": 8 }));
  after.reads(2 * DAY_MS, diskReadings({ ...WELL, "smart-5": 8, "smart-197": 1 }));
  after.reads(3 * DAY_MS, diskReadings(WELL));
  assert.equal(after.cleared(), []);
  assert.is(after.disk.kept.standing.length, 1, "the newest of the device stands for all");
});

told("look() takes back what was told of another drive, over a restart as well", () => {
  const before = life();
  before.reads(0, diskReadings(DYING));
  const after = life(before.disk.kept);
  before.reads(1_000, diskReadings(WELL, "model/other"));
  after.reads(1_000, diskReadings(DYING, "model/other"));
  assert.equal(before.cleared(), ["local-disk-sda-1 replaced"]);
  assert.equal(after.cleared(), [], "the other drive is as bad, and told");
  assert.is(after.types().at(-1), "prediction");
});

told("look() takes nothing back of a device that nobody sees any more", () => {
  const before = life();
  before.reads(0, diskReadings(DYING));
  before.reads(30 * DAY_MS, diskReadings({ ...WELL, health: { missing: "gone" } }, "x", "sdb"));
  assert.equal(before.cleared(), []);
});

told("look() lets a prediction of a group stand while one of it is unwell", () => {
  const at = life();
  const hot = (one: number, two: number): Reading[] => [
    ...readingsOf("temperature", "chip/temp1", { temperature: one, "temperature-critical": 100 }),
    ...readingsOf("temperature", "chip/temp2", { temperature: two, "temperature-critical": 100 }),
  ];
  for (let second = 0; second < 10; second++) at.reads(second * 1_000, hot(105, 105));
  assert.is(at.types().filter((type) => type === "prediction").length, 1, "folded");
  for (let minute = 1; minute < 40; minute++) at.reads(minute * 60_000, hot(40 + minute, 105));
  assert.equal(at.cleared(), []);
  for (let minute = 40; minute < 90; minute++) at.reads(minute * 60_000, hot(minute, 40 + minute));
  assert.is(at.cleared().length, 1);
});

told.run();
