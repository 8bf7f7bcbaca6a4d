/**
 * The optical detector on the induced failures of a real line: every one found, how soon, and how
 * often it cried wolf. Whether an episode's row is alarmed is asked of the rows labelled, in the
 * order of the file; an alarm is false if it begins in a row without the label.
 * @module
 */
import { DEFAULT_OPTICAL, type OpticalConfig } from "../../predictor/optical.ts";
import { opticalReadings, scoreOptical } from "../../predictor/rows/optical-rows.ts";
import { readTable, type Table } from "../../runtime/csv.ts";
import { rateOf, rateText } from "./rates.ts";

const FILE = "optical_hard_failure.csv.gz";
const HOUR_MS = 3_600_000;

export async function evaluateOptical(folder: string): Promise<string> {
  const table = await readTable(`${folder}/${FILE}`);
  const receiver = { ...table, rows: table.rows.filter((row) => row[2] === "SPO2/18/11") };
  const minutes = (windowMs: number): OpticalConfig => ({
    ...DEFAULT_OPTICAL,
    windowMs: windowMs * 60_000,
  });
  const lines = [
    ["all points of the line", episodesOf(table, DEFAULT_OPTICAL)],
    ["the same, window 10 min", episodesOf(table, minutes(10))],
    ["the same, window 30 min", episodesOf(table, minutes(30))],
    ["its receiver alone", episodesOf(receiver, DEFAULT_OPTICAL)],
  ] as const;
  return [
    "| optical line, 131 hard failures | found | median delay | false alarms | an hour |",
    "| --- | --- | --- | --- | --- |",
    ...lines.map(([name, { found, of, delayMs, falseAlarms, hours }]) => {
      const rate = rateText(rateOf(found, of));
      const each = (falseAlarms / hours).toFixed(2);
      return `| ${name} | ${rate} | ${delayMs / 1_000} s | ${falseAlarms} | ${each} |`;
    }),
  ].join("\n");
}

interface Episodes {
  readonly found: number;
  readonly of: number;
  readonly delayMs: number;
  readonly falseAlarms: number;
  readonly hours: number;
}

function episodesOf(table: Table, config: OpticalConfig): Episodes {
  const readings = opticalReadings(table);
  const alarms = scoreOptical(table, config).rows.map((row) => row.at(-1) === "1");
  const failing = table.rows.map((row) => Number(row[7]) === 1);
  const delays: number[] = [];
  let [of, falseAlarms, begunAtMs] = [0, 0, 0];
  let found = true;
  for (const [index, { atMs }] of readings.entries()) {
    if (failing[index] && !failing[index - 1]) {
      of++;
      [found, begunAtMs] = [false, atMs];
    }
    if (failing[index] && alarms[index] && !found) {
      found = true;
      delays.push(atMs - begunAtMs);
    }
    if (alarms[index] && !alarms[index - 1] && !failing[index]) falseAlarms++;
  }
  const hours = (readings.at(-1)!.atMs - readings[0]!.atMs) / HOUR_MS;
  const delayMs = delays.sort((a, b) => a - b)[delays.length >> 1] ?? Number.NaN;
  return { found: delays.length, of, delayMs, falseAlarms, hours };
}
