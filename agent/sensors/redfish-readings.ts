/**
 * Redfish documents as readings.
 *
 * A sensor that is not enabled (the slot is empty, the host is off) has no reading, whatever number
 * stands there: services put 0 in its place. A threshold of 0 is none.
 * @module
 */
import type { z } from "zod";
import {
  absent,
  type Component,
  type Reading,
  type Sensor,
  type Signal,
} from "../../predictor/reading.ts";
import type {
  PortMetrics,
  port,
  power,
  SensorDocument,
  Status,
  system,
  thermal,
} from "./redfish-schema.ts";

/** Where the documents come from, and which part of the machine they are about. */
export interface Origin {
  readonly chassis: string;
  readonly source: string;
}

interface Range {
  readonly unit: string;
  readonly min: number;
  readonly max: number;
}

const CELSIUS: Range = { unit: "celsius", min: -60, max: 250 };
const RPM: Range = { unit: "rpm", min: 0, max: 100_000 };
const PERCENT: Range = { unit: "percent", min: 0, max: 100 };
const VOLT: Range = { unit: "volt", min: -1_000, max: 1_000 };
const WATT: Range = { unit: "watt", min: 0, max: 1e6 };
const TEXT_CHARACTERS_MAX = 64;

export function thermalReadings(
  { Temperatures, Fans, Redundancy }: z.infer<typeof thermal>,
  origin: Origin,
): readonly Reading[] {
  const temperatures = Temperatures.flatMap((one, index) => {
    const about = of(origin, "temperature", `temperature-${one.MemberId ?? index}`, one.Name);
    return measured(about, one.Status, [
      ["temperature", one.ReadingCelsius, CELSIUS],
      ["temperature-max", limit(one.UpperThresholdNonCritical), CELSIUS],
      ["temperature-critical", limit(one.UpperThresholdCritical), CELSIUS],
      ["temperature-emergency", limit(one.UpperThresholdFatal), CELSIUS],
    ]);
  });
  const fans = Fans.flatMap((one, index) => {
    const name = one.Name ?? one.FanName;
    const about = of(origin, "fan", `fan-${one.MemberId ?? index}`, name);
    const range = one.ReadingUnits?.toLowerCase() === "percent" ? PERCENT : RPM;
    return measured(about, one.Status, [
      ["fan-speed", one.Reading, range],
      ["fan-min", limit(one.LowerThresholdCritical), range],
    ]);
  });
  return [...temperatures, ...fans, ...redundancies(Redundancy, "fan", origin)];
}

export function powerReadings(
  { Voltages, PowerSupplies, PowerControl, Redundancy }: z.infer<typeof power>,
  origin: Origin,
): readonly Reading[] {
  const voltages = Voltages.flatMap((one, index) => {
    const about = of(origin, "power", `voltage-${one.MemberId ?? index}`, one.Name);
    return measured(about, one.Status, [
      ["voltage", one.ReadingVolts, VOLT],
      ["voltage-min", limit(one.LowerThresholdCritical), VOLT],
      ["voltage-max", limit(one.UpperThresholdCritical), VOLT],
    ]);
  });
  const supplies = PowerSupplies.flatMap((one, index) => {
    const about = of(origin, "power", `supply-${one.MemberId ?? index}`, one.Name);
    const watts = one.PowerOutputWatts ?? one.LastPowerOutputWatts;
    return measured(about, one.Status, watts === undefined ? [] : [["power", watts, WATT]]);
  });
  const controls = PowerControl.flatMap((one, index) => {
    const about = of(origin, "power", `consumed-${one.MemberId ?? index}`, one.Name);
    return one.PowerConsumedWatts === undefined
      ? []
      : measured(about, undefined, [["power", one.PowerConsumedWatts, WATT]]);
  });
  const redundant = redundancies(Redundancy, "power", origin);
  return [...voltages, ...supplies, ...controls, ...redundant];
}

const KINDS: readonly (readonly [RegExp, Component, Signal, Range])[] = [
  [/^(cel|temperature)$/i, "temperature", "temperature", CELSIUS],
  [/^(\{rev\}\/min|rpm|rotational)$/i, "fan", "fan-speed", RPM],
  [/^(v|voltage)$/i, "power", "voltage", VOLT],
  [/^(w|power)$/i, "power", "power", WATT],
];

