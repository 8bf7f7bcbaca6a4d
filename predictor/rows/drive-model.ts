/**
 * How likely a drive is to fail, from one day's SMART values.
 *
 * Two models answer. `errors` looks at what a drive says about its own faults, and is for any
 * drive. `profile` also knows its age and use; it is asked only for a drive of a model, and of an
 * age, that it was trained on. Both answer on the same scale of false alarms, so one threshold is
 * for both. What the profile's figures are worth, and why not to trust them elsewhere:
 * docs/models/snapshot.md.
 * @module
 */
import { z } from "zod";
import type { Table } from "../../runtime/csv.ts";
import { type BoostedTrees, boostedModel, compileTrees, marginOf } from "../boosted.ts";
import { type Columns, errorFeatures, profileFeatures } from "./drive-features.ts";
import { type FalseAlarmScale, falseAlarmScale, scoreOf } from "./far.ts";
import { columnOf, scoredTable, scoreText, valuesIn, wrongTable } from "./scored.ts";

const part = z.strictObject({ trees: boostedModel, scale: falseAlarmScale });
/** Power-on hours of a model's drives in training, from and to. */
const profiled = z.record(z.string(), z.tuple([z.number(), z.number()]));

export const snapshotModel = z.strictObject({ errors: part, profile: part, profiled });
export type SnapshotModel = z.infer<typeof snapshotModel>;

interface Part {
  readonly trees: BoostedTrees;
  readonly scale: FalseAlarmScale;
}

export interface DriveScorer {
  readonly errors: Part;
  readonly profile: Part;
  readonly profiled: SnapshotModel["profiled"];
}

/** Makes a committed model ready. @throws SystemError MESSAGE_INVALID, ZodError */
export function openSnapshotModel(json: unknown): DriveScorer {
  const { errors, profile, profiled } = snapshotModel.parse(json);
  const open = ({ trees, scale }: SnapshotModel["errors"]): Part => ({
    trees: compileTrees(trees),
    scale,
  });
  return { errors: open(errors), profile: open(profile), profiled };
}

export interface DriveScore {
  /** By whichever model the drive is for. */
  readonly score: number;
  /** By its errors alone. */
  readonly errors: number;
}

/** The scores of one drive (far.ts). `value` gives a column by its name, NaN if it is missing. */
export function scoreDrive(scorer: DriveScorer, model: string, value: Columns): DriveScore {
  const errors = scoreOf(scorer.errors.scale, marginOf(scorer.errors.trees, errorFeatures(value)));
  const ages = Object.hasOwn(scorer.profiled, model) ? scorer.profiled[model] : undefined;
  if (!isWithin(ages, value("smart_9_raw"))) return { score: errors, errors };
  const margin = marginOf(scorer.profile.trees, profileFeatures(value));
  return { score: scoreOf(scorer.profile.scale, margin), errors };
}

/** Whether a drive of that age is one the profile knows. */
export function isWithin(ages: readonly [number, number] | undefined, hours: number): boolean {
  return ages !== undefined && hours >= ages[0] && hours <= ages[1];
}

const SMART = /^smart_\d+_(raw|normalized)$/;
const KEYS = ["date", "serial_number", "model"];

/** Scores a table of one day's SMART values a row. @throws SystemError TABLE_INVALID */
export function scoreDrives(table: Table, scorer: DriveScorer): Table {
  if (!table.header.some((name) => SMART.test(name))) {
    throw wrongTable("drive", "columns such as smart_5_raw and smart_1_normalized", table);
  }
  const values = valuesIn(table);
  const model = columnOf(table, ["model"]);
  const scores = table.rows.map((row) => {
    const { score, errors } = scoreDrive(scorer, row[model] ?? "", values(row));
    return [scoreText(score), scoreText(errors)];
  });
  const keys = KEYS.map((name) => columnOf(table, [name]));
  return scoredTable(table, keys, ["score", "errors"], scores);
}
