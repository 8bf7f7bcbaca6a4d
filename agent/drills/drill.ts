/**
 * A drill: a copy of a replica's newest restore point is booted where it reaches nothing, looked
 * at, and removed. It is no instance of the VM with authority: its disks are copies, its network
 * adapters reach nothing, and nothing that it does leaves its folder.
 * @module
 */
import { type FileHandle, mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { FrozenDefinition } from "../../protocol/definition.ts";
import { SystemError } from "../../protocol/error.ts";
import type { DrillCheck } from "../../protocol/replication.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { RunCommand } from "../../runtime/command.ts";
import type { Files } from "../../runtime/files.ts";
import { type DiskChains, type GuestPaths, guestPaths } from "../qemu/argv.ts";
import { startGuest } from "../qemu/guest.ts";
import { prepareIsolated, releaseIsolated } from "../qemu/network.ts";
import { RamFiles } from "../qemu/ram-files.ts";
import { hears } from "./hears.ts";

/** No VM runs under it, so that no RAM file of an instance has the same name. */
const NO_TERM = 0;

/** A restore point: as `restore` of epochs/replica, with the epoch chosen. */
export interface DrillSource {
  readonly definition: FrozenDefinition;
  /** Image 0 is the RAM, image n + 1 is disk n. Returns the device state. */
  restore(
    write: (image: number, position: number, bytes: Uint8Array) => Promise<void>,
  ): Promise<Uint8Array>;
}

export interface DrillPorts {
  readonly clock: Clock;
  readonly run: RunCommand;
  readonly files: Files;
  /** Made for this drill alone, and removed after it. */
  readonly folder: string;
  readonly ramFolder: string;
}

export interface Drilled {
  readonly restoreMs: number;
  readonly runMs: number;
}

/**
 * Boots the copy and waits until it has shown what it must.
 * @throws SystemError DRILL_FAILED: it does not run, or does not say what it must; NO_SPACE and
 * whatever a replica, QEMU or the file system refuses. Nothing of it is left in any case
 */
export async function drill(
  source: DrillSource,
  check: DrillCheck,
  ports: DrillPorts,
): Promise<Drilled> {
  const { run, folder, ramFolder } = ports;
  const { definition } = source;
  const paths = guestPaths(folder, ramFolder, definition.id, NO_TERM);
  const ram = new RamFiles({ run });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  try {
    await rm(paths.ram, { force: true });
    await ram.reserve(paths.ram, definition.memoryBytes);
    await prepareIsolated(run, definition);
    return await bootCopy(source, check, paths, ports);
  } finally {
    await releaseIsolated(run, definition);
    await ram.release(paths.ram);
    await rm(folder, { recursive: true, force: true });
  }
}

async function bootCopy(
  source: DrillSource,
  check: DrillCheck,
  paths: GuestPaths,
  ports: DrillPorts,
): Promise<Drilled> {
  const { clock } = ports;
  const { definition } = source;
  const startedMs = clock.nowMs();
  const { disks, deviceState } = await copyOut(source, paths, ports);
  const restoredMs = clock.nowMs();
  const launch = { definition, paths, disks, incoming: true, isolated: true };
  const guest = await startGuest(launch, ports);
  try {
    await guest.loadState(deviceState);
    const heard = hears(check, paths, clock);
    try {
      await guest.resume();
      await assertRuns(guest, check);
      await heard.said;
    } finally {
      heard.end();
    }
    return { restoreMs: restoredMs - startedMs, runMs: clock.nowMs() - restoredMs };
  } finally {
    await guest.end();
  }
}

async function assertRuns(
  guest: Pick<Awaited<ReturnType<typeof startGuest>>, "vcpusAdvance">,
  { withinMs }: DrillCheck,
): Promise<void> {
  if (await guest.vcpusAdvance(withinMs)) return;
  throw new SystemError("DRILL_FAILED", `Its vCPUs did not advance within ${withinMs} ms`);
}

/** RAM and disks of the restore point, in files of the drill's own. */
async function copyOut(
  { definition, restore }: DrillSource,
  paths: GuestPaths,
  { folder }: DrillPorts,
): Promise<{ disks: DiskChains; deviceState: Uint8Array }> {
  const images: FileHandle[] = [await open(paths.ram, "r+")];
  const disks: Record<string, DiskChains[string]> = {};
  try {
    for (const { id, sizeBytes } of definition.disks) {
      const path = join(folder, `${id}.raw`);
      const image = await open(path, "wx", 0o600);
      images.push(image);
      await image.truncate(sizeBytes);
      disks[id] = [{ layer: 0, path, format: "raw" }];
    }
    const deviceState = await restore(async (index, position, bytes) => {
      const image = images[index];
      // Files are made of zeros: what stays unwritten takes no room.
      if (image !== undefined && !isZero(bytes)) await writeAll(image, position, bytes);
    });
    return { disks, deviceState };
  } finally {
    for (const image of images) await image.close();
  }
}

function isZero(bytes: Uint8Array): boolean {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return (
    view.length === 0 ||
    (view[0] === 0 && view.compare(view, 1, view.length, 0, view.length - 1) === 0)
  );
}

async function writeAll(image: FileHandle, position: number, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await image.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
