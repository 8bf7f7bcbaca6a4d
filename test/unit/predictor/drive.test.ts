import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type DriveWatch, judgeDrive, NO_DRIVE } from "../../../predictor/drive.ts";
import type { Finding } from "../../../predictor/evidence.ts";
import type { DiskSignal } from "../../../predictor/reading.ts";
import { diskReadings, situationAt, WELL } from "./readings.ts";

const drive = suite("drive");

const DAY_MS = 86_400_000;
type Values = Partial<Record<DiskSignal, number>>;

/** Looks at a disk on some days; the last finding and what is remembered. */
function watched(
  looks: readonly (readonly [day: number, values: Values])[],
  accepted: Values = {},
): { finding: Finding; watch: DriveWatch } {
  let watch = NO_DRIVE;
  let finding: Finding | undefined;
  for (const [day, values] of looks) {
    const readings = diskReadings({ ...WELL, ...values }, "ST4000DM000-1F2168/Z1");
    [watch, finding] = judgeDrive(watch, readings, situationAt(day * DAY_MS, { accepted }));
  }
  return { finding: finding!, watch };
}

const RISEN: Values = { "smart-187": 1, "smart-197": 8 };

drive("judgeDrive() judges what has moved, not what was always there", () => {
  const cases: readonly [what: string, risk: string, ...looks: [number, Values][]][] = [
    ["well", "healthy", [0, {}], [2, {}]],
    ["timeouts", "healthy", [0, {}], [2, { "smart-188": 1 }]],
    ["an old sector", "healthy", [0, { "smart-5": 1 }], [60, { "smart-5": 1 }]],
    ["a new error", "suspect", [0, {}], [2, { "smart-187": 1 }]],
    ["several", "failing", [0, {}], [2, RISEN]],
    ["several, long ago", "suspect", [0, RISEN], [300, RISEN]],
  ];
  for (const [what, risk, ...looks] of cases) {
    assert.is(watched(looks).finding.risk, risk, what);
  }
});

drive("judgeDrive() says how likely, within what, and which counters moved the odds", () => {
  const { risk, known, outlook, evidence } = watched([
    [0, {}],
    [2, RISEN],
    [4, RISEN],
  ]).finding;
  assert.equal([risk, known, outlook?.basis], ["failing", true, "measured"]);
  assert.is(outlook!.horizonMs, 30 * DAY_MS);
  assert.ok(outlook!.probability > 0.14 && outlook!.probability < 0.9);
  assert.equal(
    evidence.map(({ signal, value, unit }) => [signal, value, unit]),
    [
      ["smart-197", 8, "count"],
      ["smart-187", 1, "count"],
    ],
  );
  assert.match(
    evidence[0]!.text,
    /^Pending sectors \(SMART 197\): 8, rose once, last 2\.0 days ago/,
  );
});

drive("judgeDrive() grows less sure while nothing more happens", () => {
  const probabilities = [2, 5, 9, 30, 90].map((day) => {
    const looks: [number, Values][] = [
      [0, {}],
      [2, RISEN],
      [day, RISEN],
    ];
    return watched(looks).finding.outlook?.probability ?? 0;
  });
  assert.equal(
    probabilities,
    probabilities.toSorted((a, b) => b - a),
  );
  assert.ok(probabilities[4]! < probabilities[0]! / 1.5);
});

drive("judgeDrive() takes many looks a day as one, and misses nothing between", () => {
  const often: [number, Values][] = [[0, {}]];
  for (let step = 1; step <= 24; step++) often.push([1 + step / 25, { "smart-197": step }]);
  const once = watched([
    [0, {}],
    [1, {}],
    [1.96, { "smart-197": 24 }],
  ]).finding;
  const { finding } = watched([[0, {}], [1, {}], ...often.slice(1)]);
  assert.equal(finding.outlook, once.outlook);
});

drive("judgeDrive() leaves alone what an operator has accepted, until it grows", () => {
  const accepted = RISEN;
  const looks: [number, Values][] = [
    [0, {}],
    [2, RISEN],
  ];
  assert.is(watched(looks, accepted).finding.risk, "healthy");
  const grown: [number, Values] = [3, { ...RISEN, "smart-197": 16 }];
  assert.is(watched([...looks, grown], accepted).finding.risk, "failing");
});

drive("judgeDrive() cannot see a drive without these counters", () => {
  const readings = diskReadings({ health: "passed", "media-errors": 4, "smart-12": 3 });
  const [watch, finding] = judgeDrive(NO_DRIVE, readings, situationAt(0));
  assert.is(watch, NO_DRIVE);
  assert.equal([finding.known, finding.risk], [false, "healthy"]);
});

drive.run();
