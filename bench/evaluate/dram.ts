/**
 * The DRAM model: the share of DIMMs with an uncorrectable error found, by cross-validation over
 * DIMMs, beside rules on the counts that an agent can see.
 * @module
 */
import { DRAM_FEATURES } from "../../predictor/rows/dram-features.ts";
import { DRAM_RECIPE, readDramRows } from "../train/dram.ts";
import { crossMargins, type Recipe, type Rows } from "../train/rows.ts";
import { bestF1, meanRate, rateAbove, rateText, thresholdAt } from "./rates.ts";

const FARS = [0.001, 0.005, 0.01, 0.05];
const SPLITS = [11, 12, 13];
/** What EDAC counts of a DIMM. */
const COUNTS = ["all_ce_count_15m", "all_ce_count_1h", "all_ce_count_6h"];

export async function evaluateDram(folder: string): Promise<string> {
  const rows = await readDramRows(folder);
  const counts = onlyColumns(rows, COUNTS);
  const model = { ...DRAM_RECIPE, options: { ...DRAM_RECIPE.options, columnShare: 1 } };
  return [
    "| DIMMs with an uncorrectable error found, at | 0.1 % | 0.5 % | 1 % | 5 % | best F1 |",
    "| --- | --- | --- | --- | --- | --- |",
    lineOf("the model", rows, crossOf(rows, DRAM_RECIPE)),
    lineOf("a model of error counts alone", counts, crossOf(counts, model)),
    lineOf("rule: errors in 6 h", rows, [ruleOf(rows, "all_ce_count_6h")]),
    lineOf("rule: storms in 6 h", rows, [ruleOf(rows, "ce_storm_count_6h")]),
  ].join("\n");
}

function crossOf(rows: Rows, recipe: Recipe): number[][] {
  return SPLITS.map((split) => [...crossMargins(rows, recipe, split)]);
}

function lineOf(name: string, { samples }: Rows, splits: readonly number[][]): string {
  const failed = Array.from(samples.labels, (label) => label === 1);
  const rates = FARS.map((far) =>
    meanRate(
      splits.map((scores) => {
        const healthy = scores.filter((_, row) => !failed[row]);
        const failing = scores.filter((_, row) => failed[row]);
        return rateAbove(failing, thresholdAt(healthy, far));
      }),
    ),
  );
  const f1 = splits.reduce((sum, scores) => sum + bestF1(scores, failed), 0) / splits.length;
  return `| ${name} | ${rates.map(rateText).join(" | ")} | ${f1.toFixed(3)} |`;
}

/** A rule counts what was not filled in as nothing. */
function ruleOf(rows: Rows, name: string): number[] {
  return columnOf(rows, name).map((value) => (Number.isNaN(value) ? 0 : value));
}

function columnOf({ samples }: Rows, name: string): number[] {
  const at = DRAM_FEATURES.indexOf(name);
  const { rows, columns, values } = samples;
  return Array.from({ length: rows }, (_, row) => values[row * columns + at]!);
}

function onlyColumns(rows: Rows, features: readonly string[]): Rows {
  const columns = features.map((name) => columnOf(rows, name));
  const values = Float32Array.from({ length: rows.units.length * features.length }, (_, at) => {
    return columns[at % features.length]![Math.floor(at / features.length)]!;
  });
  return { ...rows, features, samples: { ...rows.samples, columns: features.length, values } };
}
