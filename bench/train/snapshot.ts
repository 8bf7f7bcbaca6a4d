/**
 * Trains the two models of single drive rows: docs/models/snapshot.md.
 * @module
 */
import {
  ERROR_FEATURES,
  ERROR_MONOTONE,
  errorFeatures,
  PROFILE_FEATURES,
  profileFeatures,
} from "../../predictor/rows/drive-features.ts";
import { snapshotModel } from "../../predictor/rows/drive-model.ts";
import { scaleOf } from "../../predictor/rows/far.ts";
import { valuesIn } from "../../predictor/rows/scored.ts";
import { DEFAULT_BOOSTING } from "../../predictor/training/boosting.ts";
import { readTable } from "../../runtime/csv.ts";
import { crossMargins, type Recipe, type Rows, rowsOf, trainRows } from "./rows.ts";

const SNAPSHOT = "backblaze_2019_last_day_snapshot.csv.gz";
const FAILED = "backblaze_failure_day_rows_2020_2025.csv.gz";
/** The later failures are 27 times the snapshot's: so weighed, they are 3 times. */
const LATER_WEIGHT = 0.1;
/** Models that the uploader lists among the disks and that are SSDs. */
const SSD = /SSD|SA510|CT250|DELLBOSS|MTFD|ZA\d+C/;

export const ERRORS_RECIPE: Recipe = {
  members: 1,
  options: { ...DEFAULT_BOOSTING, trees: 150, columnShare: 0.5, monotone: ERROR_MONOTONE },
};

const FREE = PROFILE_FEATURES.slice(ERROR_FEATURES.length).map(() => 0);
export const PROFILE_RECIPE: Recipe = {
  members: 1,
  options: { ...ERRORS_RECIPE.options, monotone: [...ERROR_MONOTONE, ...FREE] },
};

/** One drive on one day. */
export interface Drive {
  readonly serial: string;
  readonly model: string;
  readonly date: string;
  readonly failed: boolean;
  readonly hours: number;
  readonly errors: readonly number[];
  readonly profile: readonly number[];
}

/** The drives of the snapshot, and the disks that failed in later years. */
export interface Drives {
  readonly snapshot: readonly Drive[];
  readonly later: readonly Drive[];
}

export async function readDrives(folder: string): Promise<Drives> {
  const later = await readDriveFile(`${folder}/${FAILED}`);
  return {
    snapshot: await readDriveFile(`${folder}/${SNAPSHOT}`),
    later: later.filter(({ model }) => !SSD.test(model)),
  };
}

async function readDriveFile(path: string): Promise<Drive[]> {
  const table = await readTable(path);
  const values = valuesIn(table);
  const [serial, model, date, failure] = ["serial_number", "model", "date", "failure"].map((name) =>
    table.header.indexOf(name),
  ) as [number, number, number, number];
  return table.rows.map((row) => {
    const value = values(row);
    return {
      serial: row[serial]!,
      model: row[model]!,
      date: row[date]!,
      failed: row[failure] === "1",
      hours: value("smart_9_raw"),
      errors: errorFeatures(value),
      profile: profileFeatures(value),
    };
  });
}

/** Snapshot first, then the later failures. */
export function errorRows({ snapshot, later }: Drives): Rows {
  const row = (weight: number) => (drive: Drive) => ({
    unit: drive.serial,
    failed: drive.failed,
    weight,
    values: drive.errors,
  });
  return rowsOf(ERROR_FEATURES, [...snapshot.map(row(1)), ...later.map(row(LATER_WEIGHT))]);
}

/** To be learnt from the snapshot alone: what later drives were used for is not comparable. */
export function profileRows(drives: readonly Drive[]): Rows {
  const rows = drives.map(({ serial, failed, profile }) => ({
    unit: serial,
    failed,
    weight: 1,
    values: profile,
  }));
  return rowsOf(PROFILE_FEATURES, rows);
}

/** The least and greatest power-on hours of each model of the snapshot. */
export function profiledModels({ snapshot }: Drives): Record<string, [number, number]> {
  const ages: Record<string, [number, number]> = {};
  for (const { model, hours } of snapshot) {
    const known = ages[model] ?? [hours, hours];
    ages[model] = [Math.min(known[0], hours), Math.max(known[1], hours)];
  }
  return ages;
}

export async function trainSnapshot(folder: string): Promise<unknown> {
  const drives = await readDrives(folder);
  const part = (rows: Rows, recipe: Recipe) => {
    const healthy = crossMargins(rows, recipe, 1).filter((_, row) => {
      return drives.snapshot[row]?.failed === false;
    });
    return { trees: trainRows(rows, recipe), scale: scaleOf(healthy) };
  };
  return snapshotModel.parse({
    errors: part(errorRows(drives), ERRORS_RECIPE),
    profile: part(profileRows(drives.snapshot), PROFILE_RECIPE),
    profiled: profiledModels(drives),
  });
}
