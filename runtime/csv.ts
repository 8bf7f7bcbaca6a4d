/**
 * Tables in comma-separated values (RFC 4180), plain or gzipped, with LF or CRLF.
 * @module
 */
import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { SystemError } from "../protocol/error.ts";

export interface Table {
  readonly header: readonly string[];
  /** Each has as many fields as the header; an absent one is empty. */
  readonly rows: readonly (readonly string[])[];
}

/** A JavaScript string holds half a gigabyte; a table this large is not one to read at once. */
const TABLE_BYTES_MAX = 400 * 1024 * 1024;
const GZIP_MAGIC = 0x8b1f;

/**
 * Reads a table; gzip is told by its first bytes, not by the name.
 * @throws SystemError FILE_FAILED, TABLE_INVALID
 */
export async function readTable(path: string): Promise<Table> {
  try {
    const bytes = await readFile(path);
    const zipped = bytes.length >= 2 && bytes.readUInt16LE(0) === GZIP_MAGIC;
    const plain = zipped ? gunzipSync(bytes, { maxOutputLength: TABLE_BYTES_MAX }) : bytes;
    if (plain.length > TABLE_BYTES_MAX) throw new Error(`over ${TABLE_BYTES_MAX} bytes`);
    return parseTable(plain.toString("utf8"));
  } catch (cause) {
    if (cause instanceof SystemError) throw cause;
    throw new SystemError("FILE_FAILED", `Cannot read ${path}`, { cause });
  }
}

/**
 * The header and the rows of a text; empty lines are left out.
 * @throws SystemError TABLE_INVALID if there is no header, or a quote is never closed
 */
export function parseTable(text: string): Table {
  const start = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  const records = text.includes('"') ? quotedRecords(text, start) : plainRecords(text, start);
  const header = records.shift()?.map((name) => name.trim());
  if (header === undefined)
    throw new SystemError("TABLE_INVALID", "Cannot read table: it is empty");
  for (const record of records) {
    while (record.length < header.length) record.push("");
    record.length = header.length;
  }
  return { header, rows: records };
}

function plainRecords(text: string, start: number): string[][] {
  const lines = text.slice(start).split(/\r?\n/);
  return lines.filter((line) => line.trim() !== "").map((line) => line.split(","));
}

/** One field at a time: up to a comma or the end of a line, or from quote to quote. */
function quotedRecords(text: string, start: number): string[][] {
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y;
  const records: string[][] = [];
  let record: string[] = [];
  field.lastIndex = start;
  while (field.lastIndex < text.length) {
    const at = field.lastIndex;
    const match = field.exec(text);
    if (match === null) {
      throw new SystemError("TABLE_INVALID", `Cannot read table: stray quote at character ${at}`);
    }
    record.push(match[1]?.replaceAll('""', '"') ?? match[2]!);
    if (match[3] === ",") continue;
    if (record.length > 1 || record[0] !== "") records.push(record);
    record = [];
  }
  if (record.length > 0) records.push([...record, ""]);
  return records;
}

/** The text of a table; fields are quoted where they must be. */
export function formatTable({ header, rows }: Table): string {
  return [header, ...rows].map((record) => `${record.map(quoted).join(",")}\n`).join("");
}

function quoted(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

/** A field as a number; NaN if it is empty or not one. */
export function numberIn(field: string | undefined): number {
  return field === undefined || field.trim() === "" ? Number.NaN : Number(field);
}
