/**
 * Records in JSON that this program wrote itself, read back and checked all the same.
 * @module
 */
import { z } from "zod";
import { SystemError } from "../protocol/error.ts";

/**
 * Parses one stored record; `what` says of what, for people.
 * @throws SystemError JOURNAL_CORRUPT
 */
export function readRecord<Schema extends z.ZodType>(
  schema: Schema,
  text: unknown,
  what: string,
): z.output<Schema> {
  try {
    return schema.parse(JSON.parse(String(text)));
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause) : "not JSON";
    throw new SystemError("JOURNAL_CORRUPT", `Cannot use a record of ${what}: ${why}`, { cause });
  }
}
