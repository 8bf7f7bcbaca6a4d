import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { connectUnix, receiveOnce, sendOnce } from "../../../../agent/qemu/unix-socket.ts";

const sockets = suite<{ folder: string; path: string }>("unix-socket");

sockets.before.each(async (world) => {
  world.folder = await mkdtemp(join(tmpdir(), "socket-"));
  world.path = join(world.folder, "s");
});
sockets.after.each((world) => rm(world.folder, { recursive: true }));

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => "nothing was thrown",
    (thrown: { code?: string }) => thrown.code,
  );
}

sockets("receiveOnce() gets all that sendOnce() sent, up to its bound", async ({ path }) => {
  const bytes = Buffer.alloc(1_000_000, "state");
  const reception = await receiveOnce(path, bytes.length);
  await sendOnce(path, bytes);
  assert.ok(bytes.equals(await reception.bytes));
  reception.close();
});

sockets("receiveOnce() refuses more than its bound", async ({ path }) => {
  const reception = await receiveOnce(path, 1000);
  const sent = sendOnce(path, Buffer.alloc(1_000_000)).catch(() => {});
  assert.is(await codeOf(reception.bytes), "MESSAGE_TOO_LARGE");
  await sent;
});

sockets("receiveOnce() tells a stream that broke off from one that ended", async ({ path }) => {
  const reception = await receiveOnce(path, 1000);
  const socket = await connectUnix(path);
  socket.on("error", () => {});
  socket.write("half");
  reception.close();
  socket.destroy();
  assert.is.not(await codeOf(Promise.race([reception.bytes, closed()])), "nothing was thrown");
});

sockets("receiveOnce() takes the place of a socket that a dead process left", async (world) => {
  const first = await receiveOnce(world.path, 10);
  const second = await receiveOnce(world.path, 10);
  await sendOnce(world.path, Buffer.from("x"));
  assert.is(Buffer.from(await second.bytes).toString(), "x");
  first.close();
  second.close();
  assert.ok((await readdir(world.folder)).length <= 1);
});

sockets("connectUnix() says when nobody listens", async ({ path }) => {
  assert.is(await codeOf(connectUnix(path)), "QMP_CLOSED");
});

/** A reception that was closed before its connection was accepted never settles. */
async function closed(): Promise<never> {
  await new Promise((resolve) => setTimeout(resolve, 50));
  throw new Error("closed");
}

sockets.run();
