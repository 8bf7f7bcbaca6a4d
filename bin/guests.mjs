/**
 * Fetches what the Linux test guest is made of: Debian's current cloud kernel, its virtio modules
 * and a static busybox. Nothing is installed: packages are downloaded and unpacked into a cache.
 *
 *   CACHE/vmlinuz  CACHE/modules/*.ko  CACHE/busybox  CACHE/stamp.json (written last)
 *
 * Plain JavaScript for any Node from 20 on: the set-up runs before TypeScript can.
 */
import { execFile } from "node:child_process";
import {
  access,
  chmod,
  copyFile,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** In the order in which the guest inserts them: virtio itself needs virtio_ring here. */
export const VIRTIO_MODULES = [
  "virtio_ring",
  "virtio",
  "virtio_pci_modern_dev",
  "virtio_pci_legacy_dev",
  "virtio_pci",
  "virtio_blk",
  "virtio_console",
];

const KERNEL_META = "linux-image-cloud-amd64:amd64";
const LAYOUT = 1;
const COMMAND_MS = 300_000;

/**
 * Brings the assets into `cacheDir` unless a finished fetch is already there. Interrupted at any
 * point it starts again: only the stamp, written last, says that the rest is whole.
 * @param {string} cacheDir
 * @param {{log: (line: string) => void}} options
 * @returns {Promise<{kernel: string, busybox: string}>} the package versions in the cache
 */
export async function fetchGuestAssets(cacheDir, { log }) {
  const stamp = await readStamp(cacheDir);
  if (stamp !== undefined) return stamp;
  const partial = join(cacheDir, "partial");
  await rm(join(cacheDir, "stamp.json"), { force: true });
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  const kernel = await currentKernel(log);
  log(`fetching the test guest: ${kernel.name} and busybox-static`);
  await unpack(`${kernel.name}:amd64=${kernel.version}`, partial);
  const busybox = await unpack("busybox-static", partial);
  await collect(partial, cacheDir, kernel.name.replace("linux-image-", ""));
  await rm(partial, { recursive: true, force: true });
  const versions = { kernel: kernel.version, busybox };
  await writeStamp(cacheDir, versions);
  return versions;
}

async function readStamp(cacheDir) {
  try {
    const stamp = JSON.parse(await readFile(join(cacheDir, "stamp.json"), "utf8"));
    if (stamp.layout !== LAYOUT) return undefined;
    const files = ["vmlinuz", "busybox", ...VIRTIO_MODULES.map((name) => `modules/${name}.ko`)];
    await Promise.all(files.map((name) => access(join(cacheDir, name))));
    return { kernel: stamp.kernel, busybox: stamp.busybox };
  } catch {
    // No stamp, half a stamp or a file gone: all mean that it must be fetched.
    return undefined;
  }
}

/** The meta package depends on exactly one kernel, at one version. */
async function currentKernel(log) {
  const found = await askKernel();
  if (found !== undefined) return found;
  log("refreshing the package lists");
  await run("apt-get", ["update", "-q"], { timeout: COMMAND_MS });
  const again = await askKernel();
  if (again !== undefined) return again;
  throw new Error(`Cannot find package ${KERNEL_META}: run "apt-get update" and try again`);
}

async function askKernel() {
  // Without --no-all-versions the security archive's older version comes too.
  const args = ["show", "--no-all-versions", KERNEL_META];
  const { stdout } = await run("apt-cache", args, { timeout: COMMAND_MS }).catch(() => ({
    stdout: "",
  }));
  const match = /(linux-image-[0-9]\S*-cloud-amd64) \(= ([^)]+)\)/.exec(stdout);
  return match === null ? undefined : { name: match[1], version: match[2] };
}

/** Downloads one package below `folder` and unpacks it there; returns its version. */
async function unpack(what, folder) {
  const before = new Set(await readdir(folder));
  await run("apt-get", ["-q", "download", what], { cwd: folder, timeout: COMMAND_MS });
  const file = (await readdir(folder)).find((name) => name.endsWith(".deb") && !before.has(name));
  if (file === undefined) throw new Error(`Cannot download ${what}: apt-get left no package`);
  const path = join(folder, file);
  await run("dpkg", ["-x", path, join(folder, "root")], { timeout: COMMAND_MS });
  const { stdout } = await run("dpkg-deb", ["-f", path, "Version"]);
  return stdout.trim();
}

async function collect(partial, cacheDir, release) {
  const root = join(partial, "root");
  await mkdir(join(cacheDir, "modules"), { recursive: true });
  await copyFile(join(root, "boot", `vmlinuz-${release}`), join(cacheDir, "vmlinuz"));
  await copyFile(join(root, "bin", "busybox"), join(cacheDir, "busybox"));
  await chmod(join(cacheDir, "busybox"), 0o755);
  const drivers = join(root, "lib", "modules", release, "kernel", "drivers");
  const files = await readdir(drivers, { recursive: true });
  for (const name of VIRTIO_MODULES) {
    const file = files.find((path) => path.endsWith(`/${name}.ko`));
    if (file === undefined) throw new Error(`Cannot find ${name}.ko in the kernel package`);
    await copyFile(join(drivers, file), join(cacheDir, "modules", `${name}.ko`));
  }
}

/** The files must be on disk before the stamp that vouches for them. */
async function writeStamp(cacheDir, versions) {
  await run("sync", ["-f", cacheDir]);
  const path = join(cacheDir, "stamp.json");
  await writeFile(`${path}.new`, JSON.stringify({ layout: LAYOUT, ...versions }));
  const file = await open(`${path}.new`, "r+");
  await file.sync();
  await file.close();
  await rename(`${path}.new`, path);
}
