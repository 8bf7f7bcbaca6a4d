import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { realClock } from "../../../runtime/clock.ts";
import { holdLock } from "../../../runtime/lock.ts";
import { makeFolder } from "./folder.ts";

const locks = suite("lock");
const LOCK = new URL("../../../runtime/lock.ts", import.meta.url).pathname;
const CLOCK = new URL("../../../runtime/clock.ts", import.meta.url).pathname;

/** Another process that takes the lock and holds it until it is ended. */
async function holder(path: string): Promise<ChildProcess> {
  const program = `
    import { holdLock } from ${JSON.stringify(LOCK)};
    import { realClock } from ${JSON.stringify(CLOCK)};
    await holdLock(${JSON.stringify(path)}, 0, realClock);
    console.log("held");
    setInterval(() => {}, 1_000);`;
  const args = ["--input-type=module", "--eval", program];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout!, "data");
  return child;
}

const codeOf = (promise: Promise<void>): Promise<string> =>
  promise.then(
    () => "held",
    (error: { code?: string }) => error.code ?? String(error),
  );

locks("holdLock() refuses a second holder of a path, and none of another path", async () => {
  const folder = makeFolder();
  const child = await holder(folder);
  try {
    assert.is(await codeOf(holdLock(folder, 50, realClock)), "STATE_CONFLICT");
    assert.is(await codeOf(holdLock(`${folder}/other`, 0, realClock)), "held");
    assert.is(await codeOf(holdLock(`${folder}/other`, 0, realClock)), "STATE_CONFLICT");
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
});

locks("holdLock() gets what a process leaves, however that ends", async () => {
  const folder = makeFolder();
  const child = await holder(folder);
  const waiting = codeOf(holdLock(folder, 10_000, realClock));
  child.kill("SIGKILL");
  assert.is(await waiting, "held");
});

locks.run();
