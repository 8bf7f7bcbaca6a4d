/**
 * What this host's QEMU is and can do. /dev/kvm may exist and still be of no use (a hypervisor
 * below us that emulates real mode takes minutes to boot), so KVM counts only once a guest has
 * printed under it.
 */
import { access, constants, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { RunCommand } from "../../runtime/command.ts";
import { startProcess } from "./process.ts";

export type Accelerator = "tcg" | "kvm";

/** The result, as it is reported and as it may be kept by the agent until QEMU changes. */
export interface QemuProbe {
  /** Such as "7.2.22". */
  readonly qemuVersion: string;
  readonly accelerator: Accelerator;
  /** Why that one, for people. */
  readonly acceleratorReason: string;
}

export interface ProbeOptions {
  readonly run: RunCommand;
  readonly clock: Clock;
  /** The agent's setting; `auto` tries. */
  readonly accelerator: "auto" | Accelerator;
  /** An existing folder for the files of the trial. */
  readonly folder: string;
}

const PROGRAM = "qemu-system-x86_64";
/** A guest on a KVM worth having prints within 200 ms; this allows for a busy host. */
const TRIAL_MS = 3_000;
const STEP_MS = 20;
const SECTOR_BYTES = 512;

/** mov dx, 3f8h; mov al, 'L'; out dx, al; then halt for ever: prints one letter on COM1. */
const PRINTING_SECTOR = [0xba, 0xf8, 0x03, 0xb0, 0x4c, 0xee, 0xf4, 0xeb, 0xfd];
const PRINTED = "L";

/**
 * Finds QEMU's version and the accelerator to use.
 * @throws SystemError QEMU_MISSING
 */
export async function probeQemu(options: ProbeOptions): Promise<QemuProbe> {
  const qemuVersion = await readVersion(options.run);
  if (options.accelerator !== "auto") {
    const { accelerator } = options;
    return { qemuVersion, accelerator, acceleratorReason: "set by the configuration" };
  }
  const objection = await objectionToKvm(options);
  return objection === undefined
    ? { qemuVersion, accelerator: "kvm", acceleratorReason: "a trial guest printed under KVM" }
    : { qemuVersion, accelerator: "tcg", acceleratorReason: objection };
}

async function readVersion(run: RunCommand): Promise<string> {
  const result = await run(PROGRAM, ["--version"]).catch((cause: unknown) => {
    const message = `${PROGRAM} is not installed: apt-get install qemu-system-x86 qemu-utils`;
    throw new SystemError("QEMU_MISSING", message, { cause });
  });
  const version = /version (\d+\.\d+\.\d+)/.exec(result.stdout)?.[1];
  if (version !== undefined) return version;
  throw new SystemError("QEMU_MISSING", `${PROGRAM} --version says nothing of a version`);
}

/** Why KVM is not taken; undefined when it works. */
async function objectionToKvm({ clock, folder }: ProbeOptions): Promise<string | undefined> {
  try {
    await access("/dev/kvm", constants.R_OK | constants.W_OK);
  } catch (thrown) {
    return `/dev/kvm cannot be used: ${reasonOf(thrown)}`;
  }
  const trial = await mkdtemp(join(folder, "probe-"));
  try {
    return await tryGuest(trial, clock);
  } finally {
    await rm(trial, { recursive: true, force: true });
  }
}

async function tryGuest(folder: string, clock: Clock): Promise<string | undefined> {
  const [disk, serial, log] = ["disk.raw", "serial", "log"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const sector = new Uint8Array(SECTOR_BYTES);
  sector.set(PRINTING_SECTOR);
  sector.set([0x55, 0xaa], SECTOR_BYTES - 2);
  await writeFile(disk, sector);
  const file = { driver: "file", filename: disk };
  const node = { driver: "raw", "node-name": "disk", "read-only": true, file };
  const args = [
    ["-no-user-config", "-nodefaults", "-display", "none", "-m", "16M"],
    ["-machine", "pc-i440fx-7.2", "-accel", "kvm", "-cpu", "kvm64"],
    ["-blockdev", JSON.stringify(node)],
    ["-device", JSON.stringify({ driver: "virtio-blk-pci", drive: "disk", bootindex: 0 })],
    ["-chardev", `file,id=serial,path=${serial}`, "-serial", "chardev:serial"],
  ].flat();
  const process = await startProcess({ file: PROGRAM, args, log, clock });
  try {
    const untilMs = clock.nowMs() + TRIAL_MS;
    while (clock.nowMs() < untilMs) {
      const text = await readFile(serial, "latin1").catch(() => "");
      if (text.includes(PRINTED)) return undefined;
      if (!process.alive()) return "QEMU ended under KVM at once";
      await clock.sleep(STEP_MS);
    }
    return `a trial guest printed nothing under KVM within ${TRIAL_MS} ms`;
  } finally {
    await process.end();
    process.release();
  }
}
