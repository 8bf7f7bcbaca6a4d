// No space where a stream is received: found out, told, and the guest goes on at its source. Needs
// a file system of its own that is really full, so a tmpfs is mounted, which only root may.
import { mkdtempSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCommand } from "../../../runtime/command.ts";
import { makeFolder } from "../runtime/folder.ts";
import { PAGE } from "./simulated-guest.ts";
import {
  MIB,
  makeWorld,
  randomBytes,
  reasonOfSource,
  reasonOfTarget,
  type World,
  type WorldOptions,
} from "./stream-world.ts";

const space = suite("space");

/** A tmpfs of so many bytes for the time of `work`; undefined where none may be mounted. */
async function withTmpfs(bytes: number, work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "lifeboat-full-"));
  const options = ["-t", "tmpfs", "-o", `size=${bytes}`, "lifeboat-test", folder];
  const { code, stderr } = await runCommand("mount", options);
  if (code !== 0) {
    console.log(`skipped: no tmpfs can be mounted: ${stderr.trim()}`);
    rmdirSync(folder);
    return;
  }
  try {
    await work(folder);
  } finally {
    await runCommand("umount", [folder]);
    rmdirSync(folder);
  }
}

async function assertNoSpace(options: WorldOptions, reason: RegExp): Promise<void> {
  const world = await makeWorld(options);
  try {
    assert.is(await world.settled(), "refused");
    assert.is(world.source.phase(), "running");
    assert.match(reasonOfTarget(world)!, reason);
    assert.match(reasonOfSource(world)!, reason);
  } finally {
    await world.close();
  }
}

space("a delta that finds no room aside fails the stream, and the source goes on", () =>
  withTmpfs(5 * MIB, (targetFolder) => {
    let written = false;
    // Epoch 0 goes to its place; what is written behind it does not fit beside it.
    const breathe = ({ source }: World): void => {
      if (written) return;
      written = true;
      for (let page = 0; page < 256; page++) source.write(page, randomBytes(page + 1, PAGE));
    };
    return assertNoSpace(
      { ramBytes: 4 * MIB, targetFolder, breathe },
      /No space to set an epoch aside/,
    );
  }),
);

space("a disk that is full fails the stream, and the source goes on", () =>
  withTmpfs(4 * MIB, (targetFolder) => {
    const path = join(makeFolder(), "base.raw");
    writeFileSync(path, randomBytes(3, 4 * MIB));
    const disk = { sizeBytes: 4 * MIB, path };
    return assertNoSpace({ ramBytes: MIB, targetFolder, disk }, /Cannot write .*vda-t2\.raw/);
  }),
);

space.run();
