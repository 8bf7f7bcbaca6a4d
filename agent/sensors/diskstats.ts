/**
 * What the kernel itself counts of each disk: requests and their time in /proc/diskstats
 * (Documentation/admin-guide/iostats.rst), errors and time-outs of SCSI and SATA disks in sysfs.
 * @module
 */
import {
  absent,
  counterReading,
  type DiskSignal,
  parseInteger,
  quote,
  type Reading,
  type Sensor,
} from "../../predictor/reading.ts";
import type { SmallFiles } from "../../runtime/small-files.ts";
import { namesOf, type Probe, probe, type Source, tryList } from "./probe.ts";

const TABLE = "/proc/diskstats";
const FOLDER = "/sys/block";
const NAME = /^(?!\.{1,2}$)[\w.:!-]{1,32}$/;
/** What is no disk: memory, files, and partitions (as node_exporter leaves them out). */
const NO_DISK = /^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$/;
const DISKS_MAX = 512;

/** Disks and what is made of them: arrays and mapped devices. */
export const diskstats: Source = {
  name: "diskstats",
  signature: namesOf(FOLDER),
  find(files, { detail }) {
    const names = [...tableOf(files).keys()].slice(0, DISKS_MAX);
    return [
      ...(names.length === 0 ? [] : [tableProbe(names, detail)]),
      ...tryList(files, FOLDER)
        .filter((name) => NAME.test(name))
        .slice(0, DISKS_MAX)
        .flatMap((name) => errorProbes(files, name)),
    ];
  },
};

interface Column {
  readonly signal: DiskSignal;
  readonly unit?: "byte" | "millisecond" | "count";
  readonly detail?: true;
}

/** From the fourth field on. Sectors have 512 bytes, whatever the disk's own have. */
const COLUMNS: readonly Column[] = [
  { signal: "reads" },
  { signal: "reads-merged", detail: true },
  { signal: "read-bytes", unit: "byte", detail: true },
  { signal: "read-time", unit: "millisecond", detail: true },
  { signal: "writes" },
  { signal: "writes-merged", detail: true },
  { signal: "written-bytes", unit: "byte", detail: true },
  { signal: "write-time", unit: "millisecond", detail: true },
  { signal: "io-now", unit: "count", detail: true },
  { signal: "io-time", unit: "millisecond" },
  { signal: "io-time-weighted", unit: "millisecond", detail: true },
  // Since Linux 4.18.
  { signal: "discards", detail: true },
  { signal: "discards-merged", detail: true },
  { signal: "discarded-sectors", detail: true },
  { signal: "discard-time", unit: "millisecond", detail: true },
  // Since Linux 5.5.
  { signal: "flushes", detail: true },
  { signal: "flush-time", unit: "millisecond", detail: true },
];
const COLUMNS_ALWAYS = 11;
const SECTOR_BYTES = 512n;

function tableProbe(names: readonly string[], detail: boolean): Probe {
  const wanted = COLUMNS.flatMap((column, index) =>
    detail || column.detail !== true ? [{ ...column, index }] : [],
  );
  const disks = names.map((device) => ({
    device,
    columns: wanted.map((column) => ({
      ...column,
      sensor: { component: "disk", device, signal: column.signal, source: TABLE } as const,
    })),
  }));
  const always = disks.flatMap(({ columns }) =>
    columns.filter(({ index }) => index < COLUMNS_ALWAYS).map(({ sensor }) => sensor),
  );
  return {
    path: TABLE,
    sensors: always,
    parse(text) {
      const lines = linesOf(text);
      return disks.flatMap(({ device, columns }) => {
        const values = lines.get(device);
        return columns.flatMap(({ sensor, index, unit }): readonly Reading[] => {
          if (values === undefined) return [absent(sensor, "missing", `No line in ${TABLE}`)];
          if (values[index] === undefined && index >= COLUMNS_ALWAYS) return [];
          return [columnReading(sensor, values[index] ?? "", unit)];
        });
      });
    },
  };
}

function columnReading(sensor: Sensor, text: string, unit: Column["unit"]): Reading {
  const reading = counterReading(sensor, text);
  if (reading.status !== "ok" || unit === undefined) return reading;
  if (unit === "count") return { ...reading, value: Number(reading.value), unit };
  const value = reading.value as bigint;
  return { ...reading, value: unit === "byte" ? value * SECTOR_BYTES : value, unit };
}

function tableOf(files: SmallFiles): ReadonlyMap<string, readonly string[]> {
  try {
    return linesOf(files.read(TABLE));
  } catch {
    return new Map();
  }
}

const LINE = /^\s*\d+\s+\d+\s+(\S+)\s+(.*)$/;

function linesOf(text: string): ReadonlyMap<string, readonly string[]> {
  const lines = new Map<string, readonly string[]>();
  for (const line of text.split("\n")) {
    const [, name = "", rest = ""] = LINE.exec(line) ?? [];
    if (!NAME.test(name) || NO_DISK.test(name)) continue;
    lines.set(name, rest.trim().split(/\s+/));
    if (lines.size === DISKS_MAX) break;
  }
  return lines;
}

const ERROR_FILES: readonly (readonly [file: string, signal: DiskSignal])[] = [
  ["ioerr_cnt", "io-errors"],
  ["iotmo_cnt", "io-timeouts"],
];

function errorProbes(files: SmallFiles, device: string): readonly Probe[] {
  const entries = tryList(files, `${FOLDER}/${device}/device`);
  return ERROR_FILES.filter(([file]) => entries.includes(file)).map(([file, signal]) => {
    const source = `${FOLDER}/${device}/device/${file}`;
    return probe({ component: "disk", device, signal, source }, hexadecimal);
  });
}

/** SCSI's counters are printed as "0x1f", and have 32 bits. */
function hexadecimal(sensor: Sensor, text: string): Reading {
  const trimmed = text.trim();
  if (/^0x[0-9a-f]{1,16}$/i.test(trimmed)) {
    return { ...sensor, status: "ok", value: BigInt(trimmed) };
  }
  const value = parseInteger(trimmed);
  if (value !== undefined && value >= 0n) return { ...sensor, status: "ok", value };
  return absent(sensor, "unreadable", `Not a count: ${quote(text)}`);
}
