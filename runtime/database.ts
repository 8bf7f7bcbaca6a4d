/**
 * An SQLite database that survives a power loss, as the few calls the programs need.
 * @module
 */
import { closeSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { reasonOf, SystemError } from "../protocol/error.ts";
import { ensureFolder, FILE_MODE } from "./durable.ts";

const BUSY_MS = 5_000;
const STATEMENTS_MAX = 256;

export type Row = Readonly<Record<string, unknown>>;

/** Each call throws SystemError NO_SPACE, JOURNAL_CORRUPT or JOURNAL_FAILED; all are fatal. */
export interface Database {
  /** Runs one statement; returns how many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number;
  all(sql: string, ...values: SQLInputValue[]): Row[];
  /** Makes all that `task` writes durable at once, or, if it throws, none of it. Never nested. */
  transaction<T>(task: () => T): T;
  close(): void;
}

/**
 * Opens a database file of this user's own (":memory:" for tests) and brings it up to date.
 * Migrations are only ever appended: number n is run once, when the file's `user_version` is n.
 * @throws SystemError NO_SPACE, JOURNAL_CORRUPT, JOURNAL_FAILED, VERSION_UNSUPPORTED
 */
export function openDatabase(path: string, migrations: readonly string[]): Database {
  return attempt(path, () => {
    if (path !== ":memory:") createOwn(path);
    const sqlite = new DatabaseSync(path, { timeout: BUSY_MS, enableForeignKeyConstraints: true });
    try {
      sqlite.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
      const database = wrap(path, sqlite);
      migrate(sqlite, database, path, migrations);
      return database;
    } catch (thrown) {
      sqlite.close();
      throw thrown;
    }
  });
}

/** SQLite gives its other files the mode of the first. */
function createOwn(path: string): void {
  ensureFolder(dirname(path));
  closeSync(openSync(path, "a", FILE_MODE));
}

function wrap(path: string, sqlite: DatabaseSync): Database {
  const statements = new Map<string, StatementSync>();
  const prepare = (sql: string): StatementSync => {
    const known = statements.get(sql);
    if (known !== undefined) return known;
    if (statements.size >= STATEMENTS_MAX) statements.clear();
    const statement = sqlite.prepare(sql);
    statements.set(sql, statement);
    return statement;
  };
  return {
    run: (sql, ...values) => attempt(path, () => Number(prepare(sql).run(...values).changes)),
    all: (sql, ...values) => attempt(path, () => prepare(sql).all(...values)),
    transaction(task) {
      attempt(path, () => sqlite.exec("BEGIN IMMEDIATE"));
      try {
        const result = task();
        attempt(path, () => sqlite.exec("COMMIT"));
        return result;
      } catch (thrown) {
        // A failed COMMIT or a full disk may have rolled back already.
        if (sqlite.isTransaction) sqlite.exec("ROLLBACK");
        throw thrown;
      }
    },
    close: () => sqlite.close(),
  };
}

function migrate(
  sqlite: DatabaseSync,
  database: Database,
  path: string,
  migrations: readonly string[],
): void {
  const version = Number(database.all("PRAGMA user_version")[0]?.["user_version"]);
  if (version > migrations.length) {
    const known = `this program knows ${migrations.length}`;
    throw new SystemError("VERSION_UNSUPPORTED", `${path} is of version ${version}; ${known}`);
  }
  for (const [index, sql] of migrations.entries()) {
    if (index < version) continue;
    database.transaction(() => sqlite.exec(`${sql}; PRAGMA user_version = ${index + 1}`));
  }
}

const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

function attempt<T>(path: string, task: () => T): T {
  try {
    return task();
  } catch (cause) {
    if (cause instanceof SystemError) throw cause;
    const code = (cause as { errcode?: number }).errcode;
    const message = `Cannot use database ${path}: ${reasonOf(cause)}`;
    if (code === SQLITE_FULL) throw new SystemError("NO_SPACE", message, { cause });
    if (code === SQLITE_CORRUPT || code === SQLITE_NOTADB) {
      throw new SystemError("JOURNAL_CORRUPT", message, { cause });
    }
    throw new SystemError("JOURNAL_FAILED", message, { cause });
  }
}
