// `npm run evaluate [-- SECTION...] [--json] [--pictures DIR]`: the models on the development
// data, with intervals.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { evaluateDram } from "./dram.ts";
import { evaluateDrives } from "./drives.ts";
import { evaluateOptical } from "./optical.ts";
import type { Picture } from "./picture.ts";
import { evaluateSnapshot } from "./snapshot.ts";
import { evaluateSsd } from "./ssd.ts";

interface Section {
  /** Tables in Markdown. */
  readonly text: string;
  readonly pictures?: readonly Picture[];
}

/** Each takes the folder of the data. */
const SECTIONS: Readonly<Record<string, (folder: string) => Promise<Section>>> = {
  drives: evaluateDrives,
  snapshot: async (folder) => ({ text: await evaluateSnapshot(folder) }),
  dram: async (folder) => ({ text: await evaluateDram(folder) }),
  optical: async (folder) => ({ text: await evaluateOptical(folder) }),
  ssd: async (folder) => ({ text: await evaluateSsd(folder) }),
};

const FOLDER = fileURLToPath(new URL("../../../shared/data/failures", import.meta.url));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean" }, pictures: { type: "string" } },
});

if (existsSync(FOLDER)) {
  const tables: Record<string, object[]> = {};
  for (const name of positionals.length > 0 ? positionals : Object.keys(SECTIONS)) {
    const section = SECTIONS[name];
    if (section === undefined) throw new Error(`No section ${name}: ${Object.keys(SECTIONS)}`);
    const { text, pictures = [] } = await section(FOLDER);
    tables[name] = rowsOf(text);
    if (!values.json) console.log(`${text}\n`);
    if (values.pictures === undefined) continue;
    for (const picture of pictures) writeFileSync(join(values.pictures, picture.name), picture.svg);
  }
  if (values.json) console.log(JSON.stringify(tables));
} else {
  console.log(`skipped: there is no data at ${FOLDER}`);
}

/** The rows of the tables, each as a record by its headings. */
function rowsOf(text: string): object[] {
  return text.split("\n\n").flatMap((table) => {
    const [heading, , ...rows] = table.split("\n").map((line) => {
      const cells = line.split("|").slice(1, -1);
      return cells.map((cell) => cell.trim());
    });
    return rows.map((row) => Object.fromEntries(row.map((cell, at) => [heading![at]!, cell])));
  });
}
