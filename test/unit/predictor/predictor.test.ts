import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DEFAULT_CONFIG, OUTLOOK } from "../../../predictor/config.ts";
import type { Effect, Prediction } from "../../../predictor/evidence.ts";
import { risks, type State, start, step } from "../../../predictor/predictor.ts";
import type { DiskSignal, Reading } from "../../../predictor/reading.ts";
import { operationId } from "../../../protocol/ids.ts";
import { diskReadings, nicReadings, WELL } from "./readings.ts";

const predictor = suite("predictor");
const DAY_MS = 86_400_000;
const DYING = { ...WELL, "smart-197": 8, "smart-198": 8 };

/** Plays rounds of readings, and keeps every effect. */
function play(rounds: readonly [atMs: number, readings: readonly Reading[]][], from = start(0)) {
  let state: State = from;
  const effects: Effect[] = [];
  for (const [atMs, readings] of rounds) {
    const [next, told] = step(state, { type: "readings", atMs, readings }, DEFAULT_CONFIG);
    state = next;
    effects.push(...told);
  }
  const predictions = effects.flatMap((effect): Prediction[] =>
    effect.type === "prediction" ? [effect.prediction] : [],
  );
  const changes = effects.flatMap((effect) =>
    effect.type === "risk" ? [`${effect.from}>${effect.to}`] : [],
  );
  const sensors = effects.flatMap((effect) =>
    effect.type === "sensor" ? [`${effect.signal}: ${effect.status}`] : [],
  );
  return { state, risk: risks(state)[0]?.risk, predictions, changes, sensors };
}

predictor("step() predicts once when a disk starts failing", () => {
  const { predictions, changes } = play([
    [0, diskReadings(WELL)],
    [1, diskReadings({ ...WELL, "smart-188": 8 })],
    [2, diskReadings(DYING)],
    [3, diskReadings(DYING)],
    [4, diskReadings({ ...DYING, "smart-197": 800 })],
  ]);
  assert.equal(changes, ["unknown>healthy", "healthy>suspect", "suspect>failing"]);
  assert.is(predictions.length, 1);
  const { evidence, ...first } = predictions[0]!;
  assert.equal(first, {
    id: "local-disk-sda-1",
    component: "disk",
    device: "sda",
    sequence: 1,
    atMs: 2,
    ...OUTLOOK["two-of-five"],
  });
  const ruled = evidence.filter(({ rule }) => rule === "two-of-five");
  assert.equal(ruled, [
    {
      signal: "smart-197",
      value: 8,
      threshold: 0,
      unit: "count",
      text: "Pending sectors (SMART 197): 8",
      rule: "two-of-five",
    },
    {
      signal: "smart-198",
      value: 8,
      threshold: 0,
      unit: "count",
      text: "Offline uncorrectable sectors (SMART 198): 8",
      rule: "two-of-five",
    },
  ]);
});

predictor(
  "step() predicts again when evidence of another kind joins, and the likeliest rule speaks",
  () => {
    const { predictions } = play([
      [0, diskReadings(DYING)],
      [1, diskReadings({ ...DYING, "smart-5": 1 })],
      [2, diskReadings({ ...DYING, "smart-5": 1, health: "failed" })],
    ]);
    assert.equal(
      predictions.map(({ sequence }) => sequence),
      [1, 2, 3],
    );
    assert.equal(
      predictions.map(({ evidence }) => evidence.length),
      [2, 3, 4],
    );
    assert.equal(
      predictions.map(({ probability }) => probability),
      [0.545, 0.545, 10 / 11],
    );
  },
);

predictor("step() goes back a step at a time, after the condition stayed away", () => {
  const { changes, predictions } = play([
    [0, diskReadings(DYING)],
    [1, diskReadings(WELL)],
    [DAY_MS, diskReadings(WELL)],
    [DAY_MS + 1, diskReadings(WELL)],
    [2 * DAY_MS + 1, diskReadings(WELL)],
    [2 * DAY_MS + 2, diskReadings(DYING)],
  ]);
  assert.equal(changes, [
    "unknown>failing",
    "failing>suspect",
    "suspect>healthy",
    "healthy>failing",
  ]);
  assert.equal(
    predictions.map(({ id }) => id),
    ["local-disk-sda-1", "local-disk-sda-2"],
  );
});

predictor("step() does not repeat itself while a condition flickers", () => {
  const rounds = Array.from({ length: 100 }, (_, index): [number, Reading[]] => [
    index * 60_000,
    diskReadings(index % 2 === 0 ? DYING : WELL),
  ]);
  const { predictions, changes } = play(rounds);
  assert.is(predictions.length, 1);
  assert.equal(changes, ["unknown>failing"]);
});

predictor("step() lets a sensor that went silent heal nothing", () => {
  const silent = diskReadings({ health: { missing: "asleep" } });
  const rounds = [0, 1, 2, 3, 4, 5].map((day): [number, Reading[]] => [day * DAY_MS, silent]);
  const { changes, sensors } = play([[0, diskReadings(DYING)], ...rounds]);
  assert.equal(changes, ["unknown>failing"]);
  assert.equal(sensors, ["health: missing"]);
});

