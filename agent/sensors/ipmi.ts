/**
 * What a service processor measures, by ipmitool: the tables of `sdr`, `sdr elist` and `sensor`,
 * and of `-c` (ipmitool(1)).
 *
 * "ns", "na" and "no reading" mean that there is nothing to read now (the host is off, the slot is
 * empty): an absence, never a fault and never a zero. A discrete sensor's bits mean something else
 * on each board and are left alone, but for what ipmitool spells out of power supplies.
 * @module
 */
import {
  absent,
  type Component,
  type Reading,
  type Sensor,
  type Signal,
} from "../../predictor/reading.ts";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import type { RunCommand } from "../../runtime/command.ts";

export const IPMI_CHARACTERS_MAX = 1024 * 1024;
const SENSORS_MAX = 1_024;
const NAME_CHARACTERS_MAX = 64;
const TIMEOUT_MS = 30_000;

interface Kind {
  readonly component: Component;
  readonly signal: Signal;
  readonly alarm: Signal;
  readonly unit: string;
  readonly min: number;
  readonly max: number;
  /** The thresholds of `sensor`, by its columns: lower critical, upper non-critical, critical. */
  readonly limits: Readonly<Partial<Record<"lcr" | "unc" | "ucr", Signal>>>;
}

const KINDS: Readonly<Record<string, Kind>> = {
  "degrees c": {
    component: "temperature",
    signal: "temperature",
    alarm: "temperature-alarm",
    unit: "celsius",
    min: -60,
    max: 250,
    limits: { unc: "temperature-max", ucr: "temperature-critical" },
  },
  rpm: {
    component: "fan",
    signal: "fan-speed",
    alarm: "fan-alarm",
    unit: "rpm",
    min: 0,
    max: 100_000,
    limits: { lcr: "fan-min" },
  },
  volts: {
    component: "power",
    signal: "voltage",
    alarm: "voltage-alarm",
    unit: "volt",
    min: -1_000,
    max: 1_000,
    limits: { lcr: "voltage-min", ucr: "voltage-max" },
  },
  amps: {
    component: "power",
    signal: "current",
    alarm: "current-alarm",
    unit: "ampere",
    min: -10_000,
    max: 10_000,
    limits: { unc: "current-max", ucr: "current-critical" },
  },
  watts: {
    component: "power",
    signal: "power",
    alarm: "power-alarm",
    unit: "watt",
    min: 0,
    max: 1e6,
    limits: { unc: "power-max", ucr: "power-critical" },
  },
};

interface Row {
  readonly name: string;
  /** "3456 RPM", "0x00", "no reading", "Presence detected". */
  readonly reading: string;
  readonly status: string;
  readonly thresholds: Readonly<Partial<Record<"lcr" | "unc" | "ucr", string>>>;
}

/** Readings of one table, the newest where a sensor has several rows. Never throws. */
export function parseIpmi(text: string, source = "ipmitool"): readonly Reading[] {
  const rows = new Map<string, Row>();
  for (const line of text.slice(0, IPMI_CHARACTERS_MAX).split("\n")) {
    const row = rowOf(line);
    if (row !== undefined && (rows.has(row.name) || rows.size < SENSORS_MAX)) {
      rows.set(row.name, row);
    }
  }
  return [...rows.values()].flatMap((row) => readingsOf(row, source));
}

/** Asks ipmitool; without an answer one absent reading. What has no reading now is left out. */
export async function readIpmi(
  command: readonly string[],
  run: RunCommand,
): Promise<readonly Reading[]> {
  const [file = "", ...first] = command;
  const args = [...first, "sdr", "elist"];
  const source = [file, ...args].join(" ");
  const self: Sensor = { component: "power", device: "ipmi", signal: "health", source };
  try {
    const options = { timeoutMs: TIMEOUT_MS, outputBytesMax: IPMI_CHARACTERS_MAX };
    const { stdout, stderr, code } = await run(file, args, options);
    const readings = parseIpmi(stdout, source);
    if (readings.length > 0) return readings.filter(({ status }) => status !== "missing");
    const said = stderr.split("\n")[0]!.replace(/\p{C}/gu, "").slice(0, 200);
    return [absent(self, "unreadable", `No sensor in the answer, status ${code}: ${said}`)];
  } catch (thrown) {
    const missing = thrown instanceof SystemError && thrown.code === "COMMAND_NOT_FOUND";
    return [absent(self, missing ? "missing" : "unreadable", reasonOf(thrown))];
  }
}

