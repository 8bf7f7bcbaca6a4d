// Real QEMU (TCG), real guests: pause, save, rebuild at a target, go on. A torn pair of memory and
// disk must show, so each kind of guest is also restored wrongly once.
import { open } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Extent, mapChain, mapLayer, readExtents } from "../../agent/capture/disk.ts";
import { FlatImage } from "../../agent/capture/disk-flat.ts";
import { createOverlay } from "../../agent/capture/disk-images.ts";
import type { DiskLayer } from "../../agent/qemu/argv.ts";
import { adoptGuest } from "../../agent/qemu/guest.ts";
import { probeQemu } from "../../agent/qemu/probe.ts";
import { makeBootDisk } from "../../cli/guests/counter-guest.ts";
import { type FrozenDefinition, guestDefinition } from "../../protocol/definition.ts";
import { SystemError } from "../../protocol/error.ts";
import { realClock } from "../../runtime/clock.ts";
import { runCommand } from "../../runtime/command.ts";
import {
  base,
  closeWorld,
  freeze,
  linuxGuest,
  MIB,
  openWorld,
  place,
  ports,
  report,
  start,
  until,
  type World,
} from "./qemu-world.ts";

const COUNTER_VM = "0b6f2a52-6f0e-4c34-9f51-5d2f3a1c7e01";

const qemu = suite<World>("qemu");

qemu.before(async (world) => {
  const { qemuVersion } = await probeQemu({ ...ports, accelerator: "tcg", folder: "/tmp" });
  console.log(`QEMU ${qemuVersion}`);
  await openWorld(world);
});
qemu.after(closeWorld);

async function copyRam(from: string, to: string): Promise<void> {
  await using source = await open(from, "r");
  await using target = await open(to, "r+");
  const { size } = await source.stat();
  const buffer = Buffer.alloc(MIB);
  for (let offset = 0; offset < size; offset += MIB) {
    await source.read(buffer, 0, MIB, offset);
    await target.write(buffer, 0, MIB, offset);
  }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "nothing was thrown",
    (thrown: unknown) => (thrown instanceof SystemError ? thrown.code : String(thrown)),
  );
}

async function apply(image: FlatImage, extents: readonly Extent[], folder: string): Promise<void> {
  for await (const piece of readExtents(extents, { run: runCommand, temporaryFolder: folder })) {
    if (piece.bytes === undefined) await image.zeroExtent(piece.offset, piece.length);
    else await image.writeExtent(piece.offset, piece.bytes);
  }
  await image.flush();
}

async function counterGuest(world: World): Promise<[FrozenDefinition, DiskLayer]> {
  const path = join(world.folder, "counter.raw");
  await makeBootDisk(path, { pages: 2048, delay: 2 });
  const definition = guestDefinition.parse({
    id: COUNTER_VM,
    name: "counter",
    memoryMiB: 32,
    boot: { disk: "vda" },
    disks: [{ id: "vda", path, format: "raw" }],
  });
  return [freeze(definition, MIB), base(path)];
}

qemu("Guest moves a counting boot sector to another process", async (world) => {
  const [frozen, disk] = await counterGuest(world);
  const sourcePaths = await place(world, frozen, 1);
  const source = await start(world, frozen, sourcePaths, [disk], false);
  assert.is(source.phase(), "paused", "nothing runs before resume()");
  assert.not(await source.vcpusAdvance(200));
  await source.resume();
  await until(sourcePaths, ({ counter = 0 }) => counter >= 5);
  assert.ok(await source.vcpusAdvance(5_000));

  await source.pause();
  const state = await source.migrateState();
  assert.is(source.phase(), "postmigrate");
  const before = (await report(sourcePaths)).counter ?? 0;

  const targetPaths = await place(world, frozen, 2);
  const target = await start(world, frozen, targetPaths, [disk], true);
  assert.is(target.phase(), "incoming");
  await copyRam(sourcePaths.ram, targetPaths.ram);
  await source.end();
  await target.loadState(state);
  assert.is(target.phase(), "paused");
  await target.resume();
  const after = await until(targetPaths, ({ counter = 0 }) => counter >= before + 10);
  assert.is(after.tornPages, 0);
  await target.end();
});

