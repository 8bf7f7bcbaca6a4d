import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ended } from "./checkout.ts";

const ROOT = new URL("../../..", import.meta.url).pathname;
const MAIN = `const args: string[] = process.argv.slice(2);
console.log(JSON.stringify(args));
process.on("SIGINT", () => process.exit(7));
if (args[0] === "wait") setTimeout(() => {}, 60_000);
else process.exitCode = Number(args[0]);
`;

const lifeboat = suite<{ root: string }>("bin/lifeboat");

lifeboat.before((context) => {
  context.root = mkdtempSync(join(tmpdir(), "lifeboat-command-"));
  mkdirSync(join(context.root, "cli"));
  writeFileSync(join(context.root, "cli/main.ts"), MAIN);
  cpSync(`${ROOT}bin/lifeboat.mjs`, join(context.root, "bin/lifeboat.mjs"));
});

lifeboat.after(({ root }) => rmSync(root, { recursive: true, force: true }));

/** An older Node that installed this one, if the machine has such a one. */
const older = ["/usr/bin/node", "/usr/local/bin/node"].find((path) => {
  const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8" });
  return /^v(1\d|2[0-3])\./.test(stdout ?? "");
});

lifeboat("passes arguments and exit status through", ({ root }) => {
  const command = [join(root, "bin/lifeboat.mjs"), "5", "two words", "--flag"];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: "utf8" });
  assert.is(status, 5);
  assert.equal(JSON.parse(stdout), ["5", "two words", "--flag"]);
  assert.is(stderr, "");
});

lifeboat("lets the command end itself on a signal", async ({ root }) => {
  assert.is(await interrupt(process.execPath, root), 7);
});

lifeboat("under an older Node finds the packaged one, or says what to do", async ({ root }) => {
  if (older === undefined) {
    console.log("skipped: no Node older than 24 on this machine");
    return;
  }
  const script = join(root, "bin/lifeboat.mjs");
  const without = spawnSync(older, [script, "5"], { encoding: "utf8" });
  assert.is(without.status, 78);
  assert.is(without.stdout, "");
  assert.match(
    without.stderr,
    /^lifeboat: needs Node 24 or newer, here is v\d+.*npm run setup.*\n$/,
  );
  cpSync(process.execPath, join(root, "node_modules/.bin/node"));
  assert.is(spawnSync(older, [script, "5"]).status, 5);
  assert.is(await interrupt(older, root), 7);
});

/** Sends SIGINT to the one pid that was started, once the command runs. */
async function interrupt(node: string, root: string): Promise<number | null> {
  const child = spawn(node, [join(root, "bin/lifeboat.mjs"), "wait"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const end = ended(child);
  await new Promise((resolve) => child.stdout.once("data", resolve));
  await new Promise((resolve) => setTimeout(resolve, 100));
  child.kill("SIGINT");
  return (await end).code;
}

lifeboat.run();
