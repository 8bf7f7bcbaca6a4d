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

function counterReadings(drive: Drive, { ata }: SmartDocument): readonly Reading[] {
  return DISK_COUNTERS.flatMap((signal): Reading[] => {
    const id = Number(signal.slice("smart-".length));
    const attribute = ata?.attributes[id];
    if (attribute === undefined) return [];
    const self = sensor(drive, signal);
    const value = attributeCount(id, attribute.raw);
    if (value === undefined) {
      return [absent(self, "implausible", `No count in raw value ${attribute.raw}`)];
    }
    return [{ ...self, status: "ok", value, unit: "count" }];
  });
}

function nvmeReadings(drive: Drive, { nvme }: SmartDocument): readonly Reading[] {
  if (nvme === undefined) return [];
  const values = [
    ["critical-warning", nvme.critical_warning, "bits"],
    ["media-errors", nvme.media_errors, "count"],
    ["percentage-used", nvme.percentage_used, "percent"],
  ] as const;
  return values.map(([signal, value, unit]): Reading => {
    const self = sensor(drive, signal);
    if (value === null) return absent(self, "missing", "Not in the drive's health log");
    const number = typeof value === "string" ? BigInt(value) : value;
    return { ...self, status: "ok", value: number, unit };
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
