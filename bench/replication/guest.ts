/**
 * A Linux guest that dirties memory at a known rate and counts what else it gets done, protected by
 * the real engine.
 * @module
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Chains } from "../../agent/authority/state.ts";
import { Protection } from "../../agent/protection/engine.ts";
import type { MeasuredCut } from "../../agent/protection/session.ts";
import { guestPaths } from "../../agent/qemu/argv.ts";
import { freezeDefinition } from "../../agent/qemu/definition.ts";
import { type Guest, startGuest } from "../../agent/qemu/guest.ts";
import { RamFiles } from "../../agent/qemu/ram-files.ts";
import { ASSETS, until } from "../../cli/demo/operate.ts";
import { findLinuxAssets, LINUX_APPEND, makeInitramfs } from "../../cli/guests/linux-guest.ts";
import { type FrozenDefinition, guestDefinition } from "../../protocol/definition.ts";
import type { Message } from "../../protocol/message.ts";
import type { Secondary } from "../../protocol/replication.ts";
import { realClock } from "../../runtime/clock.ts";
import { runCommand } from "../../runtime/command.ts";
import { realFiles } from "../../runtime/files.ts";
import { engineOf, policyOf, TERM } from "./engine.ts";

const MIB = 1024 * 1024;
const VM = "66666666-6666-4666-8666-666666666666";
export const MEMORY_MIB = 256;
const DISK_BYTES = 64 * MIB;
const BOOT_MS = 300_000;
const DIRTYING = "DIRTYING";

/**
 * Text is copied over text, 1.2 MB at a time, ten times a second, into one of 24 files in turn; one
 * worker counts as fast as it can, and the disk, if there is one, gets 64 KiB a second.
 */
const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o size=120m run /run
exec </dev/console >/dev/console 2>&1
for number in 0 1 2 3 4 5 6; do insmod /modules/$number.ko; done
awk 'BEGIN {
  srand(3)
  split("alpha request host epoch user error cache page disk 200 404 GET POST index json", word)
  for (line = 0; line < 30000; line++) {
    text = line " " int(rand() * 100000)
    for (count = 0; count < 8; count++) text = text " " word[int(rand() * 15) + 1]
    print text
  }
}' > /run/text

dirty_worker() {
  round=0
  while true; do
    dd if=/run/text of=/run/dirty-$((round % 24)) bs=4096 count=292 \\
      skip=$((RANDOM % 100)) conv=notrunc 2>/dev/null
    round=$((round + 1))
    sleep 0.08
  done
}

disk_worker() {
  round=0
  while [ -b /dev/vda ]; do
    dd if=/run/text of=/dev/vda bs=4096 count=16 seek=$((RANDOM % 16000)) skip=$((RANDOM % 100)) \\
      conv=notrunc,fsync 2>/dev/null
    sleep 1
  done
}

dirty_worker &
disk_worker &
echo ${DIRTYING}
count=0
while true; do
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do count=$((count + 1)); done
  done
  echo "WORK $count"
done
`;

export interface ProtectedGuest {
  readonly guest: Guest;
  readonly definition: FrozenDefinition;
  readonly folder: string;
  readonly cuts: MeasuredCut[];
  /** Of each cut's pause: processor time of the engine's process, milliseconds. */
  readonly pauseCpuMs: number[];
  readonly messages: Message[];
  readonly chains: () => Chains;
  /** How far the guest's own work has come. */
  work(): Promise<number>;
  protect(secondaries: readonly Secondary[], intervalMs: number): Protection;
}

export interface GuestOptions {
  readonly hasDisk: boolean;
  readonly scanThreads: number;
}

/** Boots one, does `body`, and ends it whatever becomes of that. */
export async function withProtected<Result>(
  options: GuestOptions,
  body: (guest: ProtectedGuest) => Promise<Result>,
): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), "lifeboat-bench-"));
  const ramFolder = await mkdtemp("/dev/shm/lifeboat-bench-");
  let guest: Guest | undefined;
  try {
    const made = await boot(folder, ramFolder, options);
    guest = made.guest;
    return await body(made);
  } finally {
    await guest?.end();
    await rm(folder, { recursive: true, force: true });
    await rm(ramFolder, { recursive: true, force: true });
  }
}

async function boot(
  folder: string,
  ramFolder: string,
  { hasDisk, scanThreads }: GuestOptions,
): Promise<ProtectedGuest> {
  const assets = await findLinuxAssets(ASSETS);
  const initrd = join(folder, "initrd.gz");
  await makeInitramfs(initrd, assets, INIT);
  const base = join(folder, "base.raw");
  await writeFile(base, Buffer.alloc(DISK_BYTES));
  const definition = freezeDefinition(
    guestDefinition.parse({
      id: VM,
      name: "worker",
      memoryMiB: MEMORY_MIB,
      boot: { kernel: assets.kernel, initrd, append: LINUX_APPEND },
      disks: hasDisk ? [{ id: "vda", path: base, format: "raw" }] : [],
      channel: false,
    }),
    {
      qemuVersion: "7.2.0",
      accelerator: "tcg",
      diskBytes: hasDisk ? { vda: DISK_BYTES } : {},
      allowUserNetwork: false,
    },
  );
  const paths = guestPaths(folder, ramFolder, VM, TERM);
  await mkdir(join(folder, "disks"));
  await new RamFiles({ run: runCommand }).reserve(paths.ram, definition.memoryBytes);
  const layers: Chains = hasDisk ? { vda: [{ layer: 0, path: base, format: "raw" }] } : {};
  const ports = { clock: realClock, run: runCommand, files: realFiles() };
  const guest = await startGuest({ definition, paths, disks: layers, incoming: false }, ports);
  await guest.resume();
  const serial = (): Promise<string> => readFile(paths.serial, "latin1").catch(() => "");
  await until(realClock, "the guest works", serial, (text) => text.includes(DIRTYING), BOOT_MS);
  const cuts: MeasuredCut[] = [];
  const pauseCpuMs: number[] = [];
  const messages: Message[] = [];
  const { engine, chains } = engineOf(
    { guest, definition, layers, folder: join(folder, "disks"), ramPath: paths.ram, scanThreads },
    {
      send: (message) => void messages.push(message),
      measured: (cut) => void cuts.push(cut),
      pauseCpu: (cpuMs) => void pauseCpuMs.push(cpuMs),
    },
  );
  return {
    guest,
    definition,
    folder,
    cuts,
    pauseCpuMs,
    messages,
    chains,
    work: async () => Number(/^WORK (\d+)/.exec(lastWork(await serial()))?.[1] ?? 0),
    protect: (secondaries, intervalMs) =>
      new Protection(policyOf(definition, secondaries, intervalMs), engine),
  };
}

/** From its last whole line of work on. */
function lastWork(text: string): string {
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  return whole.slice(Math.max(0, whole.lastIndexOf("WORK ")));
}
