/**
 * How long tasks wait for the processors, the memory and the disks: pressure stall information
 * (Documentation/accounting/psi.rst, since Linux 4.20, and off where the kernel was told so).
 * @module
 */
import {
  absent,
  type Component,
  counterReading,
  quote,
  type Reading,
  type Sensor,
  type Signal,
} from "../../predictor/reading.ts";
import { bootId, namesIn, namesOf, type Probe, type Source } from "./probe.ts";

const FOLDER = "/proc/pressure";

const OF: Readonly<Record<string, Component>> = { cpu: "cpu", io: "disk", memory: "memory" };

export const pressure: Source = {
  name: "pressure",
  signature: namesOf(FOLDER),
  find(files, { detail }) {
    const boot = bootId(files);
    return namesIn(files, FOLDER, /^(cpu|io|memory)$/, 3).map((name) =>
      pressureProbe(name, boot, detail),
    );
  },
};

/**
 * "pressure" is the share of the last ten seconds, in percent, in which some task waited. The
 * totals are in microseconds: in which some waited, and in which nothing else was done.
 */
const VALUES: readonly { signal: Signal; line: string; key: string; detail?: true }[] = [
  { signal: "pressure", line: "some", key: "avg10" },
  { signal: "pressure-waiting", line: "some", key: "total", detail: true },
  { signal: "pressure-stalled", line: "full", key: "total", detail: true },
];

function pressureProbe(name: string, boot: string, detail: boolean): Probe {
  const path = `${FOLDER}/${name}`;
  // "full" of the processors is always zero for the whole system.
  const wanted = VALUES.filter(
    (value) => (detail || value.detail !== true) && !(name === "cpu" && value.line === "full"),
  );
  const self = { component: OF[name]!, device: name, instance: boot, source: path };
  const sensors = wanted.map(({ signal }): Sensor => ({ ...self, signal }));
  return {
    path,
    sensors,
    parse: (text) =>
      wanted.map(({ line, key }, index) => parseValue(sensors[index]!, text, line, key)),
  };
}

function parseValue(sensor: Sensor, text: string, line: string, key: string): Reading {
  const fields = text
    .split("\n")
    .find((each) => each.startsWith(`${line} `))
    ?.split(" ");
  const value = fields?.find((field) => field.startsWith(`${key}=`))?.slice(key.length + 1);
  if (value === undefined) return absent(sensor, "missing", `No ${key} of "${line}"`);
  if (key === "total") {
    const reading = counterReading(sensor, value);
    return reading.status === "ok" ? { ...reading, unit: "microsecond" } : reading;
  }
  const percent = /^\d{1,3}\.\d{2}$/.test(value) ? Number(value) : undefined;
  if (percent === undefined || percent > 100)
    return absent(sensor, "unreadable", `Not a share: ${quote(value)}`);
  return { ...sensor, status: "ok", value: percent, unit: "percent" };
}