const STATUS = /^(ok|ns|na|nc|cr|nr|lnc|lcr|lnr|unc|ucr|unr|us|0x[0-9a-f]{1,8})$/i;

/** By how many columns there are, and in which of them a status stands. */
function rowOf(line: string): Row | undefined {
  const cells = (line.includes("|") ? line.split("|") : line.split(",")).map((cell) => cell.trim());
  const name = cells[0]!.replace(/\p{C}/gu, "").slice(0, NAME_CHARACTERS_MAX);
  if (name === "" || !/[a-z]/i.test(name)) return undefined;
  const at = (index: number): string => cells[index] ?? "";
  const isStatus = (index: number): boolean => STATUS.test(at(index));
  if (cells.length === 10 && isStatus(3)) {
    const thresholds = { lcr: at(5), unc: at(7), ucr: at(8) };
    return { name, reading: `${at(1)} ${at(2)}`, status: at(3), thresholds };
  }
  if (cells.length === 5 && isStatus(2)) {
    return { name, reading: at(4), status: at(2), thresholds: {} };
  }
  if (cells.length === 4 && isStatus(3)) {
    return { name, reading: `${at(1)} ${at(2)}`, status: at(3), thresholds: {} };
  }
  if (cells.length === 3 && isStatus(2)) {
    return { name, reading: at(1), status: at(2), thresholds: {} };
  }
  return undefined;
}

const MEASURE = /^(-?\d{1,9}(?:\.\d{1,6})?) (degrees [CF]|RPM|Volts|Amps|Watts)\b/i;
const NOTHING = /^(na|no reading|not readable|disabled)\b|^$/i;
/** Critical and non-recoverable; a non-critical threshold is a warning, and no fault. */
const ALARM = /^(cr|nr|lcr|lnr|ucr|unr)$/i;

function readingsOf(row: Row, source: string): readonly Reading[] {
  const { name, reading, status, thresholds } = row;
  const device = `ipmi/${name}`;
  const [, digits, unit = ""] = MEASURE.exec(reading) ?? [];
  const kind = KINDS[unit.toLowerCase().replace("degrees f", "degrees c")];
  if (digits === undefined || kind === undefined || /^(ns|na)$/i.test(status)) {
    return stateReadings(row, device, source);
  }
  const { component, signal, alarm, limits } = kind;
  const sensor: Sensor = { component, device, signal, source, label: name };
  const value = /f$/i.test(unit) ? ((Number(digits) - 32) * 5) / 9 : Number(digits);
  if (value < kind.min || value > kind.max) {
    return [absent(sensor, "implausible", `${digits} ${unit}`)];
  }
  const measured: Reading = { ...sensor, status: "ok", value, unit: kind.unit };
  const alarmed = ALARM.test(status) ? 1 : 0;
  const limited = Object.entries(limits).flatMap(([column, limit]): Reading[] => {
    const text = thresholds[column as keyof typeof thresholds] ?? "";
    if (!/^-?\d{1,9}(\.\d{1,6})?$/.test(text)) return [];
    return [{ ...sensor, signal: limit, status: "ok", value: Number(text), unit: kind.unit }];
  });
  return [measured, { ...sensor, signal: alarm, status: "ok", value: alarmed }, ...limited];
}

/** What is no measure: a state in words, or nothing at all. */
function stateReadings(
  { name, reading, status }: Row,
  device: string,
  source: string,
): readonly Reading[] {
  const sensor: Sensor = { component: "power", device, signal: "health", source, label: name };
  if (/^(ns|na)$/i.test(status) || NOTHING.test(reading.trim())) {
    return [absent(sensor, "missing", `No reading: ${status}`)];
  }
  if (/\bredundan/i.test(reading)) {
    if (!/\b(ps|psu|power)/i.test(name)) return [];
    const value = /^fully redundant/i.test(reading) ? "ok" : "lost";
    return [{ ...sensor, signal: "redundancy", status: "ok", value }];
  }
  return supplyReadings(sensor, reading);
}

function supplyReadings(sensor: Sensor, reading: string): readonly Reading[] {
  if (!/\bPresence detected\b/i.test(reading)) return [];
  const failed = /\b(Failure detected|Predictive failure|Power Supply AC lost)\b/i.test(reading);
  return [{ ...sensor, status: "ok", value: failed ? "critical" : "ok" }];
}
