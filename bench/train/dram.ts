/**
 * Trains the DRAM model on the SmartMem features of DIMMs: docs/models/dram.md.
 * @module
 */
import { DRAM_FEATURES, dramFeatures } from "../../predictor/rows/dram-features.ts";
import { dramModel } from "../../predictor/rows/dram-model.ts";
import { scaleOf } from "../../predictor/rows/far.ts";
import { valuesIn } from "../../predictor/rows/scored.ts";
import { DEFAULT_BOOSTING } from "../../predictor/training/boosting.ts";
import { readTable } from "../../runtime/csv.ts";
import { crossMargins, type Recipe, type Rows, rowsOf, trainRows } from "./rows.ts";

const FILE = "dram_smartmem_stage2_features.csv.gz";

export const DRAM_RECIPE: Recipe = {
  members: 3,
  options: { ...DEFAULT_BOOSTING, trees: 120, depth: 6, columnShare: 0.3, rowShare: 0.5 },
};

/** One row a DIMM. */
export async function readDramRows(folder: string): Promise<Rows> {
  const table = await readTable(`${folder}/${FILE}`);
  const values = valuesIn(table);
  const [serial, type, label] = ["serial_number", "serial_number_type", "label"].map((name) =>
    table.header.indexOf(name),
  ) as [number, number, number];
  const rows = table.rows.map((row) => ({
    unit: `${row[type]}${row[serial]}`,
    failed: row[label] === "1",
    weight: 1,
    values: dramFeatures(values(row)),
  }));
  return rowsOf(DRAM_FEATURES, rows);
}

export async function trainDram(folder: string): Promise<unknown> {
  const rows = await readDramRows(folder);
  const unseen = crossMargins(rows, DRAM_RECIPE, 1);
  const healthy = unseen.filter((_, row) => rows.samples.labels[row] === 0);
  return dramModel.parse({ trees: trainRows(rows, DRAM_RECIPE), scale: scaleOf(healthy) });
}
