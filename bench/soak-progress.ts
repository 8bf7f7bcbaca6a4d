/**
 * How far a long soak has come, kept in a file, so that a run that was ended goes on.
 *
 * A host's years are one piece of work: it is in the file whole, or is played again. What was
 * played by other code, or with other options, is refused: it would be another experiment.
 * @module
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { z } from "zod";
import { SystemError } from "../protocol/error.ts";
import { replaceFile } from "../runtime/durable.ts";
import { readRecord } from "../runtime/record.ts";
import type { SoakCounts } from "./soak.ts";

const count = z.int().nonnegative();
const played = z.strictObject({
  seed: count,
  years: z.number().positive(),
  rounds: count,
  predictions: count,
  suspects: count,
  rules: z.record(z.string(), count),
});
const record = z.strictObject({
  /** What tells this run from another: its options and a digest of the code. */
  run: z.string(),
  tiers: z.record(z.string(), z.array(played)),
});

/** What one server came to, by its seed. */
export type Played = SoakCounts & { readonly seed: number };

export interface Progress {
  /** The servers of a tier that were played, here and in earlier runs. */
  played(tier: string): readonly Played[];
  add(tier: string, one: Played): void;
  /** Durable when it returns; without a file nothing is kept. */
  save(): void;
}

/**
 * Opens what `path` holds of the run; it need not exist.
 * @throws SystemError STATE_CONFLICT where it holds another run's, JOURNAL_CORRUPT
 */
export function openProgress(path: string | undefined, run: string): Progress {
  const before = path !== undefined && existsSync(path) ? readProgress(path, run) : {};
  const tiers = new Map<string, Played[]>(Object.entries(before));
  return {
    played: (tier) => tiers.get(tier) ?? [],
    add(tier, one) {
      const own = tiers.get(tier);
      if (own === undefined) tiers.set(tier, [one]);
      else own.push(one);
    },
    save() {
      if (path === undefined) return;
      replaceFile(path, `${JSON.stringify({ run, tiers: Object.fromEntries(tiers) })}\n`);
    },
  };
}

function readProgress(path: string, run: string): Record<string, Played[]> {
  const kept = readRecord(record, readFileSync(path, "utf8"), path);
  if (kept.run === run) return kept.tiers;
  throw new SystemError("STATE_CONFLICT", `${path} is of another run: of other code or options`, {
    detail: { kept: kept.run, run },
  });
}

const ROOT = new URL("../", import.meta.url);
/** All that what a server comes to rests on. */
const SOURCES = ["bench/healthy-host.ts", "bench/soak.ts"];
const FOLDERS = ["predictor"];

/** The run by its options and its code. */
export function runName(options: Readonly<Record<string, number>>): string {
  const digest = createHash("sha256");
  for (const path of [...SOURCES, ...FOLDERS.flatMap(filesOf)]) {
    digest.update(path).update(readFileSync(new URL(path, ROOT)));
  }
  const chosen = Object.entries(options).map(([name, value]) => `${name} ${value}`);
  return `${chosen.toSorted().join(", ")}; code ${digest.digest("hex").slice(0, 16)}`;
}

function filesOf(folder: string): readonly string[] {
  const names = readdirSync(new URL(folder, ROOT), { recursive: true, encoding: "utf8" });
  return names
    .filter((name) => /\.(ts|json)$/.test(name))
    .map((name) => `${folder}/${name}`)
    .toSorted();
}
