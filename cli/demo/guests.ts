/**
 * The demo's guests: Debian's kernel with self-checking workers, and the boot-sector counter.
 */
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { GuestDefinition } from "../../protocol/definition.ts";
import type { VmId } from "../../protocol/ids.ts";
import { makeBootDisk } from "../guests/counter-guest.ts";
import {
  findLinuxAssets,
  LINUX_APPEND,
  LINUX_MEMORY_MIB,
  makeInitramfs,
} from "../guests/linux-guest.ts";

const MIB = 1024 * 1024;
const COUNTER_MEMORY_MIB = 32;
const COUNTER_PAGES = 2048;

/** Kernel, workers and an empty disk of 64 MiB, all below `folder`. */
export async function linuxGuest(
  folder: string,
  assetsFolder: string,
  id: VmId,
  name = "linux",
): Promise<GuestDefinition> {
  mkdirSync(folder, { recursive: true });
  const assets = await findLinuxAssets(assetsFolder);
  const initrd = join(folder, `${name}-initramfs`);
  await makeInitramfs(initrd, assets);
  const path = join(folder, `${name}.raw`);
  writeFileSync(path, "");
  truncateSync(path, 64 * MIB);
  return {
    id,
    name,
    memoryMiB: LINUX_MEMORY_MIB,
    vcpus: 1,
    boot: { kernel: assets.kernel, initrd, append: LINUX_APPEND },
    disks: [{ id: "disk0", path, format: "raw" }],
    network: [],
    channel: false,
  };
}

/** 512 bytes that count in 8 MiB of RAM and halt when a page was torn. */
export async function counterGuest(
  folder: string,
  id: VmId,
  name = "counter",
): Promise<GuestDefinition> {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.raw`);
  await makeBootDisk(path, { pages: COUNTER_PAGES, delay: 5 });
  return {
    id,
    name,
    memoryMiB: COUNTER_MEMORY_MIB,
    vcpus: 1,
    boot: { disk: "disk0" },
    disks: [{ id: "disk0", path, format: "raw" }],
    network: [],
    channel: false,
  };
}
