/**
 * A guest with an NVMe drive and the real smartctl: the host asks, the guest runs the command.
 *
 * A question is one line on a virtio-serial port, a command whose words are parted by blanks; the
 * answer is its exit status, the size of what it printed, and that.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { access, readFile, truncate, writeFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { join } from "node:path";
import { connectQmp } from "../../agent/qemu/qmp-client.ts";
import { connectUnix } from "../../agent/qemu/unix-socket.ts";
import { type CpioEntry, FOLDER_MODE, PROGRAM_MODE } from "../../cli/guests/cpio.ts";
import { findLinuxAssets, LINUX_APPEND, makeInitramfs } from "../../cli/guests/linux-guest.ts";
import { SystemError } from "../../protocol/error.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { CommandResult, RunCommand } from "../../runtime/command.ts";

export interface DriveGuest {
  /** Runs a command in the guest. Words must hold no blanks. */
  readonly run: RunCommand;
  /** Sets the drive's critical warning: bits of the NVMe base specification, log page 02h. */
  warn(bits: number): Promise<void>;
  close(): Promise<void>;
}

const MEMORY_MIB = 160;
const DRIVE_BYTES = 16 * 1024 * 1024;
const BOOT_MS = 120_000;
const ANSWER_MS = 30_000;
const LIBRARIES = [
  "libc.so.6",
  "libm.so.6",
  "libgcc_s.so.1",
  "libstdc++.so.6",
  "libselinux.so.1",
  "libpcre2-8.so.0",
];
/** Where programs look for their loader: the x86-64 psABI. */
const LOADER = "lib64/ld-linux-x86-64.so.2";

/** smartctl and its libraries for an initramfs; undefined where the set-up could not fetch them. */
export async function findSmartctl(
  cacheFolder: string,
): Promise<readonly { readonly path: string; readonly file: string }[] | undefined> {
  const found = [
    { path: "bin/smartctl", file: "smartctl" },
    { path: LOADER, file: "ld-linux-x86-64.so.2" },
    ...LIBRARIES.map((file) => ({ path: `lib/${file}`, file })),
  ].map(({ path, file }) => ({ path, file: join(cacheFolder, "smartctl", file) }));
  try {
    await Promise.all(found.map(({ file }) => access(file)));
    return found;
  } catch {
    // One library short is no smartctl.
    return undefined;
  }
}

/**
 * Boots the guest with its files below `folder`. It ends with `close()`.
 * @throws SystemError FILE_FAILED (no guest kernel), QMP_CLOSED (QEMU ended), COMMAND_TIMEOUT
 */
export async function startDriveGuest(
  cacheFolder: string,
  folder: string,
  clock: Clock,
): Promise<DriveGuest> {
  const qemu = await boot(cacheFolder, folder);
  const exited = once(qemu, "exit");
  try {
    const socket = await connected(join(folder, "port"), qemu, clock);
    const port = answersOf(socket, clock);
    const qmp = await connectQmp(join(folder, "qmp"), { clock });
    await port.ready;
    return {
      run: port.run,
      async warn(bits) {
        const path = "/machine/peripheral/nvme0";
        await qmp.execute("qom-set", { path, property: "smart_critical_warning", value: bits });
      },
      async close() {
        qmp.close();
        socket.destroy();
        qemu.kill("SIGKILL");
        await exited;
      },
    };
  } catch (thrown) {
    qemu.kill("SIGKILL");
    throw thrown;
  }
}

/** In this process's group: it ends with a test that is ended. */
async function boot(cacheFolder: string, folder: string): Promise<ChildProcess> {
  const assets = await findLinuxAssets(cacheFolder);
  const initrd = join(folder, "initrd.gz");
  const drive = join(folder, "drive.raw");
  await makeInitramfs(initrd, assets, INIT, await toolEntries(cacheFolder));
  await writeFile(drive, "");
  await truncate(drive, DRIVE_BYTES);
  const args = [
    ...["-nodefaults", "-no-user-config", "-display", "none", "-accel", "tcg"],
    ...["-m", `${MEMORY_MIB}`, "-kernel", assets.kernel, "-initrd", initrd],
    ...["-append", LINUX_APPEND, "-serial", `file:${join(folder, "serial")}`],
    ...["-drive", `if=none,id=drive,format=raw,file=${drive}`],
    ...["-device", "nvme,id=nvme0,drive=drive,serial=LIFEBOAT-TEST"],
    ...["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=port,name=lifeboat"],
    ...["-chardev", `socket,id=port,path=${join(folder, "port")},server=on,wait=off`],
    ...["-qmp", `unix:${join(folder, "qmp")},server=on,wait=off`],
  ];
  return spawn("qemu-system-x86_64", args, { stdio: ["ignore", "ignore", "inherit"] });
}

