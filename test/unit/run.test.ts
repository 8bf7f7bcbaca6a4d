// The runner, on files that each fall through one of uvu's holes.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const ROOT = new URL("../..", import.meta.url).pathname;
const PASSES = 'import { suite } from "uvu"; const one = suite("one"); one("passes", () => {});\n';
const ANOTHER = 'const two = suite("two"); two("passes", () => {}); two.run();';

interface Case {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  readonly last: string;
  readonly says?: RegExp;
}

const CASES: readonly Case[] = [
  {
    name: "adds up files and their suites",
    files: {
      "a.test.ts": `${PASSES}one.skip("later", () => {});\none.run();\n`,
      "b.test.ts": `${PASSES}one.run();\n${ANOTHER}`,
      "not-a-test.ts": "process.exit(1);",
    },
    last: "3 passed, 0 failed, 1 skipped",
  },
  {
    name: "runs the files that match",
    files: { "a.test.ts": `${PASSES}one.run();`, "b.test.ts": "process.exit(1);" },
    args: ["a.te"],
    last: "1 passed, 0 failed",
  },
  {
    name: "fails if nothing matches",
    files: { "a.test.ts": `${PASSES}one.run();` },
    args: ["nothing"],
    last: "0 passed, 1 failed",
  },
  {
    name: "fails a suite that never runs",
    files: { "a.test.ts": PASSES },
    last: "0 passed, 1 failed",
    says: /no test ran/,
  },
  {
    name: "fails a suite whose before throws",
    files: { "a.test.ts": `${PASSES}one.before(() => { throw new Error(); });\none.run();` },
    last: "0 passed, 1 failed",
  },
  {
    name: "shows what a failing test printed",
    files: {
      "a.test.ts": `${PASSES}one("fails", () => { console.log("seen"); throw 1; });\none.run();`,
    },
    last: "1 passed, 1 failed",
    says: /^FAIL .* test\/a\.test\.ts {2}1\/2\n(.*\n)*.*seen/m,
  },
  {
    name: "shows what could not be tried, even of a file that passes",
    files: { "a.test.ts": `console.log("skipped: no KVM");\n${PASSES}one.run();` },
    last: "1 passed, 0 failed",
    says: /^ +skipped: no KVM$/m,
  },
  {
    name: "ends a file that hangs, at the limit it asks for",
    files: { "a.test.ts": `// limit: 1 s\n${PASSES}setInterval(() => {}, 1e6);\none.run();` },
    last: "1 passed, 1 failed",
    says: /did not end within 1 s/,
  },
  {
    name: "fails a file that ends with an error after its tests",
    files: { "a.test.ts": `${PASSES}one.run();\nprocess.on("exit", () => process.exit(3));` },
    last: "1 passed, 1 failed",
    says: /ended with 3/,
  },
  {
    name: "fails a file that leaves a process behind, and ends it",
    files: {
      "a.test.ts": `import { spawn } from "node:child_process";
${PASSES}spawn("sleep", ["60"], { stdio: "ignore" }).unref();
one.run();`,
    },
    last: "1 passed, 1 failed",
    says: /left processes of its group behind/,
  },
];

const runner = suite("run");

for (const { name, files, args = [], last, says = /^/ } of CASES) {
  runner(name, () => {
    const root = mkdtempSync(join(tmpdir(), "lifeboat-run-"));
    try {
      mkdirSync(join(root, "test"));
      writeFileSync(join(root, "package.json"), '{"type": "module"}');
      symlinkSync(`${ROOT}node_modules`, join(root, "node_modules"));
      cpSync(`${ROOT}test/run.ts`, join(root, "test/run.ts"));
      for (const [file, text] of Object.entries(files)) {
        writeFileSync(join(root, "test", file), text);
      }
      const command = ["test/run.ts", ...args];
      const { status, stdout } = spawnSync(process.execPath, command, {
        cwd: root,
        encoding: "utf8",
      });
      assert.is(stdout.trimEnd().split("\n").at(-1), last, stdout);
      assert.is(status, last.includes(" 0 failed") ? 0 : 1);
      assert.match(stdout, says);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
}

runner.run();
