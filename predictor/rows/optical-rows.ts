/**
 * Scores the readings of an optical line, a row each, in the order of the file: a row's verdict
 * follows from it and earlier rows. A file is one line; its points are told apart by their id.
 * @module
 */
import { numberIn, type Table } from "../../runtime/csv.ts";
import {
  DEFAULT_OPTICAL,
  type OpticalConfig,
  OpticalLine,
  type OpticalQuantity,
  type OpticalReading,
} from "../optical.ts";
import { columnOf, scoredTable, scoreText, wrongTable } from "./scored.ts";

const TIME = ["timestamp", "time", "ts", "datetime", "date"];
const POINT = ["id", "point", "device", "port", "name"];
const QUANTITY: Readonly<Record<OpticalQuantity, readonly string[]>> = {
  ber: ["ber", "pre_fec_ber", "bit_error_rate"],
  osnr: ["osnr", "osnr_db"],
  "input-power": ["input_power", "input_power_dbm", "rx_power", "rx_power_dbm", "power"],
  "output-power": ["output_power", "output_power_dbm", "tx_power", "tx_power_dbm"],
};

/** Without a clock in the file, each point is read as often as in the data known here. */
const SPACING_MS = 3_500;
/** Numbers beyond this are milliseconds since 1970, below it seconds. */
const SECONDS_MAX = 1e11;

export const OPTICAL_SCORES = ["score", "alarm"] as const;

/**
 * `row`, time, type and id as they were, `score` (1 is the alarm's threshold) and `alarm` (0, 1).
 * @throws SystemError TABLE_INVALID
 */
export function scoreOptical(table: Table, config: OpticalConfig = DEFAULT_OPTICAL): Table {
  const readings = opticalReadings(table);
  const line = new OpticalLine(config);
  const scores = readings.map((reading) => {
    const { score, alarm } = line.observe(reading);
    return [scoreText(score), alarm ? "1" : "0"];
  });
  const keys = [columnOf(table, TIME), columnOf(table, ["type"]), columnOf(table, POINT)];
  return scoredTable(table, keys, OPTICAL_SCORES, scores);
}

/**
 * The rows as readings.
 * @throws SystemError TABLE_INVALID if no column is one of an optical line
 */
export function opticalReadings(table: Table): OpticalReading[] {
  const quantities = Object.entries(QUANTITY)
    .map(([name, columns]) => [name as OpticalQuantity, columnOf(table, columns)] as const)
    .filter(([, at]) => at !== -1);
  if (quantities.length === 0) {
    throw wrongTable("optical", "columns BER, OSNR, InputPower or OutputPower", table);
  }
  const time = columnOf(table, TIME);
  const point = columnOf(table, POINT);
  const seen = new Map<string, number>();
  return table.rows.map((row) => {
    const id = row[point] ?? "";
    const count = seen.get(id) ?? 0;
    seen.set(id, count + 1);
    const atMs = timeIn(row[time]) ?? count * SPACING_MS;
    const values = quantities.map(([name, at]) => [name, numberIn(row[at])]);
    return { atMs, point: id, values: Object.fromEntries(values) };
  });
}

function timeIn(field: string | undefined): number | undefined {
  const value = numberIn(field);
  if (!Number.isNaN(value)) return value > SECONDS_MAX ? value : value * 1_000;
  const parsed = Date.parse(field ?? "");
  return Number.isNaN(parsed) ? undefined : parsed;
}
