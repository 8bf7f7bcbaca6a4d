// The disk layers of a running guest are merged under its feet: it must not notice.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Merging } from "../../agent/capture/merge.ts";
import type { DiskLayer } from "../../agent/qemu/argv.ts";
import type { Guest } from "../../agent/qemu/guest.ts";
import { silentLog } from "../../runtime/log.ts";
import {
  base,
  closeWorld,
  linuxGuest,
  openWorld,
  place,
  report,
  start,
  until,
  type World,
} from "./qemu-world.ts";

const qemu = suite<World>("merge");
qemu.before(openWorld);
qemu.after(closeWorld);

/** A guest's disk layers under Merging: what is on record, and which files are removed. */
function mergingOf(guest: Guest, recorded: DiskLayer[]) {
  const world = { chains: { vda: recorded }, removed: [] as string[], warnings: [] as string[] };
  const begin = (): Merging =>
    new Merging({
      guest,
      log: { ...silentLog, warn: (text) => void world.warnings.push(text) },
      chains: () => world.chains,
      record: (chains) => {
        world.chains = { vda: [...(chains["vda"] ?? [])] };
      },
      remove: async (path) => {
        await rm(path);
        world.removed.push(path);
      },
    });
  return { world, begin };
}

qemu("Merging shortens the disk of a running Linux, which loses nothing by it", async (world) => {
  const { frozen, path, diskBytes } = await linuxGuest(world);
  const paths = await place(world, frozen, 8);
  const guest = await start(world, frozen, paths, [base(path)], false);
  await guest.resume();
  const recorded: DiskLayer[] = [base(path)];
  for (const layer of [1, 2, 3, 4]) {
    const { diskRounds } = await report(paths);
    await until(paths, (found) => found.diskRounds >= diskRounds + 2);
    const file = join(world.folder, `merged-${layer}.qcow2`);
    await guest.prepareOverlay({ disk: "vda", layer, path: file, sizeBytes: diskBytes });
    await guest.snapshot([{ disk: "vda", layer, path: file }]);
    recorded.push({ layer, path: file, format: "qcow2" });
  }
  const { world: record, begin } = mergingOf(guest, recorded);

  // A merge that is stopped at once leaves a chain in which a cut can be taken.
  await begin().stop();
  await guest.pause();
  assert.ok((await guest.migrateState()).length > 0);
  await guest.resume();

  // One that ended while nobody recorded it is found by the next.
  const [, lowest] = record.chains.vda;
  if (record.chains.vda.length === 5) {
    assert.ok(await guest.mergeLayer({ disk: "vda", layer: lowest!.layer, below: 0 }));
  }
  await begin().finished;
  assert.equal(record.warnings, []);
  assert.equal(
    record.chains.vda.map(({ layer }) => layer),
    [0, 4],
  );
  assert.equal([...(await guest.depths())], [["vda", 2]]);
  assert.is(record.removed.length, 3);
  const { diskRounds } = await report(paths);
  const after = await until(
    paths,
    (found) => found.diskRounds >= diskRounds + 12 || found.diskErrors > 0,
  );
  assert.is(after.diskErrors, 0);

  // It starts from what is on record, and a merged layer's name can be used again.
  await guest.end();
  const again = await start(
    world,
    frozen,
    await place(world, frozen, 9),
    [...record.chains.vda],
    false,
  );
  await again.resume();
  const file = join(world.folder, "merged-5.qcow2");
  await again.prepareOverlay({ disk: "vda", layer: 5, path: file, sizeBytes: diskBytes });
  await again.snapshot([{ disk: "vda", layer: 5, path: file }]);
  // Layers that were opened for reading by the command line are merged like any other.
  const cold = mergingOf(again, [...record.chains.vda, { layer: 5, path: file, format: "qcow2" }]);
  await cold.begin().finished;
  assert.equal(cold.world.warnings, []);
  assert.equal(
    cold.world.chains.vda.map(({ layer }) => layer),
    [0, 5],
  );
  await again.end();
});

qemu.run();
