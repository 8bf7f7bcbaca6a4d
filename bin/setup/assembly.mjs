/**
 * The WASM core, built from assembly/ whenever its sources differ from those it was built from.
 * @module
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { log } from "./command.mjs";

const BUILD = "assembly/build";
const STAMP = `${BUILD}/.sources`;
const OUTPUT = `${BUILD}/release.wasm`;
const COMPILER = "node_modules/assemblyscript";

/** Whether the WASM file is absent or was built from other sources or by another compiler. */
export function assemblyMissing(root) {
  if (!existsSync(join(root, OUTPUT))) return true;
  try {
    return readFileSync(join(root, STAMP), "utf8") !== hashSources(root);
  } catch {
    return true;
  }
}

/** Builds the release target. The stamp is written last. */
export async function provideAssembly(root, run) {
  log("building the WASM core");
  const stamp = hashSources(root);
  mkdirSync(join(root, BUILD), { recursive: true });
  rmSync(join(root, STAMP), { force: true });
  const compiler = join(root, COMPILER, "bin/asc.js");
  const args = ["--config", "asconfig.json", "--target", "release"];
  await run(process.execPath, [compiler, ...args], { cwd: root });
  writeFileSync(join(root, STAMP), stamp);
}

function hashSources(root) {
  const hash = createHash("sha256");
  const sources = readdirSync(join(root, "assembly"))
    .filter((name) => name.endsWith(".ts"))
    .sort()
    .map((name) => `assembly/${name}`);
  for (const path of [...sources, "asconfig.json", `${COMPILER}/package.json`]) {
    hash.update(`${path}\n`).update(readFileSync(join(root, path)));
  }
  return hash.digest("hex");
}
