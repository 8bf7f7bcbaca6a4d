import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { changeLine, HEADER } from "../predictor/training/fleet.ts";
import { makeFolder } from "../runtime/folder.ts";
import { run } from "./terminal.ts";

const score = suite("score");
const FOLDER = makeFolder();
const OUT = join(FOLDER, "scores.csv");

const LINES = [
  HEADER,
  changeLine("A", "ST4000DM000", [0, 400, 0], [0, 1, 0, 0, 0, 0]),
  changeLine("A", "ST4000DM000", [400, 500, 0], [8, 1, 2, 0, 16, 16]),
  changeLine("B", "Unheard of", [100.5, 101, 0], ["", "", "", "", "", ""]),
];

function fileOf(name: string, content: string | Buffer): string {
  const path = join(FOLDER, name);
  writeFileSync(path, content);
  return path;
}

async function scores(file: string): Promise<string> {
  const { code, out } = await run(["predictor", "score", "--changes", file, "--out", OUT]);
  assert.equal([code, out], [0, ""]);
  return readFileSync(OUT, "utf8");
}

score("score writes serial_number,hours,score at each change and every week", async () => {
  const rows = (await scores(fileOf("log.csv", LINES.join("\n")))).trimEnd().split("\n");
  assert.is(rows[0], "serial_number,hours,score");
  const points = rows.slice(1).map((row) => row.split(","));
  assert.equal(
    points.map(([serial, hours]) => `${serial} ${hours}`),
    ["A 0", "A 168", "A 336", "A 400", "B 100.5"],
  );
  const values = points.map(([, , value]) => Number(value));
  assert.ok(values.every((value) => value > 0 && value < 1));
  assert.ok(values[3]! > 10 * values[2]!);
});

score("score reads gzip and CRLF, and looks at nothing of the future", async () => {
  const plain = await scores(fileOf("log.csv", LINES.join("\n")));
  assert.is(await scores(fileOf("log.csv.gz", gzipSync(`${LINES.join("\r\n")}\r\n`))), plain);
  const blind = LINES.map((line) => {
    const fields = line.split(",");
    return line === HEADER ? line : fields.with(4, "").with(7, "1").join(",");
  });
  assert.is(await scores(fileOf("blind.csv", blind.join("\n"))), plain);
});

score("score says what is wrong with a file", async () => {
  const cases: readonly [file: string, code: number, message: RegExp][] = [
    [fileOf("other.csv", "a,b\n1,2\n"), 2, /no column serial_number.*TABLE_INVALID/],
    [fileOf("empty.csv", ""), 2, /it is empty.*TABLE_INVALID/],
    [fileOf("torn.csv.gz", gzipSync(LINES.join("\n")).subarray(0, 60)), 1, /FILE_FAILED/],
    [join(FOLDER, "absent.csv"), 1, /Cannot read .*absent.csv.*FILE_FAILED/],
  ];
  for (const [file, code, message] of cases) {
    const ended = await run(["predictor", "score", "--changes", file, "--out", OUT]);
    assert.is(ended.code, code);
    assert.match(ended.err, message);
  }
  const nowhere = join(FOLDER, "none", "scores.csv");
  const file = fileOf("log.csv", LINES.join("\n"));
  const ended = await run(["predictor", "score", "--changes", file, "--out", nowhere]);
  assert.match(ended.err, /Cannot write/);
});

score.run();
