// Each test/scenarios/*.txt is a conversation: commands, a line of dashes, the log they produce.
// `REWRITE=1 npm test` writes what happened; commit the difference only if you can explain it.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Scenario } from "./sim/scenario.ts";

const FOLDER = new URL("scenarios/", import.meta.url);
const scenarios = suite("scenarios");

function play(text: string): string {
  const hosts = /^hosts (.*)$/m.exec(text)?.[1]?.split(" ");
  const site = new Scenario(hosts);
  const blocks = text.trimEnd().split(/\n\n+/);
  const played = blocks.map((block) => {
    const [commands = ""] = block.split("\n----");
    const lines = commands.split("\n").filter((line) => !/^(#|hosts )/.test(line));
    return [commands, "----", ...lines.flatMap((line) => site.command(line))].join("\n");
  });
  assert.is(site.violation, undefined);
  return `${played.join("\n\n")}\n`;
}

for (const name of readdirSync(FOLDER).sort()) {
  scenarios(name, () => {
    const expected = readFileSync(new URL(name, FOLDER), "utf8");
    const actual = play(expected);
    if (process.env["REWRITE"]) writeFileSync(new URL(name, FOLDER), actual);
    else assert.fixture(actual, expected);
  });
}

scenarios.run();
