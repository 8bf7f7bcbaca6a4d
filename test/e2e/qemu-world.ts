// Real guests for tests: where their files are, how they are started, what they have printed.
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { FlatImage } from "../../agent/capture/disk-flat.ts";
import { type DiskLayer, type GuestPaths, guestPaths } from "../../agent/qemu/argv.ts";
import { freezeDefinition } from "../../agent/qemu/definition.ts";
import { type Guest, startGuest } from "../../agent/qemu/guest.ts";
import { RamFiles } from "../../agent/qemu/ram-files.ts";
import {
  findLinuxAssets,
  LINUX_APPEND,
  LINUX_MEMORY_MIB,
  makeInitramfs,
} from "../../cli/guests/linux-guest.ts";
import { type GuestReport, readCounter } from "../../cli/guests/serial.ts";
import { type FrozenDefinition, guestDefinition } from "../../protocol/definition.ts";
import { realClock } from "../../runtime/clock.ts";
import { runCommand } from "../../runtime/command.ts";
import { realFiles } from "../../runtime/files.ts";

export const CACHE = new URL("../../.cache/guests", import.meta.url).pathname;
export const MIB = 1024 * 1024;
export const ports = { clock: realClock, run: runCommand, files: realFiles() };
const PROGRESS_MS = 30_000;
const LINUX_VM = "0b6f2a52-6f0e-4c34-9f51-5d2f3a1c7e02";

export interface World {
  folder: string;
  ram: string;
  guests: Guest[];
  ramFiles: RamFiles;
}

export async function openWorld(world: World): Promise<void> {
  world.folder = await mkdtemp("/tmp/lifeboat-qemu-");
  world.ram = await mkdtemp("/dev/shm/lifeboat-qemu-");
  world.guests = [];
  world.ramFiles = new RamFiles({ run: runCommand });
}

export async function closeWorld(world: World): Promise<void> {
  for (const guest of world.guests) await guest.end();
  await rm(world.folder, { recursive: true, force: true });
  await rm(world.ram, { recursive: true, force: true });
}

/** One place for a guest: its files and its RAM file, reserved. */
export async function place(
  world: World,
  frozen: FrozenDefinition,
  term: number,
): Promise<GuestPaths> {
  const folder = join(world.folder, `${frozen.id.slice(-2)}-${term}`);
  await mkdir(folder);
  const paths = guestPaths(folder, world.ram, frozen.id, term);
  await world.ramFiles.reserve(paths.ram, frozen.memoryBytes);
  return paths;
}

export async function start(
  world: World,
  definition: FrozenDefinition,
  paths: GuestPaths,
  layers: readonly DiskLayer[],
  incoming: boolean,
): Promise<Guest> {
  const disks = { vda: layers };
  const guest = await startGuest({ definition, paths, disks, incoming }, ports);
  world.guests.push(guest);
  return guest;
}

export async function report(paths: GuestPaths): Promise<GuestReport> {
  return readCounter(await readFile(paths.serial, "latin1").catch(() => ""));
}

/** Waits until the guest's report fits; fails with the last one when it never does. */
export async function until(
  paths: GuestPaths,
  fits: (found: GuestReport) => boolean,
): Promise<GuestReport> {
  const untilMs = realClock.nowMs() + PROGRESS_MS;
  for (;;) {
    const found = await report(paths);
    if (fits(found)) return found;
    if (realClock.nowMs() > untilMs) throw new Error(`No progress: ${JSON.stringify(found)}`);
    await realClock.sleep(20);
  }
}

export function base(path: string): DiskLayer {
  return { layer: 0, path, format: "raw" };
}

export function freeze(
  definition: Parameters<typeof freezeDefinition>[0],
  sizeBytes: number,
): FrozenDefinition {
  return freezeDefinition(definition, {
    qemuVersion: "7.2.0",
    accelerator: "tcg",
    diskBytes: { vda: sizeBytes },
    allowUserNetwork: false,
  });
}

/** The Linux guest with one disk of its own, which its disk worker writes and checks. */
export async function linuxGuest(
  world: World,
): Promise<{ frozen: FrozenDefinition; path: string; diskBytes: number }> {
  const diskBytes = 16 * MIB;
  const path = join(world.folder, "linux.raw");
  await (await FlatImage.create(path, diskBytes, runCommand)).close();
  const assets = await findLinuxAssets(CACHE);
  const initrd = join(world.folder, "initrd.gz");
  await makeInitramfs(initrd, assets);
  const definition = guestDefinition.parse({
    id: LINUX_VM,
    name: "linux",
    memoryMiB: LINUX_MEMORY_MIB,
    boot: { kernel: assets.kernel, initrd, append: LINUX_APPEND },
    disks: [{ id: "vda", path, format: "raw" }],
    channel: true,
  });
  return { frozen: freeze(definition, diskBytes), path, diskBytes };
}