async function toolEntries(cacheFolder: string): Promise<readonly CpioEntry[]> {
  const found = (await findSmartctl(cacheFolder)) ?? [];
  const folders = ["lib", "lib64"].map((path) => {
    return { path, mode: FOLDER_MODE, bytes: new Uint8Array() };
  });
  const files = found.map(async ({ path, file }) => {
    return { path, mode: PROGRAM_MODE, bytes: await readFile(file) };
  });
  return [...folders, ...(await Promise.all(files))];
}

async function connected(path: string, qemu: ChildProcess, clock: Clock): Promise<Socket> {
  const untilMs = clock.nowMs() + BOOT_MS;
  for (;;) {
    try {
      return await connectUnix(path);
    } catch (cause) {
      if (qemu.exitCode !== null || clock.nowMs() > untilMs) throw cause;
      await clock.sleep(50);
    }
  }
}

interface Answers {
  /** The guest has booted and listens. */
  readonly ready: Promise<unknown>;
  readonly run: RunCommand;
}

type Waiting = (answer: CommandResult) => void;

/** Answers come in the order of their questions; one that nobody waits for any more is dropped. */
function answersOf(socket: Socket, clock: Clock): Answers {
  const waiting: Waiting[] = [];
  let bytes: Buffer = Buffer.alloc(0);
  const answer = (timeoutMs: number, what: string): Promise<CommandResult> =>
    new Promise((resolve, reject) => {
      const timer = clock.after(timeoutMs, () => {
        const message = `${what}: no answer of the guest within ${timeoutMs} ms`;
        reject(new SystemError("COMMAND_TIMEOUT", message));
      });
      waiting.push((result) => {
        timer.cancel();
        resolve(result);
      });
    });
  socket.on("data", (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    for (let next = parseAnswer(bytes); next !== undefined; next = parseAnswer(bytes)) {
      bytes = next.rest;
      waiting.shift()?.(next.answer);
    }
  });
  // Whoever waits for an answer then is told by the time limit.
  socket.on("error", () => undefined);
  return {
    ready: answer(BOOT_MS, "The boot"),
    run(file, args, { timeoutMs = ANSWER_MS } = {}) {
      const line = [file, ...args].join(" ");
      const answered = answer(timeoutMs, line);
      socket.write(`${line}\n`);
      return answered;
    },
  };
}

const HEAD = /^(\d{1,3}) (\d{1,7})\n/;

function parseAnswer(bytes: Buffer): { answer: CommandResult; rest: Buffer } | undefined {
  const head = HEAD.exec(bytes.toString("latin1", 0, 16));
  if (head === null) return undefined;
  const [from, size] = [head[0].length, Number(head[2])];
  if (bytes.length < from + size) return undefined;
  const stdout = bytes.toString("utf8", from, from + size);
  return {
    answer: { code: Number(head[1]), stdout, stderr: "" },
    rest: bytes.subarray(from + size),
  };
}

/** While no host is at the port its lines end at once, and are asked for again. */
const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o size=8m run /run
exec </dev/console >/dev/console 2>&1
for number in 0 1 2 3 4 5 6; do insmod /modules/$number.ko; done
until [ -c /dev/nvme0 ] && [ -c /dev/vport*p1 ]; do sleep 0.1; done
port=$(echo /dev/vport*p1)
exec 3<>"$port"
answer() { echo "$1 $(wc -c < /run/out)" >&3; cat /run/out >&3; }
: > /run/out
answer 0
while true; do
  read -r line <&3 || { sleep 0.1; continue; }
  $line > /run/out 2>/dev/console </dev/null
  answer $?
done
`;
