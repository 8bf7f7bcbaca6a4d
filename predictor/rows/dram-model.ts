/**
 * How likely a DIMM is to have an uncorrectable error soon, from its correctable ones.
 * The model and what it is worth: docs/models/dram.md.
 * @module
 */
import { z } from "zod";
import type { Table } from "../../runtime/csv.ts";
import { type BoostedTrees, boostedModel, compileTrees, marginOf } from "../boosted.ts";
import { DRAM_FEATURES, dramFeatures } from "./dram-features.ts";
import { type FalseAlarmScale, falseAlarmScale, scoreOf } from "./far.ts";
import { columnOf, scoredTable, scoreText, valuesIn, wrongTable } from "./scored.ts";

export const dramModel = z.strictObject({ trees: boostedModel, scale: falseAlarmScale });

export interface DramScorer {
  readonly trees: BoostedTrees;
  readonly scale: FalseAlarmScale;
}

/** Makes a committed model ready. @throws SystemError MESSAGE_INVALID, ZodError */
export function openDramModel(json: unknown): DramScorer {
  const { trees, scale } = dramModel.parse(json);
  return { trees: compileTrees(trees), scale };
}

/**
 * The score of one DIMM (far.ts). `value` gives a SmartMem feature by its name, NaN if unknown:
 * what an agent knows from EDAC is `all_ce_count_15m`, `_1h` and `_6h`, and no more.
 */
export function scoreDimm({ trees, scale }: DramScorer, value: (name: string) => number): number {
  return scoreOf(scale, marginOf(trees, dramFeatures(value)));
}

const KEYS = ["serial_number", "serial_number_type", "prediction_timestamp"];

/** Scores a table of SmartMem features. @throws SystemError TABLE_INVALID */
export function scoreDram(table: Table, scorer: DramScorer): Table {
  const known = new Set(table.header);
  if (!DRAM_FEATURES.some((name) => known.has(name))) {
    throw wrongTable("dram", "SmartMem features such as all_ce_count_6h", table);
  }
  const values = valuesIn(table);
  const scores = table.rows.map((row) => [scoreText(scoreDimm(scorer, values(row)))]);
  const keys = KEYS.map((name) => columnOf(table, [name]));
  return scoredTable(table, keys, ["score"], scores);
}