qemu("Guest shows a torn restore of the boot sector", async (world) => {
  const [frozen, disk] = await counterGuest(world);
  const sourcePaths = await place(world, frozen, 3);
  const source = await start(world, frozen, sourcePaths, [disk], false);
  await source.resume();
  await until(sourcePaths, ({ counter = 0 }) => counter >= 2);
  await source.pause();
  const state = await source.migrateState();
  const paths = await place(world, frozen, 4);
  await copyRam(sourcePaths.ram, paths.ram);
  await source.end();
  {
    await using file = await open(paths.ram, "r+");
    await file.write(Buffer.alloc(4), 0, 4, MIB + 1500 * 4096 + 2048);
  }
  const target = await start(world, frozen, paths, [disk], true);
  await target.loadState(state);
  await target.resume();
  const found = await until(paths, ({ tornPages }) => tornPages > 0);
  assert.is(found.tornPages, 1);
  await target.end();
});

qemu("adoptGuest() takes over a guest that outlived its agent, and sees it end", async (world) => {
  const [frozen, disk] = await counterGuest(world);
  const paths = await place(world, frozen, 5);
  const first = await start(world, frozen, paths, [disk], false);
  await first.resume();
  const overlay = { disk: "vda", path: join(world.folder, "counter-1.qcow2"), sizeBytes: MIB };
  await first.prepareOverlay({ ...overlay, layer: 1 });
  // A cut that was given up: the same disk is prepared again.
  await first.prepareOverlay({ ...overlay, layer: 1 });
  const { identity } = first;
  first.release();
  const adoption = { vm: frozen.id, identity, paths, disks: ["vda"] };
  const stranger = { ...adoption, identity: { ...identity, startTicks: identity.startTicks + 1 } };
  assert.is(await adoptGuest(stranger, ports), undefined, "another process of that pid");
  const guest = await adoptGuest(adoption, ports);
  assert.ok(guest);
  assert.is(guest.phase(), "running");
  assert.equal([...guest.topLayers()], [["vda", 0]]);
  // What the first agent attached and never used is gone, and in nobody's way.
  await guest.prepareOverlay({ ...overlay, layer: 1 });
  await guest.pause();
  await guest.snapshot([{ ...overlay, layer: 1 }]);
  assert.equal([...guest.topLayers()], [["vda", 1]]);
  const unprepared = { ...overlay, layer: 2, path: join(world.folder, "counter-2.qcow2") };
  assert.is(await codeOf(guest.snapshot([unprepared])), "QMP_REFUSED", "there is no such file");
  await createOverlay(runCommand, unprepared);
  await guest.snapshot([unprepared]);
  assert.equal([...guest.topLayers()], [["vda", 2]]);
  assert.is(await codeOf(guest.snapshot([unprepared])), "DISK_INVALID", "it is the top already");
  await guest.migrateState();
  assert.is(await codeOf(guest.snapshot([])), "STATE_CONFLICT");
  await guest.resume();
  const exited = new Promise((resolve) => {
    guest.onEvent((event) => event.type === "exited" && resolve(true));
  });
  process.kill(identity.pid, "SIGKILL");
  assert.ok(await exited);
  assert.is(guest.phase(), "gone");
  assert.is(await adoptGuest(adoption, ports), undefined);
});

