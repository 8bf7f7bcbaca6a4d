/**
 * Readings as metrics: under the names and labels of node_exporter, smartctl_exporter and
 * ipmi_exporter where they measure the same, so that dashboards and alerts go on working; under
 * lifeboat_ otherwise.
 * @module
 */
import type { Measured, Reading } from "../../predictor/reading.ts";
import { exposition, type Family, type Sample } from "./exposition.ts";
import { HWMON, IPMI, type Metric, NAMES } from "./metric-names.ts";

/** The page for a scrape. */
export function metricsPage(readings: readonly Reading[]): string {
  return exposition(metricFamilies(readings));
}

export function metricFamilies(readings: readonly Reading[]): readonly Family[] {
  const families = new Map<string, Family & { samples: Sample[] }>();
  const add = ({ name, help, type }: Metric, sample: Sample): void => {
    const family = families.get(name) ?? { name, help, type, samples: [] };
    family.samples.push(sample);
    families.set(name, family);
  };
  for (const reading of readings) {
    if (reading.status === "ok") addMeasured(reading, add);
  }
  addStates(readings, add);
  return [...families.values()];
}

type Add = (metric: Metric, sample: Sample) => void;

const SENSORS: Metric = {
  name: "lifeboat_sensors",
  help: "Sensors by their state.",
  type: "gauge",
};
const SENSOR_STATE: Metric = {
  name: "lifeboat_sensor_state",
  help: "1 for each sensor that gives no value that can be believed, with its state and reason.",
  type: "gauge",
};

