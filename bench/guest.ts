/**
 * A Linux guest for a bench: Debian's kernel, busybox, an init script of the bench's own, and RAM
 * in a file that the bench may read, and may type on its console. Its QEMU belongs to the bench:
 * it ends with the work, and on Ctrl-C.
 * @module
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, statfsSync } from "node:fs";
import type { Socket } from "node:net";
import { freemem, tmpdir } from "node:os";
import { join } from "node:path";
import { type GuestProcess, logTail, startProcess } from "../agent/qemu/process.ts";
import { connectQmp, type QmpClient } from "../agent/qemu/qmp-client.ts";
import { connectUnix } from "../agent/qemu/unix-socket.ts";
import { ASSETS, until } from "../cli/demo/operate.ts";
import { findLinuxAssets, LINUX_APPEND, makeInitramfs } from "../cli/guests/linux-guest.ts";
import { SystemError } from "../protocol/error.ts";
import type { Clock } from "../runtime/clock.ts";

const MIB = 1024 * 1024;
const SHM = "/dev/shm";
const BOOT_MS = 300_000;
/** What a machine must have left beside the guest. */
const SPARE_BYTES = 512 * MIB;

export interface GuestOptions {
  readonly memoryMiB: number;
  /** The script that is process 1. */
  readonly init: string;
  readonly clock: Clock;
  /** What the bench itself will take beside the guest's RAM, bytes. */
  readonly besideBytes?: number;
}

export interface BenchGuest {
  /** The file that is its RAM: byte N is guest physical address N. */
  readonly ram: string;
  readonly ramBytes: number;
  readonly qmp: QmpClient;
  /** What it printed so far. */
  readonly serial: () => string;
  /** Types a line on its console. */
  readonly type: (line: string) => void;
}

/**
 * Boots a guest, does the work with it running, and ends it whatever becomes of the work.
 * @throws SystemError NO_SPACE where it does not fit into memory, QEMU_MISSING
 */
export async function withGuest<Result>(
  options: GuestOptions,
  work: (guest: BenchGuest) => Promise<Result>,
): Promise<Result> {
  const ramBytes = options.memoryMiB * MIB;
  requireMemory(ramBytes, options.besideBytes ?? 0);
  const folder = mkdtempSync(join(tmpdir(), "lifeboat-bench-"));
  const ramFolder = mkdtempSync(`${SHM}/lifeboat-bench-`);
  let qemu: GuestProcess | undefined;
  const clear = async (): Promise<void> => {
    await qemu?.end();
    rmSync(ramFolder, { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true });
  };
  const onSignal = (): void => void clear().finally(() => process.exit(130));
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  try {
    const ram = join(ramFolder, "ram");
    const args = await argvOf(folder, ram, options);
    const log = join(folder, "qemu.log");
    qemu = await startProcess({
      file: "qemu-system-x86_64",
      args,
      log,
      clock: options.clock,
    });
    return await attached(folder, qemu, options.clock, (console, qmp) => {
      const serial = (): string => readFileSync(join(folder, "serial.log"), "latin1");
      const type = (line: string): void => void console.write(`${line}\n`);
      return work({ ram, ramBytes, qmp, serial, type });
    });
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    await clear();
  }
}

/** Waits until the guest has printed a line. */
export async function printed(guest: BenchGuest, line: string, clock: Clock): Promise<void> {
  const holds = (text: string): boolean => text.split(/\r?\n/).includes(line);
  await until(clock, `the guest prints ${line}`, guest.serial, holds, BOOT_MS);
}

/** @throws SystemError NO_SPACE saying what there is and what it takes */
function requireMemory(ramBytes: number, besideBytes: number): void {
  const { bavail, bsize } = statfsSync(SHM);
  const free = Math.min(bavail * bsize, availableBytes());
  const wanted = ramBytes + besideBytes + SPARE_BYTES;
  if (free >= wanted) return;
  const mib = (bytes: number): string => `${Math.round(bytes / MIB)} MiB`;
  throw new SystemError("NO_SPACE", `This takes ${mib(wanted)} of memory: ${mib(free)} are free`);
}

/** Page cache counts as free: that is what MemAvailable says. */
function availableBytes(): number {
  if (!existsSync("/proc/meminfo")) return freemem();
  const found = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "latin1"));
  return found === null ? freemem() : Number(found[1]) * 1024;
}

async function argvOf(folder: string, ram: string, options: GuestOptions): Promise<string[]> {
  const assets = await findLinuxAssets(ASSETS);
  const initrd = join(folder, "initramfs");
  await makeInitramfs(initrd, assets, options.init);
  const { memoryMiB } = options;
  const serial = `socket,id=serial,path=${join(folder, "serial.sock")},server=on,wait=off`;
  return [
    ["-no-user-config", "-nodefaults", "-display", "none", "-vga", "none"],
    ["-machine", "pc,memory-backend=ram,usb=off"],
    ["-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", `${memoryMiB}M`],
    ["-object", `memory-backend-file,id=ram,size=${memoryMiB}M,mem-path=${ram},share=on`],
    ["-chardev", `socket,id=qmp,path=${join(folder, "qmp.sock")},server=on,wait=off`],
    ["-mon", "chardev=qmp,mode=control"],
    ["-chardev", `${serial},logfile=${join(folder, "serial.log")}`, "-serial", "chardev:serial"],
    ["-kernel", assets.kernel, "-initrd", initrd, "-append", LINUX_APPEND, "-S"],
  ].flat();
}

async function attached<Result>(
  folder: string,
  process: GuestProcess,
  clock: Clock,
  work: (console: Socket, qmp: QmpClient) => Promise<Result>,
): Promise<Result> {
  const look = (): boolean => existsSync(join(folder, "qmp.sock")) || !process.alive();
  await until(clock, "QEMU listens", look, (seen) => seen);
  if (!process.alive()) {
    throw new SystemError("QEMU_EXITED", await logTail(join(folder, "qemu.log")));
  }
  const console = await connectUnix(join(folder, "serial.sock"));
  // The log has what it prints; unread, the socket would hold it up.
  console.resume();
  const qmp = await connectQmp(join(folder, "qmp.sock"), { clock });
  try {
    await qmp.execute("cont");
    return await work(console, qmp);
  } finally {
    qmp.close();
    console.destroy();
  }
}
