import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { makeFolder } from "../runtime/folder.ts";
import { run } from "./terminal.ts";

const scoreRows = suite("score-rows");
const FOLDER = makeFolder();
const LINE =
  "Timestamp,Type,ID,BER,OSNR,InputPower,OutputPower,Failure\r\n1,Infrastructure,A,,,-38,,\r\n";

function fileOf(name: string, content: string | Buffer): string {
  const path = join(FOLDER, name);
  writeFileSync(path, content);
  return path;
}

scoreRows("score-rows prints the scores of a gzipped file, or writes them", async () => {
  const file = fileOf("line.csv.gz", gzipSync(LINE));
  const args = ["predictor", "score-rows", "--kind", "optical", file];
  const expected = "row,Timestamp,Type,ID,score,alarm\n1,1,Infrastructure,A,10,1\n";
  assert.equal(await run(args), { out: expected, err: "", code: 0 });
  assert.is((await run([...args, "--out", "-"])).out, expected);
  const out = join(FOLDER, "scores.csv");
  assert.equal(await run([...args, "--out", out]), { out: "", err: "", code: 0 });
  assert.is(readFileSync(out, "utf8"), expected);
});

scoreRows("score-rows refuses a file of another kind with 2, an absent one with 1", async () => {
  const file = fileOf("other.csv", "a,b\n1,2\n");
  const wrong = await run(["predictor", "score-rows", "--kind", "optical", file]);
  assert.is(wrong.code, 2);
  assert.match(wrong.err, /expected columns BER.*TABLE_INVALID/);
  const absent = join(FOLDER, "absent.csv");
  assert.is((await run(["predictor", "score-rows", "--kind", "optical", absent])).code, 1);
});

scoreRows("score-rows --help says what the columns of the scores are", async () => {
  const { out } = await run(["predictor", "score-rows", "--help"]);
  assert.match(out, /score +the higher/);
  assert.match(out, /alarm +\(optical\)/);
});

scoreRows.run();
