/**
 * The Linux guest of demo and tests: Debian's cloud kernel and a static busybox, downloaded into
 * .cache/guests and never installed. How is in ../guests.mjs; here is when.
 * @module
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { log, SetupError } from "./command.mjs";
import { updateLists } from "./system.mjs";

const CACHE = ".cache/guests";
const STAMP = `${CACHE}/.setup`;
const RECIPE = new URL("../guests.mjs", import.meta.url);

/** Whether the assets are absent, half made, or made by another version of ../guests.mjs. */
export function guestAssetsMissing(root) {
  try {
    return readFileSync(join(root, STAMP), "utf8") !== hashRecipe();
  } catch {
    return true;
  }
}

/** Downloads the assets. Elsewhere there is nowhere to get them from, and only a line says so. */
export async function provideGuestAssets(root, machine, run) {
  if (!machine.isDebian || process.arch !== "x64") {
    log("no Linux guest: its kernel is downloaded on Debian x64 only");
    return;
  }
  const cache = join(root, CACHE);
  mkdirSync(cache, { recursive: true });
  rmSync(join(root, STAMP), { force: true });
  const { fetchGuestAssets } = await import(RECIPE.href);
  try {
    await fetchGuestAssets(cache, { log });
  } catch (error) {
    if (!machine.isRoot) throw explain(error, "; does `sudo apt-get update` help?");
    await updateLists(run);
    await fetchGuestAssets(cache, { log }).catch((again) => {
      throw explain(again, "");
    });
  }
  writeFileSync(join(root, STAMP), hashRecipe());
}

function explain(error, hint) {
  return new SetupError(`cannot download the Linux guest: ${error.message}${hint}`);
}

function hashRecipe() {
  return createHash("sha256").update(readFileSync(RECIPE)).digest("hex");
}
