/**
 * The counters of network adapters: 64-bit, exact, with no child process.
 *
 * /proc/net/dev asks each driver once for all of its counters (Documentation/filesystems/proc.rst);
 * what it lacks is in /sys/class/net (Documentation/ABI/testing/sysfs-class-net, -statistics).
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
import type { SmallFiles } from "../../runtime/small-files.ts";
import {
  bootId,
  gauge,
  namesIn,
  type Probe,
  probe,
  type Source,
  textIn,
  tryList,
} from "./probe.ts";

const CLASS = "/sys/class/net";
const TABLE = "/proc/net/dev";

/** What the kernel allows as the name of an interface, less what could climb out of the folder. */
const NAME = /^(?!\.{1,2}$)[\w.:@-]{1,15}$/;
const ADAPTERS_MAX = 256;

/**
 * Every adapter that is hardware (has a `device` link), or with `virtual` all that the kernel
 * names.
 */
export const network: Source = {
  name: "network",
  signature: (files) =>
    namesIn(files, CLASS, NAME, ADAPTERS_MAX)
      .map((name) => `${name} ${textIn(files, `${CLASS}/${name}/ifindex`)}`)
      .join(),
  find(files, { virtual, detail }) {
    const columns = tableOf(files);
    const wanted = namesWanted(files, virtual);
    const others = virtual ? [...columns.keys()].filter((name) => !wanted.includes(name)) : [];
    const adapters = adaptersOf(files, [...wanted, ...others]);
    const inTable = adapters.filter(({ device }) => columns.has(device));
    const inFiles = adapters.filter(({ device }) => wanted.includes(device));
    return [
      ...(inTable.length === 0 ? [] : [tableProbe(inTable, detail)]),
      ...inFiles.flatMap((adapter) =>
        fileProbes(files, adapter, columns.has(adapter.device), detail),
      ),
    ];
  },
};

interface Adapter {
  readonly component: "nic";
  readonly device: string;
  readonly instance: string;
}

/** The adapters that are hardware, for those who ask something else about them. */
export function hardwareAdapters(files: SmallFiles): readonly Adapter[] {
  return adaptersOf(files, namesWanted(files, false));
}

function namesWanted(files: SmallFiles, virtual: boolean): readonly string[] {
  return namesIn(files, CLASS, NAME, ADAPTERS_MAX).filter((name) => {
    const entries = tryList(files, `${CLASS}/${name}`);
    return entries.length > 0 && (virtual || entries.includes("device"));
  });
}

function adaptersOf(files: SmallFiles, names: readonly string[]): readonly Adapter[] {
  const boot = bootId(files);
  return names.slice(0, ADAPTERS_MAX).map((device) => {
    const index = textIn(files, `${CLASS}/${device}/ifindex`);
    const address = textIn(files, `${CLASS}/${device}/address`);
    return { component: "nic", device, instance: `${boot}/${index}/${address}` };
  });
}

interface FileSource {
  readonly signal: NicSignal;
  readonly file: string;
  readonly parse: (sensor: Sensor, text: string) => Reading;
  /** Whether a kernel without the file is in order. */
  readonly optional?: true;
  /** The driver may ask its firmware. */
  readonly slow?: true;
  readonly detail?: true;
}

const FILES: readonly FileSource[] = [
  { signal: "rx-crc-errors", file: "statistics/rx_crc_errors", parse: counterReading },
  { signal: "carrier", file: "carrier", parse: counterReading },
  { signal: "carrier-changes", file: "carrier_changes", parse: counterReading },
  // Both since Linux 4.16.
  { signal: "carrier-losses", file: "carrier_down_count", parse: counterReading, optional: true },
  {
    signal: "carrier-gains",
    file: "carrier_up_count",
    parse: counterReading,
    optional: true,
    detail: true,
  },
  { signal: "admin-up", file: "flags", parse: parseAdminUp },
  { signal: "operstate", file: "operstate", parse: parseOperstate },
  { signal: "speed", file: "speed", parse: parseSpeed, slow: true },
  { signal: "mtu", file: "mtu", parse: gauge("byte", 1, 0, 1e9), slow: true, detail: true },
];

