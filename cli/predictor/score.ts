/**
 * `lifeboat predictor score`: the drive model's verdicts over the recorded history of a fleet.
 * @module
 */
import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { DRIVE_MODEL } from "../../predictor/drive-model/committed.ts";
import { driveMargin, probabilityOf } from "../../predictor/drive-model/model.ts";
import { ChangeLog, type LoggedDrive } from "../../predictor/training/change-log.ts";
import { forEachDecision } from "../../predictor/training/decisions.ts";
import { SystemError } from "../../protocol/error.ts";
import { forEachLine } from "../../runtime/lines.ts";
import { optionsOf } from "../output.ts";
import type { World } from "../world.ts";

interface ScoreOptions {
  readonly changes: string;
  readonly out: string;
}

const HORIZON_DAYS = DRIVE_MODEL.model.horizonDays;
const HELP = `
The change log is CSV, plain or gzipped, with a row for each change of a drive's counters:
serial_number, model, date, hours, hours_end and smart_5, 12, 187, 188, 197, 198 (raw). Other
columns are not looked at; missing ones and empty fields are put up with.

Scores: serial_number,hours,score at each change and every week until hours_end. The score is the
probability that the drive fails within ${HORIZON_DAYS} days; it looks at nothing later.

Examples:
  lifeboat predictor score --changes fleet.csv.gz --out scores.csv`;

const HOURS_A_DAY = 24;

export function addScoreCommand(predictor: Command, world: World): void {
  predictor
    .command("score")
    .description("score the recorded history of a fleet's drives")
    .requiredOption("--changes <file>", "a change log in CSV, .csv or .csv.gz")
    .requiredOption("--out <file>", "where the scores go")
    .addHelpText("after", HELP)
    .action(async (_options, command: Command) => {
      const { changes, out } = optionsOf<ScoreOptions>(command);
      const log = new ChangeLog();
      await forEachLine(changes, (line) => log.add(line));
      const drives = log.finish();
      await write(out, drives);
      world.err(`${drives.length} drives, ${log.rows} changes, ${log.skipped} lines left out\n`);
    });
}

/** A drive at a time, so that a fleet's scores need no memory. */
async function write(path: string, drives: readonly LoggedDrive[]): Promise<void> {
  try {
    await pipeline(Readable.from(chunksOf(drives)), createWriteStream(path));
  } catch (cause) {
    throw new SystemError("FILE_FAILED", `Cannot write ${path}`, { cause });
  }
}

const DRIVES_A_CHUNK = 100;

function* chunksOf(drives: readonly LoggedDrive[]): Generator<string> {
  let chunk = "serial_number,hours,score\n";
  for (const [index, drive] of drives.entries()) {
    chunk += scoresOf(drive);
    if (index % DRIVES_A_CHUNK !== DRIVES_A_CHUNK - 1) continue;
    yield chunk;
    chunk = "";
  }
  yield chunk;
}

function scoresOf(drive: LoggedDrive): string {
  let lines = "";
  forEachDecision(drive, ({ atDays, features }) => {
    const score = probabilityOf(DRIVE_MODEL, driveMargin(DRIVE_MODEL, features));
    const hours = Number((atDays * HOURS_A_DAY).toFixed(3));
    lines += `${drive.serial},${hours},${Number(score.toPrecision(7))}\n`;
  });
  return lines;
}
