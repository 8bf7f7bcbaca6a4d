import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { openDocument } from "../../../runtime/document.ts";
import { makeFolder } from "./folder.ts";
import { ports } from "./ports.ts";

const kept = suite("openDocument");
const names = z.array(z.string());

kept("openDocument() reads what the last life saved", () => {
  const path = join(makeFolder(), "names");
  const first = openDocument(path, names, ["none"], ports.log);
  assert.equal(first.value, ["none"]);
  first.save(["a", "b"]);
  assert.equal(first.value, ["a", "b"]);
  assert.equal(openDocument(path, names, [], ports.log).value, ["a", "b"]);
});

for (const [what, text] of [
  ["torn", '["a"'],
  ["of another shape", "[1]"],
] as const) {
  kept(`openDocument() puts aside a document that is ${what}`, () => {
    const path = join(makeFolder(), "names");
    writeFileSync(path, text);
    assert.equal(openDocument(path, names, [], ports.log).value, []);
    assert.is(readFileSync(`${path}.damaged`, "utf8"), text);
    assert.is(existsSync(path), false);
  });
}

kept.run();