/** In the order of /proc/net/dev; those marked are for dashboards only. */
const COLUMNS: readonly { signal: NicSignal; statistic: string; detail?: true }[] = [
  { signal: "rx-bytes", statistic: "rx_bytes" },
  { signal: "rx-packets", statistic: "rx_packets" },
  { signal: "rx-errors", statistic: "rx_errors" },
  { signal: "rx-dropped", statistic: "rx_dropped" },
  { signal: "rx-fifo-errors", statistic: "rx_fifo_errors", detail: true },
  { signal: "rx-frame-errors", statistic: "rx_frame_errors", detail: true },
  { signal: "rx-compressed", statistic: "rx_compressed", detail: true },
  { signal: "multicast", statistic: "multicast", detail: true },
  { signal: "tx-bytes", statistic: "tx_bytes" },
  { signal: "tx-packets", statistic: "tx_packets" },
  { signal: "tx-errors", statistic: "tx_errors" },
  { signal: "tx-dropped", statistic: "tx_dropped" },
  { signal: "tx-fifo-errors", statistic: "tx_fifo_errors", detail: true },
  { signal: "collisions", statistic: "collisions", detail: true },
  { signal: "tx-carrier-errors", statistic: "tx_carrier_errors", detail: true },
  { signal: "tx-compressed", statistic: "tx_compressed", detail: true },
];

/** Where there is no line in the table, what each kernel must have is a file each. */
const ALWAYS: readonly NicSignal[] = ["rx-packets"];

function fileProbes(
  files: SmallFiles,
  adapter: Adapter,
  inTable: boolean,
  detail: boolean,
): readonly Probe[] {
  const path = `${CLASS}/${adapter.device}`;
  const entries = tryList(files, path);
  const statistics = tryList(files, `${path}/statistics`);
  const probes = FILES.filter(
    (source) =>
      (detail || source.detail !== true) &&
      (source.optional !== true || entries.includes(source.file)),
  ).map(({ signal, file, parse, slow }) =>
    probe({ ...adapter, signal, source: `${path}/${file}` }, parse, slow),
  );
  if (inTable) return probes;
  const instead = COLUMNS.filter(
    (column) =>
      ALWAYS.includes(column.signal) ||
      ((detail || column.detail !== true) && statistics.includes(column.statistic)),
  ).map(({ signal, statistic }) =>
    probe({ ...adapter, signal, source: `${path}/statistics/${statistic}` }, counterReading),
  );
  return [...instead, ...probes];
}

function tableProbe(adapters: readonly Adapter[], detail: boolean): Probe {
  const wanted = COLUMNS.flatMap((column, index) =>
    detail || column.detail !== true ? [{ signal: column.signal, index }] : [],
  );
  const sensors = adapters.map((adapter) => ({
    device: adapter.device,
    columns: wanted.map(({ signal, index }) => ({
      index,
      sensor: { ...adapter, signal, source: TABLE },
    })),
  }));
  return {
    path: TABLE,
    sensors: sensors.flatMap(({ columns }) => columns.map(({ sensor }) => sensor)),
    parse(text) {
      const lines = linesOf(text);
      return sensors.flatMap(({ device, columns }) => {
        const values = lines.get(device);
        if (values === undefined) {
          return columns.map(({ sensor }) => absent(sensor, "missing", `No line in ${TABLE}`));
        }
        return columns.map(({ sensor, index }) => counterReading(sensor, values[index] ?? ""));
      });
    },
  };
}

function tableOf(files: SmallFiles): ReadonlyMap<string, readonly string[]> {
  try {
    return linesOf(files.read(TABLE));
  } catch {
    return new Map();
  }
}

/** Two lines of headings, then `name: 16 numbers`; old kernels leave no space after the colon. */
function linesOf(text: string): ReadonlyMap<string, readonly string[]> {
  const lines = new Map<string, readonly string[]>();
  for (const line of text.split("\n").slice(2, ADAPTERS_MAX + 2)) {
    const colon = line.lastIndexOf(":");
    if (colon < 0) continue;
    const name = line.slice(0, colon).trim();
    if (!NAME.test(name)) continue;
    lines.set(
      name,
      line
        .slice(colon + 1)
        .trim()
        .split(/\s+/),
    );
  }
  return lines;
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
