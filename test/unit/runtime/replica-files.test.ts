import { linkSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createReplica, openReplica } from "../../../epochs/replica/replica.ts";
import { replicaFiles } from "../../../runtime/replica-files.ts";
import {
  codeOf,
  expectRestored,
  identityOf,
  kernel,
  LOG_BYTES_MAX,
  Source,
  send,
  someWrites,
} from "../epochs/replica/source.ts";
import { makeFolder } from "./folder.ts";

const replicaFile = suite("replicaFiles");

replicaFile("a replica lives on real files, for this user only", async () => {
  const folder = join(makeFolder(), "vm", "stream");
  const identity = identityOf(64 * 1024, [48 * 1024 + 512]);
  const ports = { files: replicaFiles(folder), kernel, logBytesMax: LOG_BYTES_MAX };
  const source = new Source(identity);
  const first = await createReplica(ports, identity);
  for (const [number, kind] of (["fuzzy", "cut", "cut", "cut"] as const).entries()) {
    await send(first, source.epoch(kind, someWrites(number, identity)));
    await first.fold();
  }
  await first.close();
  assert.is(await codeOf(createReplica(ports, identity)), "STATE_CONFLICT");
  const again = await openReplica(ports, identity);
  assert.equal(again.status().points, [2, 3]);
  for (const epoch of [2, 3]) await expectRestored(again, source.sent[epoch]!);
  assert.equal((await again.scrub()).damages, []);
  await again.close();
  for (const name of await ports.files.list()) {
    assert.is(statSync(join(folder, name)).mode & 0o777, 0o600, name);
  }
});

replicaFile("open() refuses links, folders and files with a second name", async () => {
  const folder = makeFolder();
  const outside = join(makeFolder(), "outside");
  writeFileSync(outside, "not ours");
  symlinkSync(outside, join(folder, "symbolic"));
  linkSync(outside, join(folder, "hard"));
  symlinkSync("/dev/zero", join(folder, "device"));
  const files = replicaFiles(folder);
  for (const name of ["symbolic", "hard", "device", "absent", "."]) {
    assert.is(await codeOf(files.open(name, "existing")), "FILE_FAILED", name);
  }
  assert.is(await codeOf(files.open("symbolic", "create")), "FILE_FAILED");
});

replicaFile("write() tells a full disk from a broken one", async () => {
  const files = replicaFiles(makeFolder());
  const file = await files.open("ram", "create");
  // ext4 and tmpfs both refuse an offset this far.
  const far = Number.MAX_SAFE_INTEGER;
  const code = await codeOf(file.write(Buffer.of(1), far));
  assert.ok(code === "NO_SPACE" || code === "FILE_FAILED", code);
  await file.write(Buffer.from("abc"), 5);
  const view = Buffer.alloc(16, 0xff);
  assert.is(await file.read(view, 4), 4);
  assert.equal(view.subarray(0, 4), Buffer.from("\0abc"));
  await file.close();
});

replicaFile.run();
