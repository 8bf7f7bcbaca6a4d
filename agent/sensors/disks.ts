/**
 * Asks smartctl for every disk of the host.
 *
 * At most one smartctl runs for a disk, and `PARALLEL_MAX` at all. A disk whose smartctl did not
 * end is asked again only after growing rests: its child may sit in the kernel for ever, where no
 * signal reaches it.
 * @module
 */
import assert from "node:assert/strict";
import { basename } from "node:path";
import { absent, type Reading } from "../../predictor/reading.ts";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import type { RunCommand } from "../../runtime/command.ts";
import { ASLEEP_STATUS, type Drive, smartReadings } from "./smart-readings.ts";
import { scannedDevice, scanSchema } from "./smart-schema.ts";
import { cleaned, parseSmart, parseSmartJson, SMART_CHARACTERS_MAX } from "./smartctl.ts";

export interface DisksConfig {
  /** How smartctl is started: a program and its first arguments. */
  readonly command: readonly string[];
  /** Device paths that may be passed on. */
  readonly devicePattern?: RegExp;
  /**
   * Disks that no scan of smartctl's lists, though it can ask them: those behind controllers of
   * 3ware, Areca, HP (cciss), Adaptec and others. Asked about beside those found.
   */
  readonly behind?: readonly BehindController[];
  readonly timeoutMs?: number;
}

/** What smartctl needs to ask a disk through its controller: smartctl(8), -d. */
export interface BehindController {
  readonly path: string;
  readonly type: string;
}

export interface Disks {
  /** Looks for disks; at start and every hour. One reading: how many, or why that is not known. */
  scan(): Promise<readonly Reading[]>;
  /** Reads every disk found; every 5 to 30 minutes. Scans first if no scan ever succeeded. */
  read(): Promise<readonly Reading[]>;
}

/** Whole disks, controllers, RAID buses and stable names; nothing that climbs or adds an option. */
export const DEVICE_PATTERN = new RegExp(
  `^/dev/(${[
    "sd[a-z]{1,4}",
    "sg[0-9]{1,4}",
    "nvme[0-9]{1,4}(n[0-9]{1,4})?",
    "bus/[0-9]{1,3}",
    "tw[aeil][0-9]{1,3}",
    "cciss/c[0-9]d[0-9]{1,2}",
    "disk/by-id/[A-Za-z0-9_][A-Za-z0-9_.:+-]{0,200}",
  ].join("|")})$`,
);
/** smartctl's -d argument, as its scan prints it: "sat", "nvme", "megaraid,3", "sat+megaraid,0". */
export const TYPE_PATTERN = /^[a-z0-9][a-z0-9_,+:./-]{0,63}$/i;

const TIMEOUT_MS = 10_000;
const DISKS_MAX = 256;
const PARALLEL_MAX = 4;
const RESTS_MAX = 64;
const REFUSED_TOLD_MAX = 4;

interface Disk {
  readonly path: string;
  readonly type: string;
  readonly device: string;
  listed: boolean;
  asking: boolean;
  /** Reads still to be left out after a smartctl that did not end, and how many the next time. */
  rests: number;
  nextRests: number;
}

export function disks(config: DisksConfig, run: RunCommand): Disks {
  const { command, devicePattern = DEVICE_PATTERN, behind = [], timeoutMs = TIMEOUT_MS } = config;
  const [file, ...first] = command;
  assert(file !== undefined, "the smartctl command is empty");
  assert(!devicePattern.global, "a global pattern remembers its last match");
  const options = { timeoutMs, outputBytesMax: SMART_CHARACTERS_MAX };
  const ask = (args: readonly string[]) => run(file, [...first, ...args], options);
  const configured = behind.map(({ path, type }) => diskOf(path, type));
  const known = new Map<string, Disk>();
  let scanned = false;
  let scanning: Promise<readonly Reading[]> | undefined;

  const look = async (): Promise<Reading> => {
    try {
      const { stdout } = await ask(["--scan-open", "--json=c"]);
      const found = parseScan(stdout, devicePattern);
      merge(known, [...configured, ...found.disks]);
      scanned = true;
      return scanReading(found);
    } catch (thrown) {
      return absence(SCAN, "scan", thrown);
    }
  };
  /** Whoever asks while a scan runs gets its result. */
  const scan = (): Promise<readonly Reading[]> => {
    scanning ??= look()
      .then((reading) => [reading])
      .finally(() => {
        scanning = undefined;
      });
    return scanning;
  };
  return {
    scan,
    async read() {
      const failed = scanned ? [] : await scan();
      return [...failed, ...(await readAll([...known.values()], ask))];
    },
  };
}

