import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findLinuxAssets } from "../../../cli/guests/linux-guest.ts";

/** Plain JavaScript, without declarations: this is what it exports. */
interface Fetching {
  readonly VIRTIO_MODULES: readonly string[];
  fetchGuestAssets(folder: string, options: { log(line: string): void }): Promise<unknown>;
}

const MODULE = new URL("../../../bin/guests.mjs", import.meta.url).href;
const { fetchGuestAssets, VIRTIO_MODULES }: Fetching = await import(MODULE);
const guests = suite<{ folder: string; path: string }>("guests");

guests.before.each(async (world) => {
  world.folder = await mkdtemp(join(tmpdir(), "assets-"));
  // No apt-get and no dpkg on this PATH: whatever wants to fetch fails.
  world.path = process.env["PATH"] ?? "";
  process.env["PATH"] = world.folder;
});
guests.after.each(async (world) => {
  process.env["PATH"] = world.path;
  await rm(world.folder, { recursive: true });
});

async function finished(folder: string, without = ""): Promise<void> {
  await mkdir(join(folder, "modules"));
  const modules = VIRTIO_MODULES.map((name) => `modules/${name}.ko`);
  for (const name of ["vmlinuz", "busybox", ...modules]) {
    if (name !== without) await writeFile(join(folder, name), "");
  }
  const stamp = { layout: 1, kernel: "6.1", busybox: "1.35" };
  await writeFile(join(folder, "stamp.json"), JSON.stringify(stamp));
}

async function fetched(folder: string): Promise<unknown> {
  return fetchGuestAssets(folder, { log: () => {} }).catch(() => "it tried to fetch");
}

guests(
  "fetchGuestAssets() fetches nothing when all is there, as cli/ looks for it",
  async (world) => {
    await finished(world.folder);
    assert.equal(await fetched(world.folder), { kernel: "6.1", busybox: "1.35" });
    assert.is((await findLinuxAssets(world.folder)).modules.length, VIRTIO_MODULES.length);
  },
);

for (const [name, spoil] of [
  ["a file is gone", (folder: string) => rm(join(folder, "modules/virtio_blk.ko"))],
  ["the stamp is gone", (folder: string) => rm(join(folder, "stamp.json"))],
  ["half a stamp is there", (folder: string) => writeFile(join(folder, "stamp.json"), '{"lay')],
  ["the layout is another", (folder: string) => writeFile(join(folder, "stamp.json"), "{}")],
] as const) {
  guests(`fetchGuestAssets() begins again when ${name}`, async (world) => {
    await finished(world.folder);
    await spoil(world.folder);
    assert.is(await fetched(world.folder), "it tried to fetch");
  });
}

guests.run();
