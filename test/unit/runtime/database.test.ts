import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SystemError } from "../../../protocol/error.ts";
import { openDatabase } from "../../../runtime/database.ts";
import { makeFolder } from "./folder.ts";

const FIRST = "CREATE TABLE host (id TEXT PRIMARY KEY) STRICT; CREATE TABLE x (a INTEGER) STRICT;";
const SECOND =
  "CREATE TABLE vm (id TEXT PRIMARY KEY, host TEXT NOT NULL REFERENCES host (id)) STRICT";
const folder = makeFolder();
const database = suite("openDatabase");
let files = 0;
const newPath = (): string => join(folder, `${files++}`, "state.db");
const isCode = (code: string) => (error: unknown) =>
  error instanceof SystemError && error.code === code;

database("run() and all() keep what they were given over a restart", () => {
  const path = newPath();
  const first = openDatabase(path, [FIRST]);
  assert.is(first.run("INSERT INTO host VALUES (?), (?)", "alpha", "bravo"), 2);
  first.close();
  const second = openDatabase(path, [FIRST]);
  const rows = second.all("SELECT id FROM host ORDER BY id").map((row) => row["id"]);
  assert.equal(rows, ["alpha", "bravo"]);
  second.close();
});

database("openDatabase() runs each migration once, in order", () => {
  const path = newPath();
  openDatabase(path, [FIRST]).close();
  const migrated = openDatabase(path, [FIRST, SECOND]);
  assert.is(migrated.all("PRAGMA user_version")[0]?.["user_version"], 2);
  migrated.run("INSERT INTO host VALUES ('alpha')");
  assert.is(migrated.run("INSERT INTO vm VALUES ('one', 'alpha')"), 1);
  migrated.close();
  openDatabase(path, [FIRST, SECOND]).close();
});

database("openDatabase() undoes a migration that fails", () => {
  const path = newPath();
  assert.throws(
    () => openDatabase(path, [FIRST, "CREATE TABLE y (a); CREATE TABLE y (a)"]),
    /already exists/,
  );
  const back = openDatabase(path, [FIRST]);
  assert.equal(back.all("SELECT name FROM sqlite_master WHERE name = 'y'"), []);
  back.close();
});

database(
  "openDatabase() makes every write durable before it returns, and checks references",
  () => {
    const opened = openDatabase(newPath(), [FIRST, SECOND]);
    assert.is(opened.all("PRAGMA journal_mode")[0]?.["journal_mode"], "wal");
    assert.is(opened.all("PRAGMA synchronous")[0]?.["synchronous"], 2);
    assert.throws(
      () => opened.run("INSERT INTO vm VALUES ('one', 'nowhere')"),
      isCode("JOURNAL_FAILED"),
    );
    opened.close();
  },
);

database("transaction() keeps all or nothing", () => {
  const opened = openDatabase(":memory:", [FIRST]);
  const insert = (id: string) => opened.run("INSERT INTO host VALUES (?)", id);
  assert.throws(
    () =>
      opened.transaction(() => {
        insert("alpha");
        throw new Error("changed my mind");
      }),
    /changed my mind/,
  );
  assert.is(
    opened.transaction(() => insert("bravo")),
    1,
  );
  assert.equal(
    opened.all("SELECT id FROM host").map((row) => row["id"]),
    ["bravo"],
  );
  opened.close();
});

database("openDatabase() keeps its file to its owner", () => {
  const path = newPath();
  const opened = openDatabase(path, [FIRST]);
  opened.run("INSERT INTO host VALUES ('alpha')");
  for (const suffix of ["", "-wal", "-shm"]) {
    assert.is(statSync(path + suffix).mode & 0o777, 0o600, suffix);
  }
  opened.close();
});

database("openDatabase() refuses a newer file, and one that is none", () => {
  const path = newPath();
  openDatabase(path, [FIRST, SECOND]).close();
  assert.throws(() => openDatabase(path, [FIRST]), isCode("VERSION_UNSUPPORTED"));
  const other = join(folder, "other.db");
  writeFileSync(other, "no database, but long enough to be read as the header of one".repeat(40));
  assert.throws(() => openDatabase(other, [FIRST]), isCode("JOURNAL_CORRUPT"));
  assert.throws(() => openDatabase(`${other}/below/state.db`, [FIRST]), isCode("JOURNAL_FAILED"));
});

database("run() on a full disk throws NO_SPACE and keeps what was there", () => {
  const opened = openDatabase(newPath(), [FIRST]);
  opened.run("INSERT INTO host VALUES ('alpha')");
  opened.run("PRAGMA max_page_count = 1");
  const fill = () => {
    for (let row = 0; row < 10_000; row++) {
      opened.run("INSERT INTO host VALUES (?)", `${row}`.padEnd(500, "x"));
    }
  };
  assert.throws(() => opened.transaction(fill), isCode("NO_SPACE"));
  assert.is(opened.all("SELECT id FROM host").length, 1);
  opened.close();
});

database.run();