/** Asks a few disks at a time, each as soon as another is done. */
async function readAll(queue: Disk[], ask: Ask): Promise<readonly Reading[]> {
  const readings: Reading[] = [];
  const work = async (): Promise<void> => {
    for (let disk = queue.shift(); disk !== undefined; disk = queue.shift()) {
      readings.push(...(await readDisk(disk, ask)));
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_MAX }, work));
  return readings;
}

/** A disk that vanished stays known, as missing, until there are too many. */
function merge(known: Map<string, Disk>, found: readonly Disk[]): void {
  for (const disk of known.values()) disk.listed = false;
  for (const disk of found) {
    const before = known.get(disk.device);
    if (before === undefined || before.type !== disk.type) known.set(disk.device, disk);
    else before.listed = true;
  }
  if (known.size <= DISKS_MAX) return;
  for (const [device, disk] of known) if (!disk.listed) known.delete(device);
}

function scanReading({ disks: found, refused }: Scan): Reading {
  const sensor = { ...SCAN, signal: "scan" } as const;
  if (refused.length > 0) {
    return absent(
      sensor,
      "implausible",
      `Not asked: ${refused.slice(0, REFUSED_TOLD_MAX).join(", ")}`,
    );
  }
  return { ...sensor, status: "ok", value: found.length, unit: "count" };
}

type Ask = (args: readonly string[]) => ReturnType<RunCommand>;

const SCAN: Drive = { component: "disk", device: "scan", source: "smartctl --scan-open" };

/** Asks for what the predictor uses, without waking the disk: not `-a`, and never without `-d`. */
const QUESTION = ["--json=c", "-i", "-H", "-A", "-l", "error", "-l", "selftest"] as const;
const DO_NOT_WAKE = ["-n", `standby,${ASLEEP_STATUS}`] as const;

async function readDisk(disk: Disk, ask: Ask): Promise<readonly Reading[]> {
  const drive: Drive = { component: "disk", device: disk.device, source: `smartctl ${disk.path}` };
  const silent = (status: "missing" | "unreadable", reason: string): readonly Reading[] => [
    absent({ ...drive, signal: "health" }, status, reason),
  ];
  if (!disk.listed) return silent("missing", "No longer found by the scan");
  if (disk.asking) return silent("unreadable", "The last smartctl still runs");
  if (disk.rests > 0) {
    disk.rests -= 1;
    return silent("unreadable", "Left alone: the last smartctl did not end");
  }
  disk.asking = true;
  try {
    const answer = await ask([...QUESTION, ...DO_NOT_WAKE, "-d", disk.type, disk.path]);
    disk.nextRests = 1;
    return smartReadings(drive, parseSmart(answer.stdout, answer.code));
  } catch (thrown) {
    if (thrown instanceof SystemError && thrown.code === "COMMAND_TIMEOUT") {
      disk.rests = disk.nextRests;
      disk.nextRests = Math.min(disk.nextRests * 2, RESTS_MAX);
    }
    return [absence(drive, "health", thrown)];
  } finally {
    disk.asking = false;
  }
}

function absence(drive: Drive, signal: "scan" | "health", thrown: unknown): Reading {
  const missing = thrown instanceof SystemError && thrown.code === "COMMAND_NOT_FOUND";
  const reason = reasonOf(thrown);
  if (!missing) return absent({ ...drive, signal }, "unreadable", reason);
  return absent({ ...drive, signal }, "missing", `${reason}: is smartmontools installed?`);
}

interface Scan {
  readonly disks: readonly Disk[];
  /** Devices whose path or type is not passed on, for the reason of an absence. */
  readonly refused: readonly string[];
}

/** @throws SystemError SMART_INVALID */
export function parseScan(text: string, devicePattern: RegExp): Scan {
  const rows = parseSmartJson(text, scanSchema).devices;
  if (rows === undefined) {
    throw new SystemError(
      "SMART_INVALID",
      "Cannot find disks: the scan lists none, nor an empty list",
    );
  }
  const devices = rows
    .slice(0, DISKS_MAX)
    .flatMap((row) => scannedDevice.safeParse(row).data ?? []);
  const found: Disk[] = [];
  const refused: string[] = [];
  for (const { name, type } of devices) {
    if (devicePattern.test(name) && TYPE_PATTERN.test(type)) found.push(diskOf(name, type));
    else refused.push(`${cleaned(name) ?? "?"} of type ${cleaned(type) ?? "?"}`);
  }
  return { disks: found, refused };
}

/** Disks behind a RAID controller share its path; their type tells them apart. */
function diskOf(path: string, type: string): Disk {
  const name = path.startsWith("/dev/bus/") ? `bus${path.slice(9)}` : basename(path);
  const device = type.includes(",") ? `${name}-${type.replace(/[^a-z0-9]+/gi, "-")}` : name;
  return { path, type, device, listed: true, asking: false, rests: 0, nextRests: 1 };
}
