import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findSmartctl } from "../../../bench/faults/drive-guest.ts";
import { findLinuxAssets } from "../../../cli/guests/linux-guest.ts";

/** Plain JavaScript, without declarations: this is what it exports. */
interface Fetching {
  readonly VIRTIO_MODULES: readonly string[];
  readonly SMARTCTL_LIBRARIES: readonly string[];
  fetchGuestAssets(folder: string, options: { log(line: string): void }): Promise<unknown>;
}

const MODULE = new URL("../../../bin/guests.mjs", import.meta.url).href;
const { fetchGuestAssets, SMARTCTL_LIBRARIES, VIRTIO_MODULES }: Fetching = await import(MODULE);
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
  await mkdir(join(folder, "smartctl"));
  for (const name of ["smartctl", ...SMARTCTL_LIBRARIES]) {
    await writeFile(join(folder, "smartctl", name), "");
  }
  const smartctl = { layout: 1, smartctl: "7.3" };
  await writeFile(join(folder, "smartctl", "stamp.json"), JSON.stringify(smartctl));
}

async function fetched(folder: string, log: (line: string) => void = () => {}): Promise<unknown> {
  return fetchGuestAssets(folder, { log }).catch(() => "it tried to fetch");
}

guests(
  "fetchGuestAssets() fetches nothing when all is there, as cli/ looks for it",
  async (world) => {
    await finished(world.folder);
    const versions = { kernel: "6.1", busybox: "1.35", smartctl: "7.3" };
    assert.equal(await fetched(world.folder), versions);
    assert.is((await findLinuxAssets(world.folder)).modules.length, VIRTIO_MODULES.length);
    assert.is((await findSmartctl(world.folder))?.length, SMARTCTL_LIBRARIES.length + 1);
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

guests("fetchGuestAssets() says that it has no smartctl, and does without", async (world) => {
  await finished(world.folder);
  await rm(join(world.folder, "smartctl", "libm.so.6"));
  assert.is(await findSmartctl(world.folder), undefined);
  const lines: string[] = [];
  const versions = await fetched(world.folder, (line) => lines.push(line));
  assert.equal(versions, { kernel: "6.1", busybox: "1.35" });
  assert.match(lines.at(-1)!, /^no smartctl for the test guest: /);
});

guests.run();
