import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { SystemError } from "../../../protocol/error.ts";
import { openJournal } from "../../../runtime/journal.ts";
import { makeFolder } from "./folder.ts";

const schema = z.strictObject({ term: z.int(), note: z.string() });
const entry = (term: number, note = "ok") => ({ term, note });
const folder = makeFolder();
const journal = suite("openJournal");
let files = 0;

const newPath = (): string => join(folder, `${files++}`, "journal");

/** A journal file of three records, one of them with characters of several bytes. */
function writeThree(): { path: string; bytes: Buffer } {
  const path = newPath();
  const written = openJournal(path, schema);
  for (const record of [entry(1), entry(2, "größer \n☃"), entry(3)]) written.append(record);
  written.close();
  return { path, bytes: readFileSync(path) };
}
const three = [entry(1), entry(2, "größer \n☃"), entry(3)];

/** The records of a file that holds `bytes`, or the code of the refusal. */
function reopen(path: string, bytes: Uint8Array): unknown[] | string {
  writeFileSync(path, bytes);
  try {
    const opened = openJournal(path, schema);
    opened.close();
    return [...opened.records];
  } catch (error) {
    if (error instanceof SystemError) return error.code;
    throw error;
  }
}

journal("append() numbers records, and opening again gives them back", () => {
  const path = newPath();
  const first = openJournal(path, schema);
  assert.equal(first.records, []);
  assert.is(first.append(entry(1)), 1);
  assert.is(first.append(entry(2)), 2);
  first.close();
  const second = openJournal(path, schema);
  assert.equal(second.records, [entry(1), entry(2)]);
  assert.is(second.droppedBytes, 0);
  assert.is(second.append(entry(3)), 3);
  second.close();
});

journal("openJournal() makes its folder 0700 and its file 0600", () => {
  const { path } = writeThree();
  assert.is(statSync(path).mode & 0o777, 0o600);
  assert.is(statSync(join(path, "..")).mode & 0o777, 0o700);
});

journal("openJournal() of a file cut at any byte gives the whole records, and goes on", () => {
  const { path, bytes } = writeThree();
  const ends = [...bytes.keys()].filter((at) => bytes[at] === 0x0a);
  for (let size = 0; size < bytes.length; size++) {
    // A record is whole with its last bracket; its end of line may be missing.
    const whole = ends.filter((end) => end <= size).length;
    writeFileSync(path, bytes.subarray(0, size));
    const cut = openJournal(path, schema);
    assert.equal(cut.records, three.slice(0, whole), `cut at ${size}`);
    const kept = whole === 0 ? 0 : ends[whole - 1]! + 1;
    assert.is(cut.droppedBytes, Math.max(0, size - kept), `cut at ${size}`);
    cut.append(entry(9));
    cut.close();
    const again = openJournal(path, schema);
    assert.equal(again.records, [...three.slice(0, whole), entry(9)], `after a cut at ${size}`);
    again.close();
  }
});

journal("openJournal() of a file with any byte changed never gives another record", () => {
  const { path, bytes } = writeThree();
  for (let at = 0; at < bytes.length; at++) {
    for (const flip of [0x01, 0x20, 0x80]) {
      const changed = Buffer.from(bytes);
      changed[at] = changed[at]! ^ flip;
      assert.is(reopen(path, changed), "JOURNAL_CORRUPT", `byte ${at} ^ ${flip}`);
    }
  }
});

journal("openJournal() refuses a file whose record is missing, doubled or of another kind", () => {
  const { path, bytes } = writeThree();
  const lines = bytes.toString().trimEnd().split("\n");
  const of = (...which: number[]) =>
    Buffer.from(which.map((index) => `${lines[index]}\n`).join(""));
  assert.is(reopen(path, of(0, 2)), "JOURNAL_CORRUPT");
  assert.is(reopen(path, of(0, 0)), "JOURNAL_CORRUPT");
  assert.is(reopen(path, of(1, 0)), "JOURNAL_CORRUPT");
  assert.equal(reopen(path, of(1, 2)), three.slice(1));
  const other = openJournal(path, z.strictObject({ term: z.int(), note: z.string() }));
  other.close();
  assert.throws(() => openJournal(path, z.strictObject({ kind: z.string() })), /not of this/);
});

journal("openJournal() gives back whatever was appended", () => {
  const fields = { term: fc.integer(), note: fc.string({ unit: "binary" }) };
  const records = fc.array(fc.record(fields, { noNullPrototype: true }), { maxLength: 6 });
  const property = fc.property(records, fc.array(fc.nat(5)), (before, kept) => {
    const path = newPath();
    const written = openJournal(path, schema);
    for (const record of before) written.append(record);
    const rest = before.filter((_, index) => !kept.includes(index));
    written.rewrite(rest);
    written.append(entry(7));
    written.close();
    const read = openJournal(path, schema);
    assert.equal(read.records, [...rest, entry(7)]);
    assert.is(read.count, rest.length + 1);
    read.close();
  });
  fc.assert(property, { numRuns: 15, seed: 1 });
});

journal("append() after a failure refuses for ever: what the disk holds is unknown", () => {
  const path = newPath();
  const broken = openJournal(path, schema);
  broken.append(entry(1));
  broken.close();
  for (let tries = 0; tries < 2; tries++) {
    assert.throws(
      () => broken.append(entry(2)),
      (error: unknown) => error instanceof SystemError && error.code === "JOURNAL_FAILED",
    );
  }
  assert.throws(() => broken.rewrite([]), /Cannot use journal/);
});

journal("openJournal() in a folder that cannot be written says so", () => {
  const path = newPath();
  mkdirSync(join(path, ".."));
  writeFileSync(join(path, "..", "file"), "");
  chmodSync(join(path, "..", "file"), 0o400);
  assert.throws(
    () => openJournal(join(path, "..", "file", "journal"), schema),
    (error: unknown) => error instanceof SystemError && error.code === "JOURNAL_FAILED",
  );
});

journal.run();
