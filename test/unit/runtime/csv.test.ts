import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { formatTable, numberIn, parseTable, readTable } from "../../../runtime/csv.ts";
import { makeFolder } from "./folder.ts";

const csv = suite("csv");
const TABLE = {
  header: ["id", "value"],
  rows: [
    ["a", "1"],
    ["b", ""],
  ],
};

const TEXTS = [
  ["LF", "id,value\na,1\nb,\n"],
  ["CRLF", "id,value\r\na,1\r\nb,\r\n"],
  ["no line end at the end", "id,value\na,1\nb,"],
  ["a byte order mark", "\ufeffid,value\na,1\nb,\n"],
  ["empty lines", "id,value\n\na,1\n\nb,\n\n"],
  ["missing and surplus fields", "id,value\na,1,9\nb\n"],
  ["quotes", '"id",value\r\n"a","1"\r\n\r\nb,""\r\n'],
  ["quotes and a last empty field", '"id",value\na,1\nb,'],
] as const;

for (const [name, text] of TEXTS) {
  csv(`parseTable() reads ${name}`, () => {
    assert.equal(parseTable(text), TABLE);
  });
}

csv("parseTable() keeps commas, quotes and lines within quotes", () => {
  const table = { header: ["a", "b"], rows: [['x, "y"', "1\n2"]] };
  assert.equal(parseTable(formatTable(table)), table);
});

csv("parseTable() refuses nothing at all, and a quote that is never closed", () => {
  const refused = (text: string) =>
    assert.throws(
      () => parseTable(text),
      (thrown: { code: string }) => thrown.code === "TABLE_INVALID",
    );
  refused("");
  refused("\n \n");
  refused('a,b\n"x,1\n');
});

csv("readTable() knows gzip by its bytes", async () => {
  const path = join(makeFolder(), "table.csv");
  writeFileSync(path, gzipSync(TEXTS[1][1]));
  assert.equal(await readTable(path), TABLE);
  writeFileSync(path, TEXTS[0][1]);
  assert.equal(await readTable(path), TABLE);
});

csv("readTable() says FILE_FAILED for what cannot be read", async () => {
  const path = join(makeFolder(), "absent.csv");
  const failure = await readTable(path).catch((thrown: { code: string }) => thrown);
  assert.is((failure as { code: string }).code, "FILE_FAILED");
});

csv("numberIn() takes an empty or odd field for a missing number", () => {
  assert.equal(["1.5", "2E-08", "-3", " 4 "].map(numberIn), [1.5, 2e-8, -3, 4]);
  for (const field of ["", " ", "n/a", undefined]) assert.ok(Number.isNaN(numberIn(field)));
});

csv.run();
