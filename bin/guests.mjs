/**
 * Fetches what the Linux test guest is made of: Debian's current cloud kernel, its virtio modules
 * and a static busybox; and, where it can be had, smartctl with its libraries. Nothing is
 * installed: packages are downloaded and unpacked into a cache.
 *
 *   CACHE/vmlinuz  CACHE/modules/*.ko  CACHE/busybox  CACHE/stamp.json (written last)
 *   CACHE/smartctl/smartctl  CACHE/smartctl/*.so.*  CACHE/smartctl/stamp.json (written last)
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

/** Where smartctl and all that it is linked with come from. */
const SMARTCTL_PACKAGES = [
  "smartmontools",
  "libc6",
  "libgcc-s1",
  "libpcre2-8-0",
  "libselinux1",
  "libstdc++6",
];
/** The loader first: where the program looks for it is written into the program. */
export const SMARTCTL_LIBRARIES = [
  "ld-linux-x86-64.so.2",
  "libc.so.6",
  "libm.so.6",
  "libgcc_s.so.1",
  "libstdc++.so.6",
  "libselinux.so.1",
  "libpcre2-8.so.0",
];

const KERNEL_META = "linux-image-cloud-amd64:amd64";
const LAYOUT = 1;
const COMMAND_MS = 300_000;

/**
 * Brings the assets into `cacheDir` unless a finished fetch is already there. Interrupted at any
 * point it starts again: only the stamp, written last, says that the rest is whole. Guests need no
 * smartctl, only the test of a drive's fault does: without it a line says so.
 * @param {string} cacheDir
 * @param {{log: (line: string) => void}} options
 * @returns {Promise<{kernel: string, busybox: string, smartctl?: string}>} versions in the cache
 */
export async function fetchGuestAssets(cacheDir, { log }) {
  const linux = (await readStamp(cacheDir)) ?? (await fetchLinux(cacheDir, log));
  try {
    return { ...linux, smartctl: await fetchSmartctl(join(cacheDir, "smartctl"), log) };
  } catch (error) {
    log(`no smartctl for the test guest: ${error.message.split("\n")[0]}`);
    return linux;
  }
}

async function fetchLinux(cacheDir, log) {
  const partial = await emptyFolder(cacheDir);
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

async function fetchSmartctl(cacheDir, log) {
  const known = await readSmartctlStamp(cacheDir);
  if (known !== undefined) return known;
  const partial = await emptyFolder(cacheDir);
  log(`fetching smartctl for the test guest: ${SMARTCTL_PACKAGES.join(", ")}`);
  const versions = [];
  for (const name of SMARTCTL_PACKAGES) versions.push(await unpack(`${name}:amd64`, partial));
  const root = join(partial, "root");
  await copyFile(join(root, "usr", "sbin", "smartctl"), join(cacheDir, "smartctl"));
  await chmod(join(cacheDir, "smartctl"), 0o755);
  const files = await readdir(root, { recursive: true });
  for (const name of SMARTCTL_LIBRARIES) {
    // The loader's other path is a link to it as if it were installed.
    const file = files.find((path) => path.endsWith(`/x86_64-linux-gnu/${name}`));
    if (file === undefined) throw new Error(`Cannot find ${name} in the packages of smartctl`);
    await copyFile(join(root, file), join(cacheDir, name));
  }
  await rm(partial, { recursive: true, force: true });
  await writeStamp(cacheDir, { smartctl: versions[0] });
  return versions[0];
}

/** The folder for what is being fetched; nothing is whole until the next stamp. */
async function emptyFolder(cacheDir) {
  const partial = join(cacheDir, "partial");
  await rm(join(cacheDir, "stamp.json"), { force: true });
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  return partial;
}

async function readSmartctlStamp(cacheDir) {
  try {
    const stamp = JSON.parse(await readFile(join(cacheDir, "stamp.json"), "utf8"));
    if (stamp.layout !== LAYOUT) return undefined;
    const files = ["smartctl", ...SMARTCTL_LIBRARIES];
    await Promise.all(files.map((name) => access(join(cacheDir, name))));
    return stamp.smartctl;
  } catch {
    // As with the kernel's.
    return undefined;
  }
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
