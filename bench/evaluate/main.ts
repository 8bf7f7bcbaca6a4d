// `npm run evaluate [SECTION...]`: the models on the development data, with intervals.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { evaluateDram } from "./dram.ts";
import { evaluateOptical } from "./optical.ts";
import { evaluateSnapshot } from "./snapshot.ts";
import { evaluateSsd } from "./ssd.ts";

/** Each takes the folder of the data and answers with a table in Markdown. */
const SECTIONS: Readonly<Record<string, (folder: string) => Promise<string>>> = {
  snapshot: evaluateSnapshot,
  dram: evaluateDram,
  optical: evaluateOptical,
  ssd: evaluateSsd,
};

const FOLDER = fileURLToPath(new URL("../../../shared/data/failures", import.meta.url));

if (existsSync(FOLDER)) {
  const asked = process.argv.slice(2);
  for (const name of asked.length > 0 ? asked : Object.keys(SECTIONS)) {
    const section = SECTIONS[name];
    if (section === undefined) throw new Error(`No section ${name}: ${Object.keys(SECTIONS)}`);
    console.log(`${await section(FOLDER)}\n`);
  }
} else {
  console.log(`skipped: there is no data at ${FOLDER}`);
}
