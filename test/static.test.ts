// The checks that need no run: types by tsc, form and lint by Biome.
import { spawnSync } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const ROOT = new URL("..", import.meta.url).pathname;
const checks = suite("static");

function run(script: string, args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], {
    cwd: ROOT,
    encoding: "utf8",
  });
  assert.is(status, 0, `${script} ${args.join(" ")}\n${stdout}${stderr}`);
}

checks("tsc finds no error", () => run("node_modules/typescript/bin/tsc", ["--pretty", "false"]));

checks("biome finds nothing to say", () => run("bin/biome.mjs", ["check", "--error-on-warnings"]));

checks.run();
