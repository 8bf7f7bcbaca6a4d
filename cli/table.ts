/**
 * Tables for people: columns as wide as their cells, and nothing in a cell that drives a terminal.
 * @module
 */
import { printable } from "../runtime/log.ts";

export type Cell = string | number | boolean | undefined;

const GAP = "  ";
const CELL_LENGTH_MAX = 120;

/** Rows under their headings; numbers to the right. An empty table is one line that says so. */
export function renderTable(
  headings: readonly string[],
  rows: readonly (readonly Cell[])[],
): string {
  if (rows.length === 0) return "(none)\n";
  const texts = rows.map((row) => headings.map((_, column) => cellText(row[column])));
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...texts.map((row) => row[column]!.length)),
  );
  const right = headings.map((_, column) => rows.some((row) => typeof row[column] === "number"));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        right[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join(GAP)
      .trimEnd();
  return `${[headings, ...texts].map(line).join("\n")}\n`;
}

/** A headed table, for a page of several. */
export function renderSection(
  title: string,
  headings: readonly string[],
  rows: readonly (readonly Cell[])[],
): string {
  return `\n${title}\n${renderTable(headings, rows)}`;
}

function cellText(cell: Cell): string {
  if (cell === undefined || cell === "") return "-";
  if (typeof cell === "boolean") return cell ? "yes" : "no";
  const text = printable(String(cell));
  return text.length > CELL_LENGTH_MAX ? `${text.slice(0, CELL_LENGTH_MAX - 1)}…` : text;
}

/** Bytes with a binary unit and one decimal: 1536 -> "1.5 KiB". */
export function bytesText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit++;
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${units[unit]}`;
}
