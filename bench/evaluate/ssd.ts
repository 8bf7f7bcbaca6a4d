/**
 * The rules of a drive on SSDs that failed (tickets of a cloud, 2018-19; SMART at the failure).
 * There is no healthy drive among them: this says what the rules miss, nothing of false alarms.
 * @module
 */
import { judgeDisk } from "../../predictor/disk.ts";
import type { DiskCounter, Reading } from "../../predictor/reading.ts";
import { valuesIn } from "../../predictor/rows/scored.ts";
import { readTable } from "../../runtime/csv.ts";
import { rateOf, rateText } from "./rates.ts";

const FILE = "alibaba_ssd_failure_tickets.csv.gz";
/** Columns that are counters of "two of five". The tickets have neither 188 nor 198. */
const COUNTERS: readonly (readonly [string, DiskCounter])[] = [
  ["r_5", "smart-5"],
  ["r_187", "smart-187"],
  ["r_197", "smart-197"],
];
const WORN = 10;

type Value = (name: string) => number;

const CASES: readonly (readonly [string, (value: Value) => boolean])[] = [
  ["disk rules: suspect or failing", (value) => riskOf(value) !== "healthy"],
  ["disk rules: failing", (value) => riskOf(value) === "failing"],
  ["no rule: a program or erase failed", (value) => value("r_program") + value("r_erase") > 0],
  ["no rule: 10 % of its endurance left, or less", (value) => value("n_wearout") <= WORN],
  [
    "any of these",
    (value) =>
      riskOf(value) !== "healthy" ||
      value("r_program") + value("r_erase") > 0 ||
      value("n_wearout") <= WORN,
  ],
];

export async function evaluateSsd(folder: string): Promise<string> {
  const table = await readTable(`${folder}/${FILE}`);
  const values = table.rows.map(valuesIn(table)).filter((value) => !Number.isNaN(value("r_5")));
  return [
    `| SSDs that failed and whose SMART 5 is known (of ${table.rows.length}) | found |`,
    "| --- | --- |",
    ...CASES.map(([name, holds]) => {
      return `| ${name} | ${rateText(rateOf(values.filter(holds).length, values.length))} |`;
    }),
  ].join("\n");
}

function riskOf(value: Value): string {
  const readings = COUNTERS.flatMap(([column, signal]): Reading[] => {
    const seen = value(column);
    if (Number.isNaN(seen)) return [];
    return [
      {
        component: "disk",
        device: "ssd",
        source: column,
        instance: "",
        signal,
        status: "ok",
        value: seen,
      },
    ];
  });
  return judgeDisk(readings).find(({ rule }) => rule === "two-of-five")!.risk;
}
