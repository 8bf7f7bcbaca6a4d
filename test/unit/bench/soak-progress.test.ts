import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SMALL } from "../../../bench/healthy-host.ts";
import { type Soak, type SoakCounts, summed } from "../../../bench/soak.ts";
import { playAll } from "../../../bench/soak-pool.ts";
import { openProgress, type Played, runName } from "../../../bench/soak-progress.ts";
import type { SystemError } from "../../../protocol/error.ts";

const progress = suite("soak progress");
const folder = mkdtempSync(join(tmpdir(), "lifeboat-soak-"));
progress.after(() => rmSync(folder, { recursive: true }));

const RUN = runName({ years: 3, days: 1 });

function playedWith(seed: number, predictions = 0): Played {
  const rules = predictions > 0 ? { "rx-power": predictions } : {};
  return { seed, years: 1, rounds: 10, predictions, suspects: 0, rules };
}

function codeOf(act: () => unknown): string | undefined {
  try {
    act();
  } catch (thrown) {
    return (thrown as SystemError).code;
  }
  return undefined;
}

progress("openProgress() finds what was saved, and only that", () => {
  const path = join(folder, "kept.json");
  const first = openProgress(path, RUN);
  assert.equal(first.played("hourly"), []);
  first.add("hourly", playedWith(2, 1));
  first.save();
  first.add("hourly", playedWith(1));
  const second = openProgress(path, RUN);
  assert.equal(second.played("hourly"), [playedWith(2, 1)]);
  assert.equal(second.played("daily"), []);
  second.add("hourly", playedWith(1));
  second.save();
  const { years, predictions, rules } = summed(openProgress(path, RUN).played("hourly"));
  assert.equal([years, predictions, rules], [2, 1, { "rx-power": 1 }]);
});

progress("openProgress() refuses what other options or other code have played", () => {
  const path = join(folder, "other.json");
  const before = openProgress(path, RUN);
  before.save();
  const others = [runName({ years: 4, days: 1 }), RUN.replace(/.$/, "x")];
  for (const run of others)
    assert.is(
      codeOf(() => openProgress(path, run)),
      "STATE_CONFLICT",
    );
  assert.is(runName({ days: 1, years: 3 }), RUN);
  writeFileSync(path, "{");
  assert.is(
    codeOf(() => openProgress(path, RUN)),
    "JOURNAL_CORRUPT",
  );
});

progress("save() without a file keeps nothing", () => {
  const before = readdirSync(folder);
  openProgress(undefined, RUN).save();
  assert.equal(readdirSync(folder), before);
});

const DAYS: readonly Soak[] = [1, 2, 3].map((seed) => {
  return { seed, size: SMALL, years: 1 / 365.25, stepMs: 3_600_000 };
});

progress("playAll() plays each server once, on more threads than one", async () => {
  const told = new Map<number, SoakCounts>();
  const { signal } = new AbortController();
  await playAll(DAYS, 2, signal, ({ seed }, counts) => told.set(seed, counts));
  assert.equal([...told.keys()].toSorted(), [1, 2, 3]);
  for (const { rounds } of told.values()) assert.ok(rounds >= 24, `${rounds} rounds`);
});

progress("playAll() tells nothing more once it is aborted", async () => {
  const told: number[] = [];
  const stop = new AbortController();
  await playAll(DAYS, 1, stop.signal, ({ seed }) => {
    told.push(seed);
    stop.abort();
  });
  assert.equal(told, [1]);
});

progress.run();
