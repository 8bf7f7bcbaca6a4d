import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DRAM_FEATURES, dramFeatures } from "../../../../predictor/rows/dram-features.ts";
import { openDramModel, scoreDimm, scoreDram } from "../../../../predictor/rows/dram-model.ts";
import { formatTable, parseTable } from "../../../../runtime/csv.ts";

const MODEL = new URL("../../../../predictor/models/dram.json", import.meta.url);
const scorer = openDramModel(JSON.parse(readFileSync(MODEL, "utf8")));
const dram = suite("dram rows");

/** One corrected error of one bit, as most DIMMs with errors have had. */
const ONE: Readonly<Record<string, number>> = Object.fromEntries(
  ["15m", "1h", "6h"].flatMap((window) =>
    [
      ...["read_ce_log_num", "all_ce_log_num", "read_ce_count", "all_ce_count"],
      ...["fault_mode_cell", "error_bit_count", "error_dq_count", "error_burst_count"],
      ...["dq_count=1", "burst_count=1"],
    ].map((name) => [`${name}_${window}`, 1]),
  ),
);

/** Thirty logs an hour over four data lines and eight beats. */
const MANY: Readonly<Record<string, number>> = {
  ...Object.fromEntries(Object.keys(ONE).map((name) => [name, 180])),
  "dq_count=4_6h": 90,
  "dq_count=4_1h": 60,
  "burst_count=8_6h": 30,
  max_dq_interval_6h: 3,
  max_burst_interval_6h: 7,
  ce_storm_count_6h: 3,
};

dram("dramFeatures() takes what is missing for nothing seen", () => {
  assert.is(DRAM_FEATURES.length, 99);
  assert.equal(
    dramFeatures(() => Number.NaN),
    Array(99).fill(0),
  );
  assert.ok(!DRAM_FEATURES.some((name) => /time|serial/i.test(name)));
});

dram("dramFeatures() takes a window with fewer logs than a shorter one for unknown", () => {
  const logs: Readonly<Record<string, number>> = {
    all_ce_log_num_15m: 2,
    all_ce_log_num_1h: 3,
    all_ce_count_1h: 5,
    all_ce_count_6h: 7,
  };
  const features = (own: Readonly<Record<string, number>>) => {
    const values = dramFeatures((name) => ({ ...logs, ...own })[name] ?? 0);
    return Object.fromEntries(DRAM_FEATURES.map((name, at) => [name, values[at]]));
  };
  const known = features({ all_ce_log_num_6h: 3 });
  assert.equal([known["all_ce_count_1h"], known["all_ce_count_6h"]], [5, 7]);
  const unknown = features({ all_ce_log_num_6h: 0 });
  assert.equal([unknown["all_ce_count_1h"], unknown["all_ce_count_6h"]], [5, Number.NaN]);
});

dram("scoreDimm() tells a storm over many lines from a single error", () => {
  const score = (values: Readonly<Record<string, number>>) =>
    scoreDimm(scorer, (name) => values[name] ?? Number.NaN);
  assert.ok(score(ONE) < 1, `one error scores ${score(ONE)}`);
  assert.ok(score(MANY) > 1.5, `a storm scores ${score(MANY)}`);
});

dram("scoreDram() answers each row, keeps its keys, and does not mind the time", () => {
  const header = ["serial_number", "serial_number_type", "prediction_timestamp", ...DRAM_FEATURES];
  const row = (time: string, values: Readonly<Record<string, number>>) => [
    ...["sn_1", "A", time],
    ...DRAM_FEATURES.map((name) => `${values[name] ?? 0}`),
  ];
  const rows = [row("1704067200", ONE), row("1720000000", ONE), row("1720000000", MANY)];
  const scored = scoreDram(parseTable(formatTable({ header, rows })), scorer);
  assert.equal(scored.header, ["row", ...header.slice(0, 3), "score"]);
  assert.equal(scored.rows[2]!.slice(0, 4), ["3", "sn_1", "A", "1720000000"]);
  assert.is(scored.rows[0]![4], scored.rows[1]![4]);
  assert.ok(Number(scored.rows[2]![4]) > Number(scored.rows[0]![4]));
});

dram("scoreDram() puts up with missing columns, and refuses a file with none", () => {
  const scored = scoreDram(parseTable("all_ce_count_6h\n1\n900\n"), scorer);
  assert.equal(scored.header, ["row", "score"]);
  assert.ok(Number(scored.rows[1]![1]) > Number(scored.rows[0]![1]));
  assert.throws(() => scoreDram(parseTable("BER\n1\n"), scorer), /expected SmartMem features/);
});

dram.run();
