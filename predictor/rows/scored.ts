/**
 * Tables in, tables with scores out: what the scorers of rows share.
 * @module
 */
import { SystemError } from "../../protocol/error.ts";
import { numberIn, type Table } from "../../runtime/csv.ts";

/** The place of the first column that goes by one of `names`, however it is written; or -1. */
export function columnOf({ header }: Table, names: readonly string[]): number {
  const plain = header.map(plainName);
  for (const name of names) {
    const at = plain.indexOf(plainName(name));
    if (at !== -1) return at;
  }
  return -1;
}

/** `Input Power (dBm)`, `input_power_dbm` and `InputPowerDbm` are one name. */
function plainName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9=]/g, "");
}

/** What gives the number in a column of a row by the column's exact name; NaN if it is missing. */
export function valuesIn({ header }: Table): (row: readonly string[]) => (name: string) => number {
  const places = new Map(header.map((name, at) => [name, at]));
  return (row) => (name) => numberIn(row[places.get(name) ?? -1]);
}

/** The table of scores: the row's number from 1, its key columns as they were, and `more`. */
export function scoredTable(
  table: Table,
  keys: readonly number[],
  more: readonly string[],
  scores: readonly (readonly string[])[],
): Table {
  const kept = keys.filter((at) => at !== -1);
  return {
    header: ["row", ...kept.map((at) => table.header[at]!), ...more],
    rows: table.rows.map((row, index) => {
      return [`${index + 1}`, ...kept.map((at) => row[at]!), ...scores[index]!];
    }),
  };
}

/** A score as text: six digits tell two rows apart. */
export function scoreText(score: number): string {
  return `${Number(score.toPrecision(6))}`;
}

/** The refusal of a file that is of another kind. */
export function wrongTable(kind: string, expected: string, { header }: Table): SystemError {
  const seen = header.slice(0, 8).join(",");
  const message = `Cannot score as ${kind}: expected ${expected}; the header begins ${seen}`;
  return new SystemError("TABLE_INVALID", message);
}
