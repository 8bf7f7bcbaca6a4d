import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DIRECTIONS, FEATURES } from "../../../../predictor/drive-model/features.ts";
import {
  type CompiledDriveModel,
  compileDriveModel,
  driveMargin,
  probabilityOf,
} from "../../../../predictor/drive-model/model.ts";
import type { LoggedDrive } from "../../../../predictor/training/change-log.ts";
import { failureOf, forEachDecision } from "../../../../predictor/training/decisions.ts";
import { trainDriveModel } from "../../../../predictor/training/drive.ts";
import { DRIVE_RECIPE } from "../../../../predictor/training/drive-recipe.ts";
import { changeLine, drivesOf, madeUpFleet } from "./fleet.ts";

const drive = suite("drive");

const RECIPE = {
  ...DRIVE_RECIPE,
  healthyShare: 0.5,
  ridge: 10,
  groupRidge: 10,
  calibrationBins: 5,
  boosting: { ...DRIVE_RECIPE.boosting, trees: 15, rate: 0.2, rowsMin: 10 },
};
const UNTIL = 365;
const FLEET = drivesOf(madeUpFleet(400, 1));

drive("trainDriveModel() gives the same bytes for the same drives and seed", () => {
  const fleet = drivesOf(madeUpFleet(120, 1));
  const [one, same, other] = [1, 1, 2].map((seed) =>
    JSON.stringify(trainDriveModel(fleet, UNTIL, { ...RECIPE, seed })),
  );
  assert.is(one, same);
  assert.is.not(one, other);
});

drive("trainDriveModel() finds the dying among drives it has not seen", () => {
  const model = compileDriveModel(trainDriveModel(FLEET, UNTIL, RECIPE));
  const others = drivesOf(madeUpFleet(200, 2));
  const worst = (failed: boolean): number[] =>
    others
      .filter((one) => (failureOf(one) !== undefined) === failed)
      .map((one) => Math.max(...scoresOf(model, one)));
  const { failing } = model.model.thresholds;
  const found = worst(true).filter((score) => score > failing).length;
  const wrong = worst(false).filter((score) => score > failing).length;
  assert.ok(found >= 38, `${found} of 40 found`);
  assert.ok(wrong <= 2, `${wrong} false alarms`);
});

drive("trainDriveModel() looks at nothing after its day", () => {
  const until = 150;
  const cut = (one: LoggedDrive, at: number): LoggedDrive => {
    const rows = one.rows.filter((_, index) => one.rows[Math.floor(index / 11) * 11]! < at);
    return { ...one, rows: rows.map((value, index) => (index % 11 === 4 ? 0 : value)) };
  };
  const late = FLEET.map((one) => ((failureOf(one)?.date ?? 0) >= until ? cut(one, until) : one));
  const options = { ...RECIPE, calibrationDays: 120 };
  const [whole, shortened] = [FLEET, late].map((own) => trainDriveModel(own, until, options));
  assert.equal(shortened, whole);
});

drive("a drive's probability falls again while nothing happens", () => {
  const model = compileDriveModel(trainDriveModel(FLEET, UNTIL, RECIPE));
  const [one] = drivesOf([
    changeLine("A", "ST4000DM000", [0, 1_000, 0], [0, 3, 0, 0, 0, 0]),
    changeLine("A", "ST4000DM000", [1_000, 5_000, 0], [0, 3, 4, 0, 16, 16]),
  ]);
  const scores = scoresOf(model, one!);
  const risen = scores.indexOf(Math.max(...scores));
  assert.is(risen, 6);
  const after = scores.slice(risen);
  assert.equal(
    after,
    after.toSorted((a, b) => b - a),
  );
  const odds = (score: number): number => score / (1 - score);
  assert.ok(odds(after.at(-1)!) < odds(after[0]!) / 2);
});

drive("DIRECTIONS has an entry for each feature, and the recipe's trees obey", () => {
  assert.is(DIRECTIONS.length, FEATURES.length);
  assert.is(DIRECTIONS[FEATURES.indexOf("197-level")], 1);
  assert.is(DIRECTIONS[FEATURES.indexOf("187-since")], -1);
  assert.is(DIRECTIONS[FEATURES.indexOf("197-fell")], 0);
});

function scoresOf(model: CompiledDriveModel, one: LoggedDrive): number[] {
  const scores: number[] = [];
  forEachDecision(one, ({ features }) => {
    scores.push(probabilityOf(model, driveMargin(model, features)));
  });
  return scores;
}

drive.run();
