/**
 * What a parser gives to be fuzzed: one file a parser in targets/, with these as named exports.
 * @module
 */
import { readdirSync } from "node:fs";
import type { Guide } from "./guide.ts";

export interface Target {
  readonly name: string;
  /** Valid inputs and near misses that mutation starts from; at least one. */
  seeds(): Uint8Array[];
  /** The longest input that is tried; 64 KiB unless told. */
  readonly inputBytesMax?: number;
  /** What guides it; the coverage of the project's own scripts unless told. */
  guide?(): Guide;
  /** Feeds one input to the parser. Throws only on a bug: a refusal is caught inside. */
  run(bytes: Uint8Array): void;
}

const FOLDER = new URL("targets/", import.meta.url);

/** Loads every target, in order of file name. */
export async function loadTargets(): Promise<Target[]> {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith(".ts"));
  return await Promise.all(
    names.sort().map((name) => import(new URL(name, FOLDER).href) as Promise<Target>),
  );
}
