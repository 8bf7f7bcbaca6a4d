/**
 * Thermal zones of the board and the processors, with their trip points: /sys/class/thermal
 * (Documentation/driver-api/thermal/sysfs-api.rst).
 * @module
 */
import type { Sensor, Signal } from "../../predictor/reading.ts";
import type { SmallFiles } from "../../runtime/small-files.ts";
import {
  bootId,
  gauge,
  namesIn,
  namesOf,
  type Probe,
  probe,
  type Source,
  textIn,
} from "./probe.ts";

const CLASS = "/sys/class/thermal";
const ZONE = /^thermal_zone\d{1,4}$/;
const ZONES_MAX = 128;
const TRIP = /^trip_point_\d{1,2}_type$/;
const TRIPS_MAX = 16;

export const thermal: Source = {
  name: "thermal",
  signature: namesOf(CLASS),
  find(files) {
    const boot = bootId(files);
    return namesIn(files, CLASS, ZONE, ZONES_MAX).flatMap((name) => findZone(files, name, boot));
  },
};

/** By what the zone's trip does: "hot" tells the system, "critical" shuts it down. */
const LIMITS: Readonly<Record<string, Signal>> = {
  hot: "temperature-max",
  critical: "temperature-critical",
};

const CELSIUS = gauge("celsius", 1_000, -60, 250);
/** A trip that is switched off is far below or above. */
const TRIP_CELSIUS = gauge("celsius", 1_000, 1, 250);

function findZone(files: SmallFiles, name: string, boot: string): readonly Probe[] {
  const path = `${CLASS}/${name}`;
  const type = textIn(files, `${path}/type`);
  const zone = {
    component: "temperature",
    device: name,
    instance: `${boot}/${type}`,
    ...(type === "" ? {} : { label: type }),
  } as const;
  const sensor = (signal: Signal, file: string): Sensor => ({
    ...zone,
    signal,
    source: `${path}/${file}`,
  });
  const trips = namesIn(files, path, TRIP, TRIPS_MAX);
  const limits = Object.entries(LIMITS).flatMap(([kind, signal]) => {
    const trip = trips.find((file) => textIn(files, `${path}/${file}`) === kind);
    if (trip === undefined) return [];
    return [probe(sensor(signal, trip.replace("_type", "_temp")), TRIP_CELSIUS, true)];
  });
  return [probe(sensor("temperature", "temp"), CELSIUS), ...limits];
}
