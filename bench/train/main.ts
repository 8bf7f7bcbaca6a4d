// `npm run train [MODEL...]`: the committed models from the data, byte for byte.
import { existsSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { trainDram } from "./dram.ts";
import { trainDrives } from "./drives.ts";
import { trainSnapshot } from "./snapshot.ts";

/** Each takes the folder of the data and answers with its model. */
const MODELS: Readonly<Record<string, (folder: string) => Promise<unknown>>> = {
  dram: trainDram,
  drives: trainDrives,
  snapshot: trainSnapshot,
};

const FOLDER = fileURLToPath(new URL("../../../shared/data/failures", import.meta.url));

if (existsSync(FOLDER)) {
  const asked = process.argv.slice(2);
  for (const name of asked.length > 0 ? asked : Object.keys(MODELS)) {
    const train = MODELS[name];
    if (train === undefined) throw new Error(`No model ${name}: ${Object.keys(MODELS)}`);
    const path = fileURLToPath(new URL(`../../predictor/models/${name}.json`, import.meta.url));
    const text = `${JSON.stringify(await train(FOLDER))}\n`;
    writeFileSync(path, text);
    console.log(`${name}: ${text.length} bytes in ${path}`);
  }
} else {
  console.log(`skipped: there is no data at ${FOLDER}`);
}