qemu("loadState() of garbage ends that process, and says so", async (world) => {
  const [frozen, disk] = await counterGuest(world);
  const paths = await place(world, frozen, 7);
  const target = await start(world, frozen, paths, [disk], true);
  const code = await codeOf(target.loadState(Buffer.alloc(4096, 1)));
  assert.ok(["QEMU_EXITED", "QMP_REFUSED", "QMP_CLOSED"].includes(code), code);
  const untilMs = realClock.nowMs() + 5_000;
  while (target.phase() !== "gone" && realClock.nowMs() < untilMs) await realClock.sleep(10);
  assert.is(target.phase(), "gone");
  assert.is(await codeOf(target.resume()), "STATE_CONFLICT");
});

qemu("startGuest() says why QEMU ended", async (world) => {
  const [frozen] = await counterGuest(world);
  const paths = await place(world, frozen, 6);
  const missing = { layer: 0, path: join(world.folder, "none.raw"), format: "raw" } as const;
  try {
    await start(world, frozen, paths, [missing], false);
    assert.unreachable();
  } catch (thrown) {
    assert.match(String(thrown), /QEMU ended.*none\.raw/s);
  }
});

qemu("Guest moves Linux with the extents of its disk layers", async (world) => {
  const { frozen, path, diskBytes } = await linuxGuest(world);
  const sourcePaths = await place(world, frozen, 1);
  const source = await start(world, frozen, sourcePaths, [base(path)], false);
  await source.resume();
  await until(sourcePaths, ({ diskRounds }) => diskRounds >= 4);

  // Epoch 0: the base. Epoch 1: what was written on the first overlay.
  const overlay = (layer: number) => ({
    disk: "vda",
    layer,
    path: join(world.folder, `linux-${layer}.qcow2`),
    sizeBytes: diskBytes,
  });
  const cut = async (layer: number): Promise<Uint8Array> => {
    await source.pause();
    await source.snapshot([overlay(layer)]);
    return source.migrateState();
  };
  const whole = await FlatImage.create(join(world.folder, "whole.raw"), diskBytes, runCommand);
  const stale = await FlatImage.create(join(world.folder, "stale.raw"), diskBytes, runCommand);
  await source.prepareOverlay(overlay(1));
  await cut(1);
  await source.resume();
  const { diskRounds: cutAt } = await report(sourcePaths);
  const first = await mapChain(runCommand, "vda", [{ path, format: "raw" }]);
  await apply(whole, first, world.folder);
  await apply(stale, first, world.folder);
  await until(sourcePaths, ({ diskRounds }) => diskRounds >= cutAt + 8);

  await source.prepareOverlay(overlay(2));
  const state = await cut(2);
  const before = await report(sourcePaths);
  const layer = { path: overlay(1).path, format: "qcow2" } as const;
  const second = await mapLayer(runCommand, "vda", layer);
  assert.ok(second.length > 0);
  await apply(whole, second, world.folder);

  for (const { image, term, wrong } of [
    { image: whole, term: 2, wrong: false },
    { image: stale, term: 3, wrong: true },
  ]) {
    await image.close();
    const paths = await place(world, frozen, term);
    await copyRam(sourcePaths.ram, paths.ram);
    const target = await start(world, frozen, paths, [base(image.path)], true);
    await target.loadState(state);
    await target.resume();
    const after = await until(
      paths,
      ({ counter = 0, diskRounds, diskErrors }) =>
        (counter > (before.counter ?? 0) + 2 && diskRounds >= before.diskRounds + 12) ||
        diskErrors > 0,
    );
    assert.is(after.memoryErrors, 0);
    assert.is(after.diskErrors > 0, wrong, `disk errors: ${after.diskErrors}`);
    await target.end();
    await world.ramFiles.release(paths.ram);
  }
  await source.end();

  const chain: DiskLayer[] = [
    base(path),
    { layer: 1, path: overlay(1).path, format: "qcow2" },
    { layer: 2, path: overlay(2).path, format: "qcow2" },
  ];
  const again = await start(world, frozen, await place(world, frozen, 4), chain, false);
  assert.equal([...again.topLayers()], [["vda", 2]], "it starts from the recorded chain");
  await again.end();
});

qemu.run();
