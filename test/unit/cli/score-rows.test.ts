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

const KINDS = [
  ["drive", "date,serial_number,model,smart_5_raw\n2019-12-31,Z1,ST8000NM0055,0\n"],
  ["dram", "serial_number,serial_number_type,all_ce_count_6h\nsn_1,A,1\n"],
] as const;

for (const [kind, text] of KINDS) {
  scoreRows(`score-rows scores a row of kind ${kind} with the committed model`, async () => {
    const file = fileOf(`${kind}.csv`, text);
    const { out, err, code } = await run(["predictor", "score-rows", "--kind", kind, file]);
    assert.equal([err, code], ["", 0]);
    const [header, row] = out.split("\n");
    assert.is(header!.split(",").includes("score"), true);
    assert.match(row!, /^1,.*,-?\d+(\.\d+)?$/);
  });
}

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
