/**
 * An append-only journal: one JSON array a line, `["crc-32", sequence, record]`, the checksum
 * over the bytes `sequence,record` as they stand.
 *
 * Rule 1: `append` returns after the record is on the disk, or throws; then the process must end.
 *         A journal that failed once refuses everything after: what the disk holds is unknown.
 * Rule 2: only what has no end of line can be a write that a crash cut short: it is dropped, and
 *         told. Any other damage may hide a record that was acted upon: JOURNAL_CORRUPT.
 * @module
 */
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import type { z } from "zod";
import { reasonOf, SystemError } from "../protocol/error.ts";
import { ensureFolder, FILE_MODE, replaceFile, syncFolder } from "./durable.ts";

/** A larger journal was never compacted; reading it would take all memory. */
const JOURNAL_BYTES_MAX = 256 * 1024 * 1024;
const RECORD = /^\["([0-9a-f]{8})",((\d{1,15}),(.*))\]$/s;

export interface Journal<T> {
  /** What it held when it was opened. */
  readonly records: readonly T[];
  /** Bytes of an unfinished last record that were dropped when it was opened. */
  readonly droppedBytes: number;
  /** Records in the file now. */
  readonly count: number;
  /** Makes a record durable; returns its sequence. @throws SystemError JOURNAL_FAILED: fatal. */
  append(record: T): number;
  /** Puts `records` in the place of all, at once. @throws SystemError JOURNAL_FAILED: fatal. */
  rewrite(records: readonly T[]): void;
  close(): void;
}

/** @throws SystemError JOURNAL_FAILED, JOURNAL_CORRUPT */
export function openJournal<T>(path: string, schema: z.ZodType<T>): Journal<T> {
  const fatal = (cause: unknown): SystemError =>
    new SystemError("JOURNAL_FAILED", `Cannot use journal ${path}: ${reasonOf(cause)}`, { cause });
  const { file, text } = attempt(() => openFile(path), fatal);
  const { records, sequence: last, goodBytes } = parseJournal(path, text, schema);
  const droppedBytes = text.length - goodBytes;
  attempt(() => repair(file, text, goodBytes), fatal);

  let descriptor = file;
  let sequence = last;
  let count = records.length;
  let failure: SystemError | undefined;
  const guarded = (task: () => void): void => {
    if (failure !== undefined) throw failure;
    attempt(task, (cause) => {
      failure = fatal(cause);
      return failure;
    });
  };
  return {
    records,
    droppedBytes,
    get count() {
      return count;
    },
    append(record) {
      guarded(() => {
        const line = Buffer.from(lineOf(sequence + 1, record));
        const written = writeSync(descriptor, line);
        if (written !== line.length) throw new Error(`${written} of ${line.length} bytes written`);
        fdatasyncSync(descriptor);
      });
      count++;
      return ++sequence;
    },
    rewrite(kept) {
      guarded(() => {
        replaceFile(path, kept.map((record) => lineOf(++sequence, record)).join(""));
        closeSync(descriptor);
        descriptor = openSync(path, "a", FILE_MODE);
      });
      count = kept.length;
    },
    close: () => closeSync(descriptor),
  };
}

function openFile(path: string): { file: number; text: Buffer } {
  ensureFolder(dirname(path));
  const file = openSync(path, "a", FILE_MODE);
  syncFolder(dirname(path));
  const { size } = statSync(path);
  if (size > JOURNAL_BYTES_MAX) throw new Error(`${size} bytes are over its limit`);
  return { file, text: readFileSync(path) };
}

/** Ends the last record where it should; what was read is made durable before it is believed. */
function repair(file: number, text: Buffer, goodBytes: number): void {
  if (goodBytes < text.length) ftruncateSync(file, goodBytes);
  if (goodBytes > 0 && text[goodBytes - 1] !== 0x0a) writeSync(file, "\n");
  fsyncSync(file);
}

interface Parsed<T> {
  readonly records: T[];
  readonly sequence: number;
  /** Where the last whole record ends. */
  readonly goodBytes: number;
}

function parseJournal<T>(path: string, text: Buffer, schema: z.ZodType<T>): Parsed<T> {
  const records: T[] = [];
  let sequence = 0;
  let at = 0;
  const corrupt = (reason: string): SystemError => {
    const where = `${path} at byte ${at}`;
    return new SystemError("JOURNAL_CORRUPT", `Journal is damaged: ${where}: ${reason}`);
  };
  while (at < text.length) {
    const newline = text.indexOf(0x0a, at);
    const end = newline === -1 ? text.length : newline;
    const line = parseLine(text.subarray(at, end));
    if (line === undefined) {
      if (newline !== -1) throw corrupt("checksum differs");
      // Whole but for its end of line: that is damage, not a write cut short.
      if (parseLine(text.subarray(at, end - 1)) !== undefined) throw corrupt("no end of line");
      break;
    }
    if (sequence !== 0 && line.sequence !== sequence + 1) throw corrupt("a record is missing");
    const parsed = schema.safeParse(line.record);
    if (!parsed.success) throw corrupt("a record is not of this journal");
    records.push(parsed.data);
    sequence = line.sequence;
    at = newline === -1 ? end : newline + 1;
  }
  return { records, sequence, goodBytes: at };
}

function parseLine(line: Buffer): { sequence: number; record: unknown } | undefined {
  const [, checksum, covered, sequence, json] = RECORD.exec(line.toString("utf8")) ?? [];
  if (checksum === undefined || checksum !== hex(crc32(covered!))) return undefined;
  try {
    return { sequence: Number(sequence), record: JSON.parse(json!) };
  } catch {
    return undefined;
  }
}

function lineOf(sequence: number, record: unknown): string {
  const covered = `${sequence},${JSON.stringify(record)}`;
  return `["${hex(crc32(covered))}",${covered}]\n`;
}

function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}

function attempt<T>(task: () => T, failed: (cause: unknown) => SystemError): T {
  try {
    return task();
  } catch (cause) {
    throw failed(cause);
  }
}
