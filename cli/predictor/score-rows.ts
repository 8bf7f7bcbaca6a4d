/**
 * `lifeboat predictor score-rows`: scores of single rows of drives, DIMMs and optical lines.
 * @module
 */
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { openDramModel, scoreDram } from "../../predictor/rows/dram-model.ts";
import { openSnapshotModel, scoreDrives } from "../../predictor/rows/drive-model.ts";
import { scoreOptical } from "../../predictor/rows/optical-rows.ts";
import { SystemError } from "../../protocol/error.ts";
import { formatTable, readTable, type Table } from "../../runtime/csv.ts";
import { optionsOf } from "../output.ts";
import type { World } from "../world.ts";

const SCORERS = {
  drive: (table: Table) => scoreDrives(table, openSnapshotModel(readModel("snapshot"))),
  dram: (table: Table) => scoreDram(table, openDramModel(readModel("dram"))),
  optical: (table: Table) => scoreOptical(table),
} as const;

interface ScoreRowsOptions {
  readonly kind: keyof typeof SCORERS;
  readonly out: string;
}

const HELP = `
Every row of the file is answered, in its order, by one row: its number, its key columns as they
were, and
  score   the higher, the likelier a failure
          drive, dram: 2 is reached by one healthy row in 100, 3 by one in 1000
          optical: 1 is the threshold of the alarm
  errors  (drive) the same scale, from the drive's errors alone, not its age and use: for fleets
          unlike the data of docs/models/snapshot.md
  alarm   (optical) 1 while the line is in alarm, else 0: from this row and earlier ones only

Files: CSV, plain or gzipped. Columns are told by the header; missing ones and empty fields are
put up with.
  drive    model, smart_N_raw, smart_N_normalized: one day of a drive (Backblaze Drive Stats)
  dram     the SmartMem features of a DIMM: all_ce_count_6h and others
  optical  Timestamp, ID, BER, OSNR, InputPower, OutputPower: the points of one line

Examples:
  lifeboat predictor score-rows --kind drive day.csv --out scores.csv
  lifeboat predictor score-rows --kind optical line.csv.gz`;

export function addScoreRowsCommand(predictor: Command, world: World): void {
  predictor
    .command("score-rows")
    .description("score each row of a file: drives of a day, DIMMs, or an optical line")
    .argument("<file>", "a table in CSV, .csv or .csv.gz")
    .addOption(
      new Option("--kind <kind>", "what the rows are")
        .choices(Object.keys(SCORERS))
        .makeOptionMandatory(),
    )
    .option("--out <file>", "where the scores go; - is standard output", "-")
    .addHelpText("after", HELP)
    .action(async (file: string, _options, command: Command) => {
      const { kind, out } = optionsOf<ScoreRowsOptions>(command);
      const scores = formatTable(SCORERS[kind](await readTable(file)));
      if (out === "-") world.out(scores);
      else await write(out, scores);
    });
}

/** The committed models are part of the program: one that cannot be read is a broken program. */
function readModel(name: string): unknown {
  const path = new URL(`../../predictor/models/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(path, "utf8"));
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (cause) {
    throw new SystemError("FILE_FAILED", `Cannot write ${path}`, { cause });
  }
}