function addStates(readings: readonly Reading[], add: Add): void {
  const counts = new Map<string, number>();
  for (const reading of readings) {
    const { component, device, signal, status } = reading;
    const key = `${component} ${status}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    if (reading.status === "ok") continue;
    const labels = { component, device, signal, state: status, reason: reading.reason };
    add(SENSOR_STATE, { labels, value: 1 });
  }
  for (const [key, value] of counts) {
    const [component = "", state = ""] = key.split(" ");
    add(SENSORS, { labels: { component, state }, value });
  }
}

function addMeasured(reading: Measured, add: Add): void {
  const { device, signal } = reading;
  if (device.startsWith("ipmi/")) return addIpmi(reading, add);
  if (reading.source.startsWith("/sys/class/hwmon/")) return addHwmon(reading, add);
  if (device.startsWith("thermal_zone")) return addZone(reading, add);
  if (reading.component === "memory" && device.startsWith("mc")) return addEdac(reading, add);
  if (signal === "array-state") return addArrayState(reading, add);
  if (signal.startsWith("smart-")) return addAttribute(reading, add);
  const named =
    NAMES[`${reading.component} ${device} ${signal}`] ?? NAMES[`${reading.component} ${signal}`];
  const labels = { device, ...named?.labels };
  if (named !== undefined) {
    const value = scaled(reading, named);
    const fixed = named.noDevice === true ? (named.labels ?? {}) : labels;
    if (value !== undefined) add(named, { labels: fixed, value });
    return;
  }
  const value = scaled(reading, {});
  if (value !== undefined) add(ownMetric(reading), { labels, value });
}

/** What no exporter has a name for. */
function ownMetric({ component, signal, value, unit }: Measured): Metric {
  const words = `${component}_${signal}`.replaceAll("-", "_");
  const name = `lifeboat_${words}${typeof value === "bigint" ? "_total" : ""}`;
  const help = `${signal} of a ${component}${unit === undefined ? "" : `, in ${unit}`}.`;
  return { name, help, type: typeof value === "bigint" ? "counter" : "gauge" };
}

/** What drives and service processors say of what is in order. */
const GOOD: readonly string[] = ["passed", "ok"];

/** A counter stays exact unless its unit changes. Words are yes or no. */
function scaled(
  { value, signal }: Measured,
  { scale }: { readonly scale?: number },
): number | bigint | undefined {
  if (typeof value === "string") {
    if (signal === "operstate") return value === "up" ? 1 : 0;
    return signal === "health" || signal === "redundancy"
      ? Number(GOOD.includes(value))
      : undefined;
  }
  return scale === undefined ? value : Number((Number(value) * scale).toPrecision(15));
}

function addHwmon(reading: Measured, add: Add): void {
  const { device, label, instance = "", signal } = reading;
  const slash = device.lastIndexOf("/");
  const [chip, sensor] = [device.slice(0, slash), device.slice(slash + 1)];
  const named = HWMON[signal];
  const value = scaled(reading, {});
  if (named === undefined || value === undefined) return;
  const average = signal === "power" && reading.source.endsWith("_average");
  const name = average ? "node_hwmon_power_average_watt" : named.name;
  add({ ...named, name }, { labels: { chip, sensor }, value });
  const model = instance.slice(instance.indexOf("/") + 1);
  if (model !== "") add(HWMON["chip"]!, { labels: { chip, chip_name: model }, value: 1 });
  if (label !== undefined) add(HWMON["label"]!, { labels: { chip, sensor, label }, value: 1 });
}

const ZONE: Metric = {
  name: "node_thermal_zone_temp",
  help: "Zone temperature in Celsius",
  type: "gauge",
};

function addZone(reading: Measured, add: Add): void {
  const value = scaled(reading, {});
  if (value === undefined) return;
  const zone = reading.device.replace("thermal_zone", "");
  const labels = { zone, type: reading.label ?? "" };
  if (reading.signal === "temperature") return add(ZONE, { labels, value });
  const limit = reading.signal.replace("temperature-", "");
  const name = `lifeboat_thermal_zone_${limit}_celsius`;
  add({ name, help: `Trip point (${limit}) of a zone.`, type: "gauge" }, { labels, value });
}

function addEdac(reading: Measured, add: Add): void {
  const { device, signal, label = "" } = reading;
  const value = scaled(reading, {});
  if (value === undefined) return;
  const kind = signal.startsWith("uncorrected") ? "uncorrectable" : "correctable";
  const [controller = "", part = ""] = device.split("/");
  const number = controller.replace("mc", "");
  const row = signal.endsWith("-unplaced") ? "unknown" : /^csrow(\d+)$/.exec(part)?.[1];
  const metric = (where: string): Metric => ({
    name: `${where === "dimm_" ? "lifeboat" : "node"}_edac_${where}${kind}_errors_total`,
    help: `Total ${kind} memory errors${where === "" ? "" : ` for this ${where.slice(0, -1)}`}.`,
    type: "counter",
  });
  if (row !== undefined) {
    return add(metric("csrow_"), { labels: { controller: number, csrow: row }, value });
  }
  if (part === "") return add(metric(""), { labels: { controller: number }, value });
  add(metric("dimm_"), { labels: { controller: number, dimm: part, label }, value });
}

const ARRAY_STATES = ["active", "inactive", "recovering", "check", "resync", "reshape"];
const ARRAY_STATE: Metric = {
  name: "node_md_state",
  help: "Indicates the state of md-device.",
  type: "gauge",
};

function addArrayState({ device, value: now }: Measured, add: Add): void {
  for (const state of ARRAY_STATES) {
    add(ARRAY_STATE, { labels: { device, state }, value: state === now ? 1 : 0 });
  }
}

const ATTRIBUTE: Metric = {
  name: "smartctl_device_attribute",
  help: "Device attributes",
  type: "gauge",
};

function addAttribute(reading: Measured, add: Add): void {
  const { device, signal, label: attribute_name = "" } = reading;
  const value = scaled(reading, {});
  if (value === undefined) return;
  const attribute_id = signal.slice("smart-".length);
  const labels = { device, attribute_id, attribute_name, attribute_value_type: "raw" };
  add(ATTRIBUTE, { labels, value });
}

function addIpmi(reading: Measured, add: Add): void {
  const named = IPMI[reading.signal];
  const value = scaled(reading, {});
  if (value === undefined) return;
  const name = reading.device.slice("ipmi/".length);
  if (named !== undefined) return add(named, { labels: { name }, value });
  const own = ownMetric(reading);
  const ipmi = { ...own, name: own.name.replace("lifeboat_", "lifeboat_ipmi_") };
  add(ipmi, { labels: { name }, value });
}