predictor("step() calls no silent component healthy, nor failing", () => {
  const silent = diskReadings({ health: { missing: "no such device" } });
  const { risk, changes, predictions, sensors } = play([
    [0, silent],
    [1, diskReadings(WELL)],
    [2, silent],
    [3, silent],
  ]);
  assert.is(risk, "unknown");
  assert.equal(changes, ["unknown>healthy", "healthy>unknown"]);
  assert.equal(predictions, []);
  assert.equal(sensors, ["health: missing", "health: ok", "health: missing"]);
});

predictor("step() starts anew with other hardware, but never uses an id twice", () => {
  const { state, changes, predictions } = play([
    [0, diskReadings(DYING)],
    [1, diskReadings(WELL, "model/other")],
    [2, diskReadings(DYING, "model/other")],
  ]);
  assert.equal(changes, ["unknown>failing", "unknown>healthy", "healthy>failing"]);
  assert.equal(
    predictions.map(({ id }) => id),
    ["local-disk-sda-1", "local-disk-sda-2"],
  );
  const [risk] = risks(state);
  assert.equal([risk!.risk, risk!.probability], ["failing", 0.545]);
});

predictor("step() believes no stuck and no jumping temperature", () => {
  const warm = (value: number) => diskReadings({ ...WELL, temperature: value });
  const cases: readonly [what: string, rounds: [number, Reading[]][], told: string[]][] = [
    [
      "steady",
      [
        [0, warm(30)],
        [60_000, warm(31)],
      ],
      [],
    ],
    [
      "a jump",
      [
        [0, warm(30)],
        [1_000, warm(109)],
      ],
      ["temperature: implausible"],
    ],
    [
      "slow warming",
      [
        [0, warm(30)],
        [600_000, warm(90)],
      ],
      [],
    ],
    [
      "stuck",
      [
        [0, warm(30)],
        [DAY_MS, warm(30)],
      ],
      ["temperature: stuck"],
    ],
    [
      "stuck and moving again",
      [
        [0, warm(30)],
        [DAY_MS, warm(30)],
        [DAY_MS + 60_000, warm(31)],
      ],
      ["temperature: stuck", "temperature: ok"],
    ],
  ];
  for (const [what, rounds, told] of cases) {
    const { sensors, risk } = play(rounds);
    assert.equal(sensors, told, what);
    assert.is(risk, "healthy", what);
  }
});

predictor("step() predicts the failure of an adapter that corrupts frames", () => {
  const rounds = Array.from({ length: 61 }, (_, second): [number, Reading[]] => {
    const values = { "rx-packets": BigInt(second * 20_000), "rx-crc-errors": BigInt(second * 2) };
    return [second * 1_000, nicReadings({ ...values, "carrier-losses": 0n })];
  });
  const { predictions, changes } = play(rounds);
  assert.equal(changes, ["unknown>healthy", "healthy>failing"]);
  assert.is(predictions.length, 1);
  assert.is(predictions[0]!.id, "local-nic-eth0-1");
  assert.is(predictions[0]!.horizonMs, 3_600_000);
});

predictor("step() makes ids that fit a message, each once, whatever a device is called", () => {
  const devices = ["wwn-0x5000C500", "a.b", "a-b", "x".repeat(200), "../../é"];
  const readings = devices.flatMap((device) => diskReadings(DYING, "model/serial", device));
  const { predictions } = play([[0, readings]]);
  const ids = predictions.map(({ id }) => operationId.parse(id));
  assert.is(new Set(ids).size, devices.length);
});

predictor("step() keeps a bounded number of components", () => {
  const many = Array.from({ length: 600 }, (_, index) =>
    diskReadings(WELL, "model/serial", `sd${index}`),
  ).flat();
  const { state } = play([[0, many]]);
  assert.is(Object.keys(state.components).length, 512);
  assert.is(state.dropped, 88);
});

predictor("step() is a function of its arguments and predicts only on evidence", () => {
  const signal = fc.constantFrom<DiskSignal>("smart-5", "smart-197", "health", "critical-warning");
  const value = fc.constantFrom(0, 0, 1, 9, "passed", "failed", { missing: "x" } as const);
  const values = fc.array(fc.tuple(signal, value)).map((pairs) => Object.fromEntries(pairs));
  fc.assert(
    fc.property(fc.array(values, { maxLength: 20 }), (all) => {
      const rounds = all.map((each, index): [number, Reading[]] => [
        index * 40_000_000,
        diskReadings(each),
      ]);
      const { predictions, state } = play(rounds);
      assert.equal(play(rounds).state, state);
      assert.ok(predictions.every(({ evidence }) => evidence.length > 0));
      assert.is(new Set(predictions.map(({ id }) => id)).size, predictions.length);
    }),
    { seed: 1, numRuns: 300 },
  );
});

predictor("step() refuses time that runs backwards", () => {
  assert.throws(
    () =>
      play([
        [5, []],
        [4, []],
      ]),
    /backwards/,
  );
});

predictor.run();
