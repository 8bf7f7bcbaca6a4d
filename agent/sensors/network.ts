/**
 * Reads the counters of network adapters from /sys/class/net: 64-bit, exact, with no child process.
 * Described in the kernel's Documentation/ABI/testing/sysfs-class-net and -statistics.
 * @module
 */
import {
  absent,
  counterReading,
  type NicSignal,
  parseInteger,
  quote,
  type Reading,
  type Sensor,
} from "../../predictor/reading.ts";
import { reasonOf } from "../../protocol/error.ts";
import type { Files } from "../../runtime/files.ts";

const CLASS = "/sys/class/net";
const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/** What the kernel allows as the name of an interface, less what could climb out of the folder. */
const NAME = /^(?!\.{1,2}$)[\w.:@-]{1,15}$/;
const ADAPTERS_MAX = 256;
const IDENTITY_CHARACTERS_MAX = 64;

interface Source {
  readonly signal: NicSignal;
  readonly file: string;
  readonly parse: (sensor: Sensor, text: string) => Reading;
  /** Whether a kernel without the file is in order. */
  readonly optional?: true;
}

const SOURCES: readonly Source[] = [
  { signal: "rx-packets", file: "statistics/rx_packets", parse: counterReading },
  { signal: "rx-crc-errors", file: "statistics/rx_crc_errors", parse: counterReading },
  { signal: "carrier", file: "carrier", parse: counterReading },
  { signal: "carrier-changes", file: "carrier_changes", parse: counterReading },
  // Since Linux 4.16.
  { signal: "carrier-losses", file: "carrier_down_count", parse: counterReading, optional: true },
  { signal: "admin-up", file: "flags", parse: parseAdminUp },
  { signal: "operstate", file: "operstate", parse: parseOperstate },
  { signal: "speed", file: "speed", parse: parseSpeed },
];

/**
 * Readings of every adapter that is hardware (has a `device` link), or of all if `virtual`.
 * A file that cannot be read is an absent reading; a folder that cannot be listed is no adapter.
 */
export async function readNetwork(files: Files, virtual = false): Promise<readonly Reading[]> {
  const names = (await files.list(CLASS).catch(() => [])).filter((name) => NAME.test(name));
  const bootId = await identity(files, BOOT_ID);
  const readings = names.slice(0, ADAPTERS_MAX).map(async (name) => {
    const entries = await files.list(`${CLASS}/${name}`).catch((): string[] => []);
    const wanted = entries.length > 0 && (virtual || entries.includes("device"));
    return wanted ? readAdapter(files, name, bootId) : [];
  });
  return (await Promise.all(readings)).flat();
}

async function readAdapter(files: Files, name: string, bootId: string): Promise<Reading[]> {
  const path = `${CLASS}/${name}`;
  const index = await identity(files, `${path}/ifindex`);
  const address = await identity(files, `${path}/address`);
  const adapter = {
    component: "nic",
    device: name,
    instance: `${bootId}/${index}/${address}`,
  } as const;
  const readings = SOURCES.map(async ({ signal, file, parse, optional }): Promise<Reading[]> => {
    const sensor: Sensor = { ...adapter, signal, source: `${path}/${file}` };
    try {
      return [parse(sensor, await files.read(sensor.source))];
    } catch (thrown) {
      const status = isGone(thrown) ? "missing" : "unreadable";
      return optional && status === "missing" ? [] : [absent(sensor, status, reasonOf(thrown))];
    }
  });
  return (await Promise.all(readings)).flat();
}

async function identity(files: Files, path: string): Promise<string> {
  const text = await files.read(path).catch(() => "");
  return text.trim().slice(0, IDENTITY_CHARACTERS_MAX);
}

/** EIO, EAGAIN and EINVAL come from a driver that is there; everything else is not there. */
function isGone(thrown: unknown): boolean {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? cause.code : "ENOENT";
  return code === "ENOENT" || code === "ENODEV";
}

const IFF_UP = 1;

/** `flags` in hexadecimal, of which only IFF_UP is read: 1 if the administrator wants it up. */
function parseAdminUp(sensor: Sensor, text: string): Reading {
  const digits = /^0x([0-9a-f]{1,8})\s*$/i.exec(text)?.[1];
  if (digits === undefined) return absent(sensor, "unreadable", `Not flags: ${quote(text)}`);
  return { ...sensor, status: "ok", value: Number.parseInt(digits, 16) & IFF_UP };
}

/** RFC 2863's states, as the kernel spells them. */
const OPERSTATES = ["unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"];

function parseOperstate(sensor: Sensor, text: string): Reading {
  const value = text.trim();
  if (OPERSTATES.includes(value)) return { ...sensor, status: "ok", value };
  return absent(sensor, "unreadable", `Not a state: ${quote(text)}`);
}

/** Faster than any port that is made; drivers answer 2^32 - 1 for "do not know". */
const MEGABITS_MAX = 1_600_000n;

/** Negotiated megabits a second; -1 (or 2^32 - 1, by old drivers) while there is no link. */
function parseSpeed(sensor: Sensor, text: string): Reading {
  const value = parseInteger(text);
  if (value === undefined) return absent(sensor, "unreadable", `Not an integer: ${quote(text)}`);
  if (value === -1n || value === 0xffff_ffffn) return absent(sensor, "missing", "No link");
  if (value <= 0n || value > MEGABITS_MAX) {
    return absent(sensor, "implausible", `${value} Mbit/s`);
  }
  return { ...sensor, status: "ok", value: Number(value), unit: "megabit/s" };
}
