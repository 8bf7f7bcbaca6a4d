import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DRIVE_MODEL } from "../../../predictor/drive-model/committed.ts";
import { FEATURES, featuresAt } from "../../../predictor/drive-model/features.ts";
import {
  COUNTERS,
  counterOf,
  type DriveHistory,
  emptyHistory,
  evidenceAt,
  observe,
} from "../../../predictor/drive-model/history.ts";
import {
  compileDriveModel,
  driveMargin,
  explainDrive,
  probabilityOf,
} from "../../../predictor/drive-model/model.ts";

const drive = suite("drive-model");

/** SMART 5, 12, 187, 188, 197, 198. */
const WELL = [0, 3, 0, 0, 0, 0];

function historyOf(readings: readonly (readonly [day: number, counters: number[]])[]) {
  const history = emptyHistory();
  for (const [day, counters] of readings) observe(history, day, counters);
  return history;
}

function probabilityAt(history: DriveHistory, day: number): number {
  const row = new Float32Array(FEATURES.length);
  featuresAt(history, day, row);
  return probabilityOf(DRIVE_MODEL, driveMargin(DRIVE_MODEL, row));
}

drive("observe() counts a rise with evidence that decays by half-lives", () => {
  const pending = COUNTERS.indexOf(197);
  const history = historyOf([
    [0, WELL],
    [10, WELL.with(pending, 7)],
  ]);
  assert.is(counterOf(history, pending, "rises"), 1);
  assert.is(evidenceAt(history, pending, 0, 10), 3);
  assert.is(evidenceAt(history, pending, 0, 13), 1.5);
  assert.is(evidenceAt(history, pending, 1, 25), 1.5);
});

drive("observe() takes no first value, fall or missing value for a rise", () => {
  const reallocated = COUNTERS.indexOf(5);
  const cases: readonly (readonly [what: string, values: number[], value: number])[] = [
    ["first", [40], 40],
    ["same", [40, 40], 40],
    ["fall", [40, 8], 8],
    ["missing", [40, Number.NaN], 40],
    ["absurd", [40, -1], 40],
    ["never known", [Number.NaN], Number.NaN],
  ];
  for (const [what, values, value] of cases) {
    const history = historyOf(values.map((one, day) => [day, WELL.with(reallocated, one)]));
    assert.is(counterOf(history, reallocated, "rises"), 0, what);
    assert.ok(Object.is(counterOf(history, reallocated, "value"), value), what);
  }
});

drive("observe() unpacks command timeouts, and counts what cannot be compared once", () => {
  const timeouts = COUNTERS.indexOf(188);
  const value = (...values: number[]): number => {
    const history = historyOf(values.map((one, day) => [day, WELL.with(timeouts, one)]));
    return counterOf(history, timeouts, "value");
  };
  assert.is(value(5), 5);
  assert.is(value(2 * 65_536 + 3), 5);
  assert.is(value(4_295_032_833), 1);
  assert.is(value(4, 4_295_032_833), 5);
  assert.is(value(4, Infinity, Infinity), 5);
});

drive("the committed model ranks drives as anybody would", () => {
  const grave = historyOf([
    [0, WELL],
    [20, [16, 3, 4, 0, 8, 8]],
    [28, [64, 3, 20, 0, 40, 40]],
  ]);
  const one = historyOf([
    [0, WELL],
    [28, [0, 3, 0, 0, 8, 8]],
  ]);
  const order = [
    probabilityAt(historyOf([[0, WELL]]), 30),
    probabilityAt(one, 200),
    probabilityAt(one, 28),
    probabilityAt(grave, 28),
  ];
  assert.equal(
    order,
    order.toSorted((a, b) => a - b),
  );
  assert.ok(order[0]! < 0.002 && order[3]! > DRIVE_MODEL.model.thresholds.failing);
});

drive("the committed model answers for a drive that is well, and one without counters", () => {
  const unknown = historyOf([[0, new Array<number>(COUNTERS.length).fill(Number.NaN)]]);
  const well = historyOf([[0, WELL]]);
  for (const history of [unknown, well]) {
    const probability = probabilityAt(history, 5);
    assert.ok(probability > 0 && probability < 0.02, `${probability}`);
  }
});

drive("probabilityOf() rises strictly with the margin, also beyond what was seen", () => {
  const margins = Array.from({ length: 400 }, (_, at) => -20 + at / 10);
  const probabilities = margins.map((margin) => probabilityOf(DRIVE_MODEL, margin));
  for (const [at, probability] of probabilities.entries()) {
    assert.ok(at === 0 || probability > probabilities[at - 1]!, `at ${margins[at]}`);
  }
});

drive("explainDrive() names the counters that rose, the most first", () => {
  const row = new Float32Array(FEATURES.length);
  const history = historyOf([
    [0, WELL],
    [30, [0, 3, 0, 0, 24, 24]],
  ]);
  featuresAt(history, 31, row);
  const contributions = explainDrive(DRIVE_MODEL, row);
  assert.is(contributions.length, FEATURES.length);
  for (const { feature, margin } of contributions.slice(0, 3)) {
    assert.ok(margin > 0);
    assert.match(feature, /^19[78]-|non-zero|rose-in|since-any|sum-/);
  }
  const sizes = contributions.map(({ margin }) => Math.abs(margin));
  assert.equal(
    sizes,
    sizes.toSorted((a, b) => b - a),
  );
});

drive("compileDriveModel() refuses a model of other features, or a broken one", () => {
  const { model } = DRIVE_MODEL;
  const other = { ...model, logistic: { ...model.logistic, features: FEATURES.slice(1) } };
  assert.throws(() => compileDriveModel(other), /trained for other features/);
  assert.throws(() => compileDriveModel({ ...model, thresholds: {} }), /Cannot use the drive/);
});

drive.run();
