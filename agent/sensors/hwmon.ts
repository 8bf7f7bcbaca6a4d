/**
 * Chips that measure temperatures, fans, voltages, currents and power: /sys/class/hwmon, with the
 * fixed scales of the kernel's Documentation/hwmon/sysfs-interface.rst.
 *
 * A device is CHIP/SENSOR ("platform_coretemp_0/temp2"). The number in hwmonN depends on the order
 * in which drivers were loaded; CHIP, made from the bus address, does not, and is spelt as
 * node_exporter spells it.
 * @module
 */
import type { Component, Sensor, Signal } from "../../predictor/reading.ts";
import type { SmallFiles } from "../../runtime/small-files.ts";
import { bootId, flag, gauge, namesIn, type Probe, probe, type Source, textIn } from "./probe.ts";

const CLASS = "/sys/class/hwmon";
const CHIPS_MAX = 128;
const FILES_MAX = 1_024;

export const hwmon: Source = {
  name: "hwmon",
  signature: (files) =>
    namesIn(files, CLASS, CHIP_FOLDER, CHIPS_MAX)
      .map((name) => `${name} ${textIn(files, `${CLASS}/${name}/name`)}`)
      .join(),
  find(files, { detail }) {
    const boot = bootId(files);
    const folders = namesIn(files, CLASS, CHIP_FOLDER, CHIPS_MAX);
    return folders.flatMap((folder) => findChip(files, `${CLASS}/${folder}`, boot, detail));
  },
};

const CHIP_FOLDER = /^hwmon\d{1,4}$/;
/** temp1_input; temp1_crit_alarm; in0_min. `pwm1` alone is a duty. */
const FILE = /^(temp|fan|in|curr|power|energy|pwm)(\d{1,3})(?:_([a-z_]{1,32}))?$/;

interface Element {
  readonly component: Component;
  readonly signal: Signal;
  readonly parse: Probe1;
  /** A limit: it changes when somebody changes it. */
  readonly limit?: true;
  readonly detail?: true;
}
type Probe1 = Parameters<typeof probe>[1];

/** Absolute zero to where silicon melts nothing but its package; nvme says -273 for "no limit". */
const CELSIUS = gauge("celsius", 1_000, -60, 250);
const CELSIUS_LIMIT = gauge("celsius", 1_000, -274, 70_000);
const RPM = gauge("rpm", 1, 0, 100_000);
const VOLT = gauge("volt", 1_000, -1_000, 1_000);
const AMPERE = gauge("ampere", 1_000, -10_000, 10_000);
const WATT = gauge("watt", 1_000_000, 0, 1e6);
const JOULE = gauge("joule", 1_000_000, 0, 1e16);
const DUTY = gauge("1/255", 1, 0, 255);

const temperature = (signal: Signal, parse: Probe1, more = {}): Element => ({
  component: "temperature",
  signal,
  parse,
  ...more,
});
const fan = (signal: Signal, parse: Probe1, more = {}): Element => ({
  component: "fan",
  signal,
  parse,
  ...more,
});
const power = (signal: Signal, parse: Probe1, more = {}): Element => ({
  component: "power",
  signal,
  parse,
  ...more,
});
const LIMIT = { limit: true } as const;
const DETAIL = { limit: true, detail: true } as const;

/** By kind and element of the file's name. */
const ELEMENTS: Readonly<Record<string, Element>> = {
  temp_input: temperature("temperature", CELSIUS),
  temp_max: temperature("temperature-max", CELSIUS_LIMIT, LIMIT),
  temp_crit: temperature("temperature-critical", CELSIUS_LIMIT, LIMIT),
  temp_min: temperature("temperature-min", CELSIUS_LIMIT, DETAIL),
  temp_emergency: temperature("temperature-emergency", CELSIUS_LIMIT, DETAIL),
  temp_max_hyst: temperature("temperature-max-hysteresis", CELSIUS_LIMIT, DETAIL),
  temp_crit_hyst: temperature("temperature-critical-hysteresis", CELSIUS_LIMIT, DETAIL),
  temp_alarm: temperature("temperature-alarm", flag),
  temp_max_alarm: temperature("temperature-max-alarm", flag),
  temp_crit_alarm: temperature("temperature-critical-alarm", flag),
  temp_fault: temperature("temperature-fault", flag),
  fan_input: fan("fan-speed", RPM),
  fan_min: fan("fan-min", RPM, LIMIT),
  fan_max: fan("fan-max", RPM, DETAIL),
  fan_target: fan("fan-target", RPM, DETAIL),
  fan_alarm: fan("fan-alarm", flag),
  fan_fault: fan("fan-fault", flag),
  pwm: fan("fan-duty", DUTY),
  in_input: power("voltage", VOLT),
  in_min: power("voltage-min", VOLT, LIMIT),
  in_max: power("voltage-max", VOLT, LIMIT),
  in_alarm: power("voltage-alarm", flag),
  curr_input: power("current", AMPERE),
  curr_min: power("current-min", AMPERE, DETAIL),
  curr_max: power("current-max", AMPERE, LIMIT),
  curr_crit: power("current-critical", AMPERE, LIMIT),
  curr_alarm: power("current-alarm", flag),
  power_input: power("power", WATT),
  power_average: power("power", WATT),
  power_max: power("power-max", WATT, LIMIT),
  power_crit: power("power-critical", WATT, LIMIT),
  power_alarm: power("power-alarm", flag),
  energy_input: power("energy", JOULE, { detail: true }),
};

function findChip(
  files: SmallFiles,
  path: string,
  boot: string,
  detail: boolean,
): readonly Probe[] {
  const chip = chipName(files, path);
  const model = textIn(files, `${path}/name`);
  // Old drivers have their files in the device's folder instead of their own.
  const folder = namesIn(files, path, FILE, 1).length > 0 ? path : `${path}/device`;
  const names = namesIn(files, folder, FILE, FILES_MAX);
  return names.flatMap((name): Probe[] => {
    const [, kind, number, element] = FILE.exec(name)!;
    // A meter that gives both gives its newest value as input.
    if (element === "average" && names.includes(`${kind}${number}_input`)) return [];
    const found = ELEMENTS[element === undefined ? kind! : `${kind}_${element}`];
    if (found === undefined || (found.detail === true && !detail)) return [];
    const label = textIn(files, `${folder}/${kind}${number}_label`);
    const sensor: Sensor = {
      component: found.component,
      device: `${chip}/${kind}${number}`,
      instance: `${boot}/${model}`,
      signal: found.signal,
      source: `${folder}/${name}`,
      ...(label === "" ? {} : { label }),
    };
    return [probe(sensor, found.parse, found.limit)];
  });
}

/** The last two names of the device's address, else the driver's name, else the folder's. */
function chipName(files: SmallFiles, path: string): string {
  const folder = path.slice(path.lastIndexOf("/") + 1);
  try {
    const [type = "", device = ""] = files.real(`${path}/device`).split("/").slice(-2);
    const words = [plain(type), plain(device)].filter((word) => word !== "");
    if (words.length > 0 && plain(device) !== "") return words.join("_");
  } catch {
    // A chip that belongs to no device, such as a thermal zone's.
  }
  return plain(textIn(files, `${path}/name`)) || folder;
}

function plain(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9:_]/g, "_")
    .replace(/^_+|_+$/g, "");
}
