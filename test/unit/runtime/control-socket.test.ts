import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { SystemError } from "../../../protocol/error.ts";
import { askControl, listenControl } from "../../../runtime/control-socket.ts";
import { makeFolder } from "./folder.ts";

const control = suite("control-socket");
const closers: (() => Promise<void>)[] = [];

control.after.each(async () => {
  for (const close of closers.splice(0)) await close();
});

async function listen(answer: (line: string) => Promise<string>) {
  const path = join(makeFolder(), "inner", "control.sock");
  const server = await listenControl(path, answer);
  closers.push(() => server.close());
  return { path, server };
}

const codeOf = (asked: Promise<unknown>): Promise<unknown> =>
  asked.then(
    () => "answered",
    (error: SystemError) => error.code,
  );

/** Writes raw text to a socket and returns all that comes back until it ends. */
function converse(path: string, chunks: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = createConnection(path);
    socket.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
      if (text.split("\n").length > chunks.length) socket.end();
    });
    socket.on("error", () => undefined).on("close", () => resolve(text));
    for (const chunk of chunks) socket.write(chunk);
  });
}

control("askControl() gets the answer of listenControl(), line by line", async () => {
  const { path } = await listen(async (line) => line.toUpperCase());
  assert.is(await askControl(path, "grüß", 1_000), "GRÜSS");
  assert.is(await converse(path, ["a\nb", "c\n"]), "A\nBC\n");
});

control("listenControl() is its user's alone, and replaces what a dead process left", async () => {
  const folder = makeFolder();
  const path = join(folder, "control.sock");
  mkdirSync(folder, { recursive: true });
  writeFileSync(path, "left behind");
  const server = await listenControl(path, async () => "new");
  closers.push(() => server.close());
  assert.is(statSync(path).mode & 0o777, 0o600);
  assert.is(await askControl(path, "x", 1_000), "new");
});

control(
  "listenControl() ends a connection whose line does not end, and serves the next",
  async () => {
    let asked = 0;
    const { path } = await listen(async () => `${++asked}`);
    assert.is(await converse(path, ["x".repeat(70_000), "y".repeat(70_000)]), "");
    assert.is(await askControl(path, "x", 1_000), "1");
  },
);

control("askControl() says why there is no answer", async () => {
  const never = await listen(() => new Promise(() => {}));
  assert.is(await codeOf(askControl(never.path, "x", 50)), "TIMED_OUT");
  const broken = await listen(() => Promise.reject(new Error("a bug")));
  assert.is(await codeOf(askControl(broken.path, "x", 1_000)), "UNREACHABLE");
  const closed = await listen(async () => "x");
  await closed.server.close();
  assert.is(await codeOf(askControl(closed.path, "x", 1_000)), "UNREACHABLE");
  const endless = await listen(async () => "z".repeat(100_000));
  assert.is(await codeOf(askControl(endless.path, "x", 1_000)), "MESSAGE_TOO_LARGE");
});

control("listenControl() refuses a path that a socket cannot have", async () => {
  const path = join(makeFolder(), "x".repeat(120));
  assert.is(await codeOf(listenControl(path, async () => "")), "LISTEN_FAILED");
  assert.is(await codeOf(listenControl("/dev/null/control", async () => "")), "LISTEN_FAILED");
});

control.run();
