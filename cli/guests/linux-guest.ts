/**
 * The Linux guest: Debian's cloud kernel and a busybox initramfs whose init runs a memory worker
 * and a disk worker that check themselves. It needs 128 MiB and one disk of at least 1 MiB.
 *
 * The disk worker keeps in memory which value each block must hold, so a disk of another moment
 * than the memory shows as a disk error; the memory worker keeps files and their digests, so pages
 * of different moments show as memory errors.
 */
import { access, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { SystemError } from "../../protocol/error.ts";
import { type CpioEntry, FOLDER_MODE, PROGRAM_MODE, writeCpio } from "./cpio.ts";

/** Where the parts of the Linux guest are. */
export interface LinuxAssets {
  readonly kernel: string;
  readonly busybox: string;
  /** In the order in which they must be inserted. */
  readonly modules: readonly string[];
}

/** Debian's virtio.ko needs virtio_ring first. */
const MODULES = [
  "virtio_ring",
  "virtio",
  "virtio_pci_modern_dev",
  "virtio_pci_legacy_dev",
  "virtio_pci",
  "virtio_blk",
  "virtio_console",
];

/** What the kernel is told; the rest is in the init script. */
export const LINUX_APPEND = "console=ttyS0 quiet panic=0";
export const LINUX_MEMORY_MIB = 128;

/**
 * The assets that the set-up fetched into `cacheFolder`.
 * @throws SystemError FILE_FAILED naming what is missing and what to do
 */
export async function findLinuxAssets(cacheFolder: string): Promise<LinuxAssets> {
  const assets = {
    kernel: join(cacheFolder, "vmlinuz"),
    busybox: join(cacheFolder, "busybox"),
    modules: MODULES.map((name) => join(cacheFolder, "modules", `${name}.ko`)),
  };
  for (const path of [assets.kernel, assets.busybox, ...assets.modules]) {
    await access(path).catch((cause: unknown) => {
      const message = `The Linux test guest lacks ${path}: run "npm run setup"`;
      throw new SystemError("FILE_FAILED", message, { cause });
    });
  }
  return assets;
}

/**
 * Writes the initramfs of the guest, gzipped, to `path`; another `init` makes another guest, which
 * may want `more`: folders before what is in them.
 */
export async function makeInitramfs(
  path: string,
  assets: LinuxAssets,
  init = INIT,
  more: readonly CpioEntry[] = [],
): Promise<void> {
  const folders = ["bin", "dev", "proc", "sys", "run", "modules"].map((name) => ({
    path: name,
    mode: FOLDER_MODE,
    bytes: new Uint8Array(),
  }));
  const modules = await Promise.all(
    assets.modules.map(async (file, index) => ({
      path: `modules/${index}.ko`,
      mode: PROGRAM_MODE,
      bytes: await readFile(file),
    })),
  );
  const busybox = {
    path: "bin/busybox",
    mode: PROGRAM_MODE,
    bytes: await readFile(assets.busybox),
  };
  const first = { path: "init", mode: PROGRAM_MODE, bytes: Buffer.from(init) };
  await writeFile(path, gzipSync(writeCpio([...folders, busybox, ...modules, ...more, first])));
}

/**
 * Every loop is bounded by a short sleep: several such guests share a small host. Counters go to
 * files by rename, so that the reader never sees half of one.
 */
const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o size=48m run /run
exec </dev/console >/dev/console 2>&1
for number in 0 1 2 3 4 5 6; do insmod /modules/$number.ko; done
mkdir -p /run/mem /run/disk /run/count

put() { echo "$2" > /run/count/$1.new; mv /run/count/$1.new /run/count/$1; }
digest() { set -- $(md5sum "$1"); echo "$1"; }

memory_worker() {
  errors=0
  round=0
  put mem 0
  while true; do
    slot=$((round % 16))
    if [ -f /run/mem/$slot ]; then
      [ "$(digest /run/mem/$slot)" = "$(cat /run/mem/$slot.sum)" ] || errors=$((errors + 1))
    fi
    yes "memory $round" | head -c 131072 > /run/mem/$slot
    digest /run/mem/$slot > /run/mem/$slot.sum
    round=$((round + 1))
    put mem $errors
    put memrounds $round
    sleep 0.05
  done
}

# Four regions of 64 blocks, spread over the disk: each round writes one block of one region, by
# the disk and in memory, then reads the whole region from the disk and compares.
disk_worker() {
  errors=0
  round=0
  stride=$(($(cat /sys/block/vda/size) / 512 / 4))
  for region in 0 1 2 3; do
    head -c 262144 /dev/zero > /run/disk/$region
    dd if=/run/disk/$region of=/dev/vda bs=262144 seek=$((region * stride)) count=1 \\
      conv=notrunc oflag=direct 2>/dev/null || errors=$((errors + 1))
  done
  while true; do
    region=$((round % 4))
    slot=$((round * 13 % 64))
    yes "disk round $round" | head -c 4096 > /run/disk/block
    dd if=/run/disk/block of=/dev/vda bs=4096 seek=$((region * stride * 64 + slot)) count=1 \\
      conv=notrunc oflag=direct 2>/dev/null || errors=$((errors + 1))
    dd if=/run/disk/block of=/run/disk/$region bs=4096 seek=$slot conv=notrunc 2>/dev/null
    dd if=/dev/vda of=/run/disk/have bs=262144 skip=$((region * stride)) count=1 \\
      iflag=direct 2>/dev/null
    cmp -s /run/disk/$region /run/disk/have || errors=$((errors + 1))
    round=$((round + 1))
    put disk $errors
    put diskrounds $round
    sleep 0.05
  done
}

memory_worker &
[ -b /dev/vda ] && disk_worker &
echo BOOTED
counter=0
while true; do
  counter=$((counter + 1))
  rounds="$(cat /run/count/memrounds 2>/dev/null),$(cat /run/count/diskrounds 2>/dev/null)"
  mem=$(cat /run/count/mem 2>/dev/null)
  disk=$(cat /run/count/disk 2>/dev/null)
  echo "N $counter mem=\${mem:-0} disk=\${disk:-0} rounds=$rounds"
  sleep 1
done
`;
