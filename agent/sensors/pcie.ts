/**
 * Errors of PCI Express links and devices: Advanced Error Reporting
 * (Documentation/ABI/testing/sysfs-bus-pci-devices-aer_stats). Each file holds a line a kind of
 * error and ends with their total.
 * @module
 */
import {
  absent,
  counterReading,
  type PcieSignal,
  type Reading,
  type Sensor,
} from "../../predictor/reading.ts";
import {
  bootId,
  namesIn,
  namesOf,
  type Probe,
  probe,
  type Source,
  textIn,
  tryList,
} from "./probe.ts";

const FOLDER = "/sys/bus/pci/devices";
const ADDRESS = /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/;
/** Functions, most of which count nothing; a server has one or two hundred. */
const DEVICES_MAX = 2_048;

const FILES: readonly (readonly [file: string, signal: PcieSignal])[] = [
  ["aer_dev_correctable", "corrected-errors"],
  ["aer_dev_nonfatal", "nonfatal-errors"],
  ["aer_dev_fatal", "fatal-errors"],
];

export const pcie: Source = {
  name: "pcie",
  signature: namesOf(FOLDER),
  find(files) {
    const boot = bootId(files);
    return namesIn(files, FOLDER, ADDRESS, DEVICES_MAX).flatMap((device): readonly Probe[] => {
      const path = `${FOLDER}/${device}`;
      const entries = tryList(files, path);
      const present = FILES.filter(([file]) => entries.includes(file));
      if (present.length === 0) return [];
      const model = `${textIn(files, `${path}/vendor`)}:${textIn(files, `${path}/device`)}`;
      const self = { component: "pcie", device, instance: `${boot}/${model}` } as const;
      return present.map(([file, signal]) =>
        probe({ ...self, signal, source: `${path}/${file}` }, parseTotal),
      );
    });
  },
};

const TOTAL = /^TOTAL_ERR_[A-Z]+ (\S+)\s*$/m;

function parseTotal(sensor: Sensor, text: string): Reading {
  const digits = TOTAL.exec(text)?.[1];
  return digits === undefined
    ? absent(sensor, "unreadable", "No line with the total")
    : counterReading(sensor, digits);
}
