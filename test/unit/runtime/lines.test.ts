import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { forEachLine } from "../../../runtime/lines.ts";
import { makeFolder } from "./folder.ts";

const lines = suite("lines");
const FILE = join(makeFolder(), "lines");

async function linesOf(content: string | Buffer): Promise<string[]> {
  writeFileSync(FILE, content);
  const taken: string[] = [];
  await forEachLine(FILE, (line) => taken.push(line));
  return taken;
}

lines("forEachLine() gives the lines, whatever ends them", async () => {
  assert.equal(await linesOf("a\nb\r\n\nc"), ["a", "b", "", "c"]);
  assert.equal(await linesOf(gzipSync("a\nb\n")), ["a", "b"]);
  assert.equal(await linesOf(""), []);
});

lines("forEachLine() puts lines together over pieces of the file", async () => {
  const long = Array.from({ length: 20_000 }, (_, at) => `Zeile ${at} über mehr als ein Stück`);
  assert.equal(await linesOf(long.join("\r\n")), long);
  assert.equal(await linesOf(gzipSync(long.join("\n"))), long);
});

lines(
  "forEachLine() refuses a line without an end, and hands on what its reader throws",
  async () => {
    const codeOf = async (run: Promise<unknown>): Promise<unknown> =>
      run.then(
        () => "ok",
        (error) => error.code ?? error.message,
      );
    assert.is(await codeOf(linesOf("x".repeat(3 * 1024 * 1024))), "TABLE_INVALID");
    assert.is(await codeOf(forEachLine(`${FILE}.none`, () => {})), "FILE_FAILED");
    assert.is(await codeOf(linesOf(gzipSync("a\n".repeat(100)).subarray(0, 20))), "FILE_FAILED");
  },
);

lines.run();
