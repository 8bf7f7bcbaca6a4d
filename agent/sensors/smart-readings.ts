/**
 * From a drive's document to the readings the predictor takes.
 * @module
 */
import {
  type Absence,
  absent,
  DISK_COUNTERS,
  type DiskSignal,
  type Reading,
  type Sensor,
} from "../../predictor/reading.ts";
import type { Exact } from "./exact-json.ts";
import { attributeCount } from "./smart-ata.ts";
import type { SmartDocument } from "./smartctl.ts";

/** What all readings of one drive share. */
export type Drive = Omit<Sensor, "signal">;

/** smartctl's word for a drive it was told (`-n`) not to wake. */
const ASLEEP = /^Device is in (STANDBY|SLEEP|IDLE|LOW).*\bmode\b/i;
/** `-n standby,3` asks for this exit status, and no other condition has it. */
export const ASLEEP_STATUS = 3;

/** Readings of one drive; a single absent `health` if it did not answer. */
export function smartReadings(drive: Drive, document: SmartDocument): readonly Reading[] {
  const silence = silenceOf(document);
  if (silence !== undefined) {
    return [absent(sensor(drive, "health"), silence.status, silence.reason)];
  }
  const known = { ...drive, instance: instanceOf(document) };
  return [
    healthReading(known, document),
    ...counterReadings(known, document),
    ...nvmeReadings(known, document),
    ...scsiReadings(known, document),
    ...lifeReadings(known, document),
    temperatureReading(known, document),
  ];
}

/** Why a document says nothing of its drive, or `undefined` if it does. */
function silenceOf(document: SmartDocument): { status: Absence; reason: string } | undefined {
  const words = document.messages.map(({ string }) => string);
  const asleep = words.find((word) => ASLEEP.test(word));
  if (asleep !== undefined || document.exit.status === ASLEEP_STATUS) {
    return { status: "asleep", reason: asleep ?? "In standby" };
  }
  if (document.readable) return undefined;
  const reason = words[0] ?? `smartctl ended with status ${document.exit.status}`;
  const gone = /No such device|No such file/i.test(reason);
  return { status: gone ? "missing" : "unreadable", reason };
}

function instanceOf({ model, serial }: SmartDocument): string {
  return `${model ?? "unknown"}/${serial ?? "unknown"}`;
}

function sensor(drive: Drive, signal: DiskSignal): Sensor {
  return { ...drive, signal };
}

function healthReading(drive: Drive, { health }: SmartDocument): Reading {
  const self = sensor(drive, "health");
  if (health === "unknown") return absent(self, "missing", "The drive gave no assessment");
  return { ...self, status: "ok", value: health };
}

/**
 * Attributes whose raw value is a count: those of "two of five", and others that failures are
 * learnt from. smartctl's drive database names them; 241 and 242 count sectors.
 */
const ATTRIBUTES: readonly number[] = [
  ...DISK_COUNTERS.map((signal) => Number(signal.slice("smart-".length))),
  10,
  11,
  12,
  169,
  171,
  172,
  173,
  174,
  177,
  179,
  181,
  182,
  183,
  184,
  189,
  192,
  193,
  196,
  199,
  200,
  201,
  231,
  232,
  233,
  241,
  242,
];

function counterReadings(drive: Drive, { ata }: SmartDocument): readonly Reading[] {
  return ATTRIBUTES.flatMap((id): Reading[] => {
    const attribute = ata?.attributes[id];
    if (attribute === undefined) return [];
    const name = attribute.name === "" ? {} : { label: attribute.name };
    const self = { ...sensor(drive, `smart-${id}`), ...name };
    const value = attributeCount(id, attribute.raw);
    if (value !== undefined) return [{ ...self, status: "ok", value, unit: "count" }];
    // A vendor's own packing of a minor counter is no fault of a sensor.
    if (!isDiskCounter(`smart-${id}`)) return [];
    return [absent(self, "implausible", `No count in raw value ${attribute.raw}`)];
  });
}

function isDiskCounter(signal: string): boolean {
  return (DISK_COUNTERS as readonly string[]).includes(signal);
}

type Value = readonly [signal: DiskSignal, value: Exact | null | undefined, unit: string];

function nvmeReadings(drive: Drive, { nvme }: SmartDocument): readonly Reading[] {
  if (nvme === undefined) return [];
  const always: readonly Value[] = [
    ["critical-warning", nvme.critical_warning, "bits"],
    ["media-errors", nvme.media_errors, "count"],
    ["percentage-used", nvme.percentage_used, "percent"],
  ];
  const missing = always
    .filter(([, value]) => value === null)
    .map(([signal]) => absent(sensor(drive, signal), "missing", "Not in the drive's health log"));
  const others: readonly Value[] = [
    ["available-spare", nvme.available_spare, "percent"],
    ["spare-threshold", nvme.available_spare_threshold, "percent"],
    ["error-log-entries", nvme.num_err_log_entries, "count"],
  ];
  return [...valueReadings(drive, always), ...missing, ...valueReadings(drive, others)];
}

function scsiReadings(drive: Drive, { scsi }: SmartDocument): readonly Reading[] {
  return valueReadings(drive, [
    ["grown-defects", scsi?.grown_defects, "count"],
    ["uncorrected-errors", scsi?.uncorrected_total, "count"],
    ["percentage-used", scsi?.percentage_used, "percent"],
  ]);
}

function lifeReadings(drive: Drive, document: SmartDocument): readonly Reading[] {
  return valueReadings(drive, [
    ["power-on-hours", document.power_on_hours, "hour"],
    ["power-cycles", document.power_cycles, "count"],
  ]);
}

/** Those that the drive told. */
function valueReadings(drive: Drive, values: readonly Value[]): readonly Reading[] {
  return values.flatMap(([signal, value, unit]): Reading[] => {
    if (value === null || value === undefined) return [];
    const exactly = typeof value === "string" ? BigInt(value) : value;
    return [{ ...sensor(drive, signal), status: "ok", value: exactly, unit }];
  });
}

/** Beyond this a drive would have shut down: JEDEC JESD218 and vendors' limits are 70 to 85. */
const CELSIUS_MAX = 110;
const CELSIUS_MIN = -40;

function temperatureReading(drive: Drive, { temperature_c: value }: SmartDocument): Reading {
  const self = sensor(drive, "temperature");
  if (value === null) return absent(self, "missing", "The drive gave no temperature");
  if (value < CELSIUS_MIN || value > CELSIUS_MAX) {
    return absent(self, "implausible", `${value} °C`);
  }
  return { ...self, status: "ok", value, unit: "celsius" };
}