/** One resource of the newer schema; nothing for a kind that no rule looks at. */
export function sensorReadings(one: SensorDocument, origin: Origin): readonly Reading[] {
  const said = [one.ReadingType, one.ReadingUnits].filter((text) => text !== undefined);
  const kind = KINDS.find(([pattern]) => said.some((text) => pattern.test(text)));
  if (kind === undefined) return [];
  const [, component, signal, range] = kind;
  const about = of(origin, component, `sensor-${one.Id ?? one.Name}`, one.Name);
  const { UpperCaution, UpperCritical, UpperFatal, LowerCritical } = one.Thresholds ?? {};
  const limits: Readonly<Partial<Record<Signal, readonly Measure[]>>> = {
    temperature: [
      ["temperature-max", limit(UpperCaution?.Reading), range],
      ["temperature-critical", limit(UpperCritical?.Reading), range],
      ["temperature-emergency", limit(UpperFatal?.Reading), range],
    ],
    "fan-speed": [["fan-min", limit(LowerCritical?.Reading), range]],
    voltage: [
      ["voltage-min", limit(LowerCritical?.Reading), range],
      ["voltage-max", limit(UpperCritical?.Reading), range],
    ],
  };
  return measured(about, one.Status, [[signal, one.Reading, range], ...(limits[signal] ?? [])]);
}

const LINK: Readonly<Record<string, bigint>> = { linkup: 1n, up: 1n, linkdown: 0n, down: 0n };

/** A network port as the service processor sees it; its counters if it keeps any. */
export function portReadings(
  one: z.infer<typeof port>,
  metrics: PortMetrics | undefined,
  adapter: string,
  origin: Origin,
): readonly Reading[] {
  const about = of(origin, "nic", `${adapter}-${one.Id ?? "port"}`, undefined);
  const up = LINK[one.LinkStatus?.toLowerCase() ?? ""];
  const { RXFrames, TXFrames, RXFCSErrors, RXDiscards, TXDiscards } = metrics?.Networking ?? {};
  const counters: readonly (readonly [Signal, number | bigint | undefined])[] = [
    ["carrier", up],
    ["rx-packets", RXFrames],
    ["tx-packets", TXFrames],
    ["rx-crc-errors", RXFCSErrors],
    ["rx-dropped", RXDiscards],
    ["tx-dropped", TXDiscards],
    ["rx-bytes", metrics?.RXBytes],
    ["tx-bytes", metrics?.TXBytes],
  ];
  const told = counters.flatMap(([signal, value]): Reading[] =>
    value === undefined ? [] : [{ ...about, signal, status: "ok", value: BigInt(value) }],
  );
  return [...told, ...health(about, one.Status)];
}

/** What the service says of the machine's memory and processors as a whole. */
export function systemReadings(
  { Id = "system", MemorySummary, ProcessorSummary }: z.infer<typeof system>,
  source: string,
): readonly Reading[] {
  const origin = { chassis: Id, source };
  return [
    ...health(of(origin, "memory", "memory", undefined), MemorySummary?.Status),
    ...health(of(origin, "cpu", "processors", undefined), ProcessorSummary?.Status),
  ];
}

type Measure = readonly [signal: Signal, value: number | undefined, range: Range];
type About = Omit<Sensor, "signal">;

function of(origin: Origin, component: Component, part: string, name: string | undefined): About {
  const plain = (text: string): string => text.replace(/\p{C}/gu, "").slice(0, TEXT_CHARACTERS_MAX);
  const device = `redfish/${plain(origin.chassis)}/${plain(part)}`;
  const { source } = origin;
  return name === undefined
    ? { component, device, source }
    : { component, device, source, label: plain(name) };
}

/** The first measure is the sensor's own; the others are its limits, where it has them. */
function measured(about: About, told: Status, measures: readonly Measure[]): readonly Reading[] {
  const [own] = measures;
  const state = told?.State;
  if (state !== undefined && state !== "Enabled") {
    const sensor: Sensor = { ...about, signal: own?.[0] ?? "health" };
    return [absent(sensor, "missing", `Its state is ${state}`)];
  }
  const readings = measures.flatMap(([signal, value, { unit, min, max }], index): Reading[] => {
    const sensor: Sensor = { ...about, signal };
    if (value === undefined) return index === 0 ? [absent(sensor, "missing", "No reading")] : [];
    if (value >= min && value <= max) return [{ ...sensor, status: "ok", value, unit }];
    return index === 0 ? [absent(sensor, "implausible", `${value} ${unit}`)] : [];
  });
  return [...readings, ...health(about, told)];
}

const HEALTH: Readonly<Record<string, string>> = {
  OK: "ok",
  Warning: "warning",
  Critical: "critical",
};

/** A part that says nothing of its health is not healthy for that: there is no reading. */
function health(about: About, told: Status): readonly Reading[] {
  const value = HEALTH[told?.Health ?? told?.HealthRollup ?? ""];
  return value === undefined ? [] : [{ ...about, signal: "health", status: "ok", value }];
}

function redundancies(
  groups: z.infer<typeof power>["Redundancy"],
  component: "fan" | "power",
  origin: Origin,
): readonly Reading[] {
  return groups.flatMap((one, index) => {
    const about = of(origin, component, `redundancy-${one.MemberId ?? index}`, one.Name);
    return health(about, one.Status);
  });
}

function limit(value: number | undefined): number | undefined {
  return value === 0 ? undefined : value;
}
