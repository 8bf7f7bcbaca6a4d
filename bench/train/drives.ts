/**
 * Trains the drive model on a fleet's change log: docs/models/drive.md.
 * @module
 */
import type { DriveModel } from "../../predictor/drive-model/model.ts";
import { ChangeLog } from "../../predictor/training/change-log.ts";
import { trainDriveModel } from "../../predictor/training/drive.ts";
import { forEachLine } from "../../runtime/lines.ts";

export const CHANGES = "backblaze_hdd_2013_2015_changes.csv.gz";
/** The day after the last of the log: what became of later days is not in it. */
const UNTIL = "2016-01-01";
const DAY_MS = 86_400_000;

export async function trainDrives(folder: string): Promise<DriveModel> {
  const log = new ChangeLog();
  await forEachLine(`${folder}/${CHANGES}`, (line) => log.add(line));
  return trainDriveModel(log.finish(), Date.parse(UNTIL) / DAY_MS);
}
