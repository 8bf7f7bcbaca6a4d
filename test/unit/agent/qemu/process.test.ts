import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  adoptProcess,
  type GuestProcess,
  logTail,
  readProcess,
  startProcess,
} from "../../../../agent/qemu/process.ts";
import { realClock as clock } from "../../../../runtime/clock.ts";

// A guest does not keep its agent's event loop alive; here nothing else would.
const alive = clock.every(1_000, () => {});

interface World {
  folder: string;
  log: string;
  started: GuestProcess[];
}
const processes = suite<World>("process");

processes.before.each(async (world) => {
  world.folder = await mkdtemp(join(tmpdir(), "process-"));
  world.log = join(world.folder, "log");
  world.started = [];
});

processes.after.each(async (world) => {
  for (const each of world.started) await each.end();
  await rm(world.folder, { recursive: true });
});

async function start(world: World, file: string, ...args: string[]): Promise<GuestProcess> {
  const started = await startProcess({ file, args, log: world.log, clock });
  world.started.push(started);
  return started;
}

processes("startProcess() starts one that is known again by pid and start time", async (world) => {
  const started = await start(world, "sleep", "60");
  assert.ok(started.alive());
  assert.is(readProcess(started.identity.pid)?.startTicks, started.identity.startTicks);
  const adopted = adoptProcess(started.identity, clock);
  assert.ok(adopted);
  const reason = new Promise<string>((resolve) => adopted.onExit(resolve));
  await adopted.end();
  assert.not(started.alive());
  assert.is(await reason, "the process is gone");
  await started.end();
});

processes("end() touches no process of the same pid and another start time", async (world) => {
  const started = await start(world, "sleep", "60");
  const identity = { ...started.identity, startTicks: started.identity.startTicks + 1 };
  assert.is(adoptProcess(identity, clock), undefined);
  assert.ok(started.alive());
});

processes("alive() takes a zombie for gone", async () => {
  // A child that exits while its parent, this thread, does not get to reap it.
  const child = spawn("true");
  const untilMs = clock.nowMs() + 5_000;
  let state: string | undefined;
  while (clock.nowMs() < untilMs) {
    state = readProcess(child.pid!)?.state;
    if (state === "Z" || state === undefined) break;
  }
  assert.is(state, "Z");
  const { startTicks } = readProcess(child.pid!)!;
  assert.is(adoptProcess({ pid: child.pid!, startTicks }, clock), undefined);
  await new Promise((resolve) => child.once("close", resolve));
});

processes("onExit() tells the status, also to who asks late", async (world) => {
  const started = await start(world, "sh", "-c", "echo to the log >&2; exit 3");
  const first = await new Promise<string>((resolve) => started.onExit(resolve));
  const late = await new Promise<string>((resolve) => started.onExit(resolve));
  assert.equal([first, late], new Array(2).fill("it exited with status 3"));
  assert.is(await logTail(world.log), "to the log");
});

processes("startProcess() says when there is no such program", async (world) => {
  try {
    await start(world, "qemu-of-nowhere");
    assert.unreachable();
  } catch (thrown) {
    assert.is((thrown as { code?: string }).code, "QEMU_MISSING");
  }
});

processes("logTail() reads the end of a long log, and nothing of none", async (world) => {
  const started = await start(world, "seq", "1", "5000");
  await new Promise((resolve) => started.onExit(resolve));
  const tail = await logTail(world.log);
  assert.ok(tail.length <= 4096);
  assert.match(tail, /\n5000$/);
  assert.is(await logTail(join(world.folder, "none")), "");
});

processes.after(() => alive.cancel());

processes.run();
