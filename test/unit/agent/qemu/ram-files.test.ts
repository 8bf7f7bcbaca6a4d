import { mkdtemp, readdir, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ramPath } from "../../../../agent/qemu/argv.ts";
import { parseRamPath, RamFiles, sweepRamFiles } from "../../../../agent/qemu/ram-files.ts";
import { runCommand } from "../../../../runtime/command.ts";

const MIB = 1024 * 1024;
const VM = "0b6f2a52-6f0e-4c34-9f51-5d2f3a1c7e01";
const ramFiles = suite<{ folder: string }>("ram-files");

ramFiles.before.each(async (world) => {
  world.folder = await mkdtemp("/dev/shm/lifeboat-test-");
});
ramFiles.after.each((world) => rm(world.folder, { recursive: true }));

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => "nothing was thrown",
    (thrown: { code?: string }) => thrown.code,
  );
}

ramFiles("reserve() allocates, and refuses a file that exists", async ({ folder }) => {
  const files = new RamFiles({ run: runCommand });
  const path = ramPath(folder, VM, 1);
  await files.reserve(path, MIB);
  const { size, blocks } = await stat(path);
  assert.equal([size, blocks * 512], [MIB, MIB]);
  assert.is(await codeOf(files.reserve(path, MIB)), "FILE_FAILED");
  await files.release(path);
  assert.equal(await readdir(folder), []);
});

ramFiles("reserve() refuses beforehand what does not fit, leaving nothing", async ({ folder }) => {
  const { bavail, bsize } = await statfs(folder);
  const marginBytes = bavail * bsize - 8 * MIB;
  const files = new RamFiles({ run: runCommand, marginBytes, allocate: false });
  assert.is(await codeOf(files.reserve(ramPath(folder, VM, 1), 1024 * MIB)), "NO_SPACE");
  assert.equal(await readdir(folder), []);
});

ramFiles("reserve() counts what others were promised, also at once", async ({ folder }) => {
  // Far more than the tmpfs holds together, and each fits alone.
  const { bavail, bsize } = await statfs(folder);
  const sizeBytes = Math.floor((bavail * bsize * 0.6) / MIB) * MIB;
  const files = new RamFiles({ run: runCommand, marginBytes: 0, allocate: false });
  const [a, b] = [ramPath(folder, VM, 1), ramPath(folder, VM, 2)];
  const codes = await Promise.all([a, b].map((path) => codeOf(files.reserve(path, sizeBytes))));
  assert.ok(codes.includes("NO_SPACE"), codes.join());
  await files.release(a);
  await files.release(b);
  await files.reserve(a, sizeBytes);
  assert.is(await codeOf(files.reserve(b, sizeBytes)), "NO_SPACE");
  await files.release(a);
  await files.reserve(b, sizeBytes);
});

ramFiles("reserve() takes back the file when allocating fails", async ({ folder }) => {
  const files = new RamFiles({ run: async () => ({ code: 1, stdout: "", stderr: "full" }) });
  assert.is(await codeOf(files.reserve(ramPath(folder, VM, 1), MIB)), "NO_SPACE");
  assert.equal(await readdir(folder), []);
});

ramFiles("sweepRamFiles() removes only stale RAM files", async ({ folder }) => {
  const files = new RamFiles({ run: runCommand });
  for (const term of [1, 2]) await files.reserve(ramPath(folder, VM, term), MIB);
  await files.reserve(join(folder, "else"), MIB);
  const swept = await sweepRamFiles(folder, new Set([ramPath(folder, VM, 2)]));
  assert.equal(swept, [`lifeboat-${VM}-1.ram`]);
  assert.equal((await readdir(folder)).sort(), ["else", `lifeboat-${VM}-2.ram`]);
});

ramFiles("parseRamPath() reads guest and term, of our names only", ({ folder }) => {
  assert.equal(parseRamPath(ramPath(folder, VM, 12)), { vm: VM, term: 12 });
  assert.is(parseRamPath("/dev/shm/lifeboat-x-1.ram"), undefined);
});

ramFiles.run();
