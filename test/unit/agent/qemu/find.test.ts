// Processes that stand for QEMU by their command line alone: nothing else of it is looked at.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { endGuestsBelow, findGuestProcess } from "../../../../agent/qemu/find.ts";
import { realClock } from "../../../../runtime/clock.ts";
import { makeFolder } from "../../runtime/folder.ts";

const find = suite<{ folder: string; children: ChildProcess[] }>("find");

find.before.each((world) => {
  world.folder = makeFolder();
  world.children = [];
});
find.after.each(({ children }) => {
  for (const child of children) child.kill("SIGKILL");
});

/** A process that waits, with the socket's option and more among its arguments. */
async function start(
  world: { children: ChildProcess[] },
  ...more: readonly string[]
): Promise<ChildProcess> {
  const program = "console.log(1); setInterval(() => {}, 1000)";
  const args = ["--eval", program, "--", ...more];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  world.children.push(child);
  await once(child.stdout!, "data");
  return child;
}

const socket = (path: string): string => `socket,id=qmp,path=${path},server=on,wait=off`;

find(
  "findGuestProcess() finds the guest of one socket, and its RAM file in both forms",
  async (world) => {
    const object = '{"qom-type": "memory-backend-file", "mem-path": "/dev/shm/one.ram"}';
    const one = await start(world, socket(`${world.folder}/one.sock`), object);
    const plain = "memory-backend-file,id=ram,mem-path=/dev/shm/two.ram,share=on";
    const two = await start(world, socket(`${world.folder}/two.sock`), plain);
    const first = await findGuestProcess(`${world.folder}/one.sock`);
    assert.is(first?.identity.pid, one.pid);
    assert.is(first?.ramPath, "/dev/shm/one.ram");
    const second = await findGuestProcess(`${world.folder}/two.sock`);
    assert.is(second?.identity.pid, two.pid);
    assert.is(second?.ramPath, "/dev/shm/two.ram");
  },
);

find("findGuestProcess() takes no process that only has the path as a part", async (world) => {
  await start(world, socket(`${world.folder}/one.sock.old`), `cat ${world.folder}/one.sock`);
  await start(world, `x${socket(`${world.folder}/one.sock`)}`);
  assert.is(await findGuestProcess(`${world.folder}/one.sock`), undefined);
});

find("findGuestProcess() does not find a process that has ended", async (world) => {
  const child = await start(world, socket(`${world.folder}/one.sock`));
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.is(await findGuestProcess(`${world.folder}/one.sock`), undefined);
});

find("endGuestsBelow() ends the guests of one folder, and of no other", async (world) => {
  const inside = await start(world, socket(`${world.folder}/alpha/vms/one.sock`));
  const beside = await start(world, socket(`${world.folder}/alpha2/vms/one.sock`));
  const ended = once(inside, "exit");
  await endGuestsBelow(`${world.folder}/alpha/`, realClock);
  await ended;
  assert.is(beside.exitCode, null);
  assert.is(beside.signalCode, null);
});

find("endGuestsBelow() refuses to end the guests of a whole machine", async () => {
  for (const folder of ["", "/", "//", "relative"]) {
    const ended = await endGuestsBelow(folder, realClock).then(
      () => "ended",
      (error: Error) => error.message,
    );
    assert.match(ended, /nobody's to end/);
  }
});

find.run();
