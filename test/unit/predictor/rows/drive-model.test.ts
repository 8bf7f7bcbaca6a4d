import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  ERROR_FEATURES,
  ERROR_MONOTONE,
  errorFeatures,
  PROFILE_FEATURES,
  profileFeatures,
} from "../../../../predictor/rows/drive-features.ts";
import {
  isWithin,
  openSnapshotModel,
  scoreDrive,
  scoreDrives,
} from "../../../../predictor/rows/drive-model.ts";
import { parseTable } from "../../../../runtime/csv.ts";

const MODEL = new URL("../../../../predictor/models/snapshot.json", import.meta.url);
const scorer = openSnapshotModel(JSON.parse(readFileSync(MODEL, "utf8")));
const drives = suite("drive rows");

type Smart = Readonly<Record<string, number>>;
const columns = (smart: Smart) => (name: string) => smart[name] ?? Number.NaN;

/** A drive of Seagate without a fault. */
const SOUND: Smart = {
  ...{ smart_5_raw: 0, smart_187_raw: 0, smart_188_raw: 0, smart_197_raw: 0, smart_198_raw: 0 },
  ...{ smart_1_normalized: 82, smart_3_normalized: 89, smart_7_normalized: 91 },
  smart_9_raw: 22_000,
};

function feature(name: string, smart: Smart): number {
  return errorFeatures(columns(smart))[ERROR_FEATURES.indexOf(name)]!;
}

const FEATURES = [
  ["smart_5", { smart_5_raw: 16 }, 16],
  ["smart_5", {}, 0],
  ["smart_5", { smart_5_raw: -1 }, 0],
  ["unreadable", { smart_197_raw: 3, smart_198_raw: 8 }, 8],
  ["unreadable", { smart_197_raw: 3 }, 3],
  ["kinds", { smart_5_raw: 1, smart_188_raw: 4_295_032_833, smart_199_raw: 9 }, 2],
  ["timeouts", { smart_188_raw: 4_295_032_834 }, 2],
  ["slow_timeouts", { smart_188_raw: 4_295_098_370 }, 2],
  ["reports_187", {}, 0],
  ["reports_187", { smart_187_raw: 0 }, 1],
  ["reports_187", { smart_187_normalized: 100 }, 1],
  ["health_7", { smart_7_normalized: 80 }, 80],
] as const;

for (const [name, smart, expected] of FEATURES) {
  drives(`errorFeatures() reads ${name} of ${JSON.stringify(smart)}`, () => {
    assert.is(feature(name, smart), expected);
  });
}

drives("errorFeatures() and profileFeatures() have a name and a direction for each value", () => {
  assert.is(errorFeatures(columns({})).length, ERROR_FEATURES.length);
  assert.is(ERROR_MONOTONE.length, ERROR_FEATURES.length);
  assert.is(profileFeatures(columns(SOUND)).length, PROFILE_FEATURES.length);
});

drives("scoreDrive() never takes more errors for a better sign", () => {
  for (const id of [5, 187, 197, 198]) {
    let last = Number.NEGATIVE_INFINITY;
    for (const raw of [0, 1, 4, 16, 64, 1_000, 60_000]) {
      const smart = { ...SOUND, [`smart_${id}_raw`]: raw };
      const { errors } = scoreDrive(scorer, "unknown", columns(smart));
      assert.ok(errors >= last, `smart_${id} ${raw}`);
      last = errors;
    }
    assert.ok(last >= 2, `smart_${id} at the worst scores ${last}`);
  }
});

drives("scoreDrive() asks the profile only for models and ages that it knows", () => {
  const [model, [from, to]] = Object.entries(scorer.profiled)[0]!;
  const asked = (name: string, hours: number): boolean => {
    const { score, errors } = scoreDrive(scorer, name, columns({ ...SOUND, smart_9_raw: hours }));
    return score !== errors;
  };
  assert.ok(asked(model, (from + to) / 2));
  assert.not(asked(model, to + 1));
  assert.not(asked("constructor", (from + to) / 2));
  assert.not(isWithin([from, to], Number.NaN));
});

drives("scoreDrives() answers each row and keeps the keys that the file has", () => {
  const text = "serial_number,model,smart_5_raw,smart_197_raw\nA,X,0,0\nB,X,4000,100\nC,X,,\n";
  const { header, rows } = scoreDrives(parseTable(text), scorer);
  assert.equal(header, ["row", "serial_number", "model", "score", "errors"]);
  assert.equal(
    rows.map((row) => row.slice(0, 3)),
    [
      ["1", "A", "X"],
      ["2", "B", "X"],
      ["3", "C", "X"],
    ],
  );
  const scores = rows.map((row) => Number(row[3]));
  assert.ok(scores[1]! > 2 && scores[1]! > scores[0]!);
  assert.is(scores[2], scores[0]);
});

drives("scoreDrives() refuses a file without SMART values, and a model that is none", () => {
  assert.throws(() => scoreDrives(parseTable("a,b\n1,2\n"), scorer), /expected columns such as/);
  assert.throws(() => openSnapshotModel({}));
});

drives.run();
