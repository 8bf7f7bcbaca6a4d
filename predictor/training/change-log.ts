/**
 * The change log of a fleet: a row for each time one of a drive's counters changed, valid until
 * the drive's next row. In memory a row is `ROW.width` numbers, so that a million fit.
 * @module
 */
import { SystemError } from "../../protocol/error.ts";
import { numberIn } from "../../runtime/csv.ts";
import { COUNTERS } from "../drive-model/history.ts";

export interface LoggedDrive {
  readonly serial: string;
  readonly model: string;
  /** Row after row, in the order of time. */
  readonly rows: number[];
}

/** The places of a row's numbers. Times are days: `at` and `end` by the drive's own hours. */
export const ROW = {
  at: 0,
  end: 1,
  date: 2,
  dateEnd: 3,
  failed: 4,
  counters: 5,
  width: 11,
} as const;

const REQUIRED = ["serial_number", "hours"];
const HOURS_A_DAY = 24;
const DAY_MS = 86_400_000;
const ROWS_MAX = 20_000_000;

/**
 * What takes in the lines of a change log, the header first, and gives the drives. Columns may be
 * in any order; missing ones, empty fields, CRLF and rows out of order are put up with. A line
 * without a serial number or hours is left out and counted.
 * @throws SystemError TABLE_INVALID
 */
export class ChangeLog {
  readonly drives = new Map<string, LoggedDrive>();
  rows = 0;
  /** Lines that could not be used. */
  skipped = 0;
  private parse: ((fields: readonly string[]) => Parsed | undefined) | undefined;

  add(line: string): void {
    const fields = line.trimEnd().split(",");
    if (fields.length === 1 && fields[0] === "") return;
    if (this.parse === undefined) {
      this.parse = parserOf(fields);
      return;
    }
    const parsed = this.parse(fields);
    if (parsed === undefined) {
      this.skipped++;
      return;
    }
    if (++this.rows > ROWS_MAX) throw invalid(`more than ${ROWS_MAX} rows`);
    const { serial, model, row } = parsed;
    let drive = this.drives.get(serial);
    if (drive === undefined) {
      drive = { serial, model, rows: [] };
      this.drives.set(serial, drive);
    }
    append(drive.rows, row);
  }

  /** The drives, in the order in which they came. */
  finish(): LoggedDrive[] {
    if (this.parse === undefined) throw invalid("it is empty");
    return [...this.drives.values()];
  }
}

interface Parsed {
  readonly serial: string;
  readonly model: string;
  readonly row: readonly number[];
}

function parserOf(header: readonly string[]) {
  const names = header.map((name) => name.trim().replace(/^\ufeff/, ""));
  const missing = REQUIRED.filter((name) => !names.includes(name));
  if (missing.length > 0) throw invalid(`it has no column ${missing.join(", ")}`);
  const place = (name: string): number => names.indexOf(name);
  const [serialAt, modelAt, hoursAt] = [place("serial_number"), place("model"), place("hours")];
  const [endAt, dateAt, dateEndAt] = [place("hours_end"), place("date"), place("date_end")];
  const eventAt = place("event");
  const counters = COUNTERS.map((id) => [id, place(`smart_${id}`)] as const);
  const uncorrectable = place("smart_187");
  return (fields: readonly string[]): Parsed | undefined => {
    const serial = fields[serialAt]?.trim();
    const hours = numberIn(fields[hoursAt]);
    if (!serial || !Number.isFinite(hours)) return undefined;
    const model = fields[modelAt]?.trim() ?? "";
    const end = numberIn(fields[endAt]);
    // Trap 2 of the data: Seagate's packed timeouts were lost where other counters were not.
    const lost = model.startsWith("ST") && !Number.isNaN(numberIn(fields[uncorrectable]));
    const values = counters.map(([id, at]) => {
      const value = numberIn(fields[at]);
      return id === 188 && at !== -1 && lost && Number.isNaN(value) ? Infinity : value;
    });
    const row = [
      hours / HOURS_A_DAY,
      (Number.isNaN(end) ? hours : end) / HOURS_A_DAY,
      dayOf(fields[dateAt]),
      dayOf(fields[dateEndAt]),
      numberIn(fields[eventAt]) === 1 ? 1 : 0,
      ...values,
    ];
    return { serial, model, row };
  };
}

/** Days since 1970; NaN if there is no date. */
function dayOf(text: string | undefined): number {
  return text === undefined ? Number.NaN : Date.parse(text) / DAY_MS;
}

/** Rows come in order nearly always; one that does not is put in its place. */
function append(rows: number[], row: readonly number[]): void {
  let at = rows.length;
  while (at > 0 && rows[at - ROW.width + ROW.at]! > row[ROW.at]!) at -= ROW.width;
  if (at === rows.length) rows.push(...row);
  else rows.splice(at, 0, ...row);
}

function invalid(what: string): SystemError {
  return new SystemError("TABLE_INVALID", `Cannot read the change log: ${what}`);
}
