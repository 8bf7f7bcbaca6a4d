/**
 * A small document that a program keeps for its next life: read once, replaced whole.
 * @module
 */
import { existsSync, readFileSync, renameSync } from "node:fs";
import type { z } from "zod";
import { SystemError } from "../protocol/error.ts";
import { replaceFile } from "./durable.ts";
import type { Log } from "./log.ts";
import { readRecord } from "./record.ts";

export interface Kept<Value> {
  /** What the last life kept, or what was saved since. */
  readonly value: Value;
  /** Durable when this returns. */
  save(value: Value): void;
}

/** Opens the document; one that is damaged is put aside, and `fallback` stands in its place. */
export function openDocument<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  fallback: z.output<Schema>,
  log: Log,
): Kept<z.output<Schema>> {
  let value = existsSync(path) ? readKept(path, schema, fallback, log) : fallback;
  return {
    get value() {
      return value;
    },
    save(next) {
      replaceFile(path, `${JSON.stringify(next)}\n`);
      value = next;
    },
  };
}

function readKept<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  fallback: z.output<Schema>,
  log: Log,
): z.output<Schema> {
  try {
    return readRecord(schema, readFileSync(path, "utf8"), path);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const aside = `${path}.damaged`;
    log.error("A document is damaged: it is put aside and begun anew", { error, aside });
    renameSync(path, aside);
    return fallback;
  }
}
