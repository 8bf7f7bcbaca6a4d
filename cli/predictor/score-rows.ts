/**
 * `lifeboat predictor score-rows`: scores of single rows of drives, DIMMs and optical lines.
 * @module
 */
import { writeFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { scoreOptical } from "../../predictor/rows/optical-rows.ts";
import { SystemError } from "../../protocol/error.ts";
import { formatTable, readTable, type Table } from "../../runtime/csv.ts";
import { optionsOf } from "../output.ts";
import type { World } from "../world.ts";

const SCORERS: Readonly<Record<string, (table: Table) => Table>> = {
  optical: scoreOptical,
};

interface ScoreRowsOptions {
  readonly kind: string;
  readonly out: string;
}

const HELP = `
Every row of the file is answered, in its order, by one row: its number, its key columns as they
were, and
  score   the higher, the likelier a fault
  alarm   (optical) 1 while the line is in alarm, else 0: from this row and earlier ones only

Files: CSV, plain or gzipped. Columns are told by the header; missing ones and empty fields are
put up with.
  optical  Timestamp, ID, BER, OSNR, InputPower, OutputPower: the points of one line

Examples:
  lifeboat predictor score-rows --kind optical line.csv.gz --out scores.csv`;

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
      const scores = formatTable(SCORERS[kind]!(await readTable(file)));
      if (out === "-") world.out(scores);
      else await write(out, scores);
    });
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (cause) {
    throw new SystemError("FILE_FAILED", `Cannot write ${path}`, { cause });
  }
}
