import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DRIVE_MODEL } from "../../../../predictor/drive-model/committed.ts";
import { tryOut } from "../../../../predictor/training/drive-calibration.ts";
import { DRIVE_RECIPE } from "../../../../predictor/training/drive-recipe.ts";
import { pastOf } from "../../../../predictor/training/drive-samples.ts";
import { changeLine, drivesOf } from "./fleet.ts";

const calibration = suite("drive-calibration");

const WELL = [0, 3, 0, 0, 0, 0];
const UNTIL = 400;
const HOURS = 24;

/** A drive of one model seen from the first day until it fails or leaves. */
function line(serial: string, model: string, endDay: number, failed: 0 | 1): string {
  return changeLine(serial, model, [0, endDay * HOURS, failed], WELL);
}

function trialOf(lines: readonly string[]) {
  const pasts = drivesOf(lines).map((drive) => pastOf(drive, UNTIL));
  return tryOut(pasts, DRIVE_MODEL, UNTIL, DRIVE_RECIPE);
}

/** Of the failing points, how much they weigh. */
function failingWeight({ labels, weights }: ReturnType<typeof trialOf>): number {
  return weights.reduce((sum, weight, at) => sum + weight * labels[at]!, 0);
}

calibration("tryOut() counts a failed drive by how many of its model are in service", () => {
  const stayed = Array.from({ length: 9 }, (_, at) => line(`S${at}`, "M", UNTIL, 0));
  const retired = Array.from({ length: 9 }, (_, at) =>
    line(`S${at}`, "M", at < 6 ? 350 : UNTIL, 0),
  );
  const failed = line("F", "M", 300, 1);
  const [all, third] = [stayed, retired].map((others) =>
    failingWeight(trialOf([...others, failed])),
  );
  assert.ok(all! > 3, `${all}`);
  assert.ok(Math.abs(third! / all! - 3.5 / 9.5) < 1e-9, `${third} of ${all}`);
});

calibration("tryOut() leaves out the healthy that left, and the last month of all", () => {
  const trial = trialOf([line("A", "M", UNTIL, 0), line("B", "M", 300, 0)]);
  assert.is(trial.healthy.length, 1);
  const weeks = (DRIVE_RECIPE.calibrationDays - DRIVE_RECIPE.horizonDays) / 7;
  assert.ok(Math.abs(trial.weights.length - weeks) <= 1, `${trial.weights.length}`);
});

calibration("tryOut() knows a margin from before the year of the thresholds", () => {
  const until = 800;
  const drive = [
    changeLine("A", "M", [0, 100 * HOURS, 0], WELL),
    changeLine("A", "M", [100 * HOURS, until * HOURS, 0], [8, 3, 2, 0, 16, 16]),
  ];
  const pasts = drivesOf(drive).map((one) => pastOf(one, until));
  const [{ before, most }] = tryOut(pasts, DRIVE_MODEL, until, DRIVE_RECIPE).healthy as [
    { before: number; most: number },
  ];
  assert.is(before, most);
});

calibration.run();
