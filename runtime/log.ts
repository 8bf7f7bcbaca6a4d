/**
 * Log lines: JSON, one a line, to a file descriptor. What comes from peers, guests and sensors is
 * bounded and cannot forge a line or drive a terminal.
 * @module
 */
import pino from "pino";

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log that adds `fields` to each line. */
  child(fields: LogFields): Log;
}

export type LogFields = Readonly<Record<string, unknown>>;
export type LogLevel = "debug" | "info" | "warn" | "error";

const TEXT_LENGTH_MAX = 1_024;
const FIELDS_MAX = 32;
const DEPTH_MAX = 6;
/** All values of one line together. */
const VALUES_MAX = 256;
const CONTROL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Writes to `destination`: a file descriptor (2 is stderr) or something with `write`. */
export function openLog(
  program: string,
  level: LogLevel = "info",
  destination: number | { write(line: string): void } = 2,
): Log {
  const sink =
    typeof destination === "number"
      ? pino.destination({ fd: destination, sync: true })
      : destination;
  const base = { program };
  const options = { level, base, timestamp: pino.stdTimeFunctions.isoTime };
  return wrap(pino(options, sink));
}

function wrap(logger: pino.Logger): Log {
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void =>
      logger[level](bound(fields), printable(message));
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => wrap(logger.child(bound(fields))),
  };
}

/** Says nothing: for tests, and for programs whose user asked for silence. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
};

/** `text` on one line: control and format characters escaped as \u{...}, cut at 1024. */
export function printable(text: string): string {
  const cut = text.length > TEXT_LENGTH_MAX ? `${text.slice(0, TEXT_LENGTH_MAX)}…` : text;
  return cut.replaceAll(CONTROL, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

function bound(fields: LogFields): Record<string, unknown> {
  return boundValue(fields, 0, { left: VALUES_MAX }) as Record<string, unknown>;
}

/** An error keeps its code and sentence; a stack is for what ends the process. */
function boundValue(value: unknown, depth: number, budget: { left: number }): unknown {
  if (budget.left-- <= 0) return "…";
  if (typeof value === "string") return printable(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return value;
  if (depth >= DEPTH_MAX) return "…";
  const inner = (one: unknown): unknown => boundValue(one, depth + 1, budget);
  if (value instanceof Error) {
    const code = "code" in value ? value.code : value.name;
    const { message, cause } = value;
    return {
      code: inner(code),
      message: inner(message),
      ...(cause === undefined ? {} : { cause: inner(cause) }),
    };
  }
  if (Array.isArray(value)) return value.slice(0, FIELDS_MAX).map(inner);
  const entries = Object.entries(value).slice(0, FIELDS_MAX);
  return Object.fromEntries(entries.map(([key, one]) => [printable(key), inner(one)]));
}
