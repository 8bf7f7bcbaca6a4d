/**
 * How busy the processors are, from /proc/stat (proc_stat(5)): what temperatures and fans are
 * judged by.
 * @module
 */
import { absent, parseInteger, type Reading, type Sensor } from "../../predictor/reading.ts";
import { bootId, type Probe, type Source, textIn } from "./probe.ts";

const TABLE = "/proc/stat";

export const cpu: Source = {
  name: "cpu",
  signature: () => "",
  find: (files) => (textIn(files, TABLE) === "" ? [] : [loadProbe(bootId(files))]),
};

interface Times {
  readonly busy: bigint;
  readonly all: bigint;
}

/** The share since the probe's last text; nothing after the first. */
function loadProbe(instance: string): Probe {
  const sensor: Sensor = {
    component: "cpu",
    device: "cpu",
    instance,
    signal: "load",
    source: TABLE,
  };
  let before: Times | undefined;
  return {
    path: TABLE,
    sensors: [sensor],
    parse(text): readonly Reading[] {
      const now = timesOf(text);
      if (now === undefined) return [absent(sensor, "unreadable", "No line of all processors")];
      const since = before;
      before = now;
      // Offlined processors take their time with them, and two reads may share a tick.
      if (since === undefined || now.all <= since.all || now.busy < since.busy) return [];
      const value = Number(now.busy - since.busy) / Number(now.all - since.all);
      return [{ ...sensor, status: "ok", value: Math.min(value, 1) }];
    },
  };
}

/** user, nice, system, idle, iowait, irq, softirq, steal; a guest's time is in the user's. */
const FIELDS = 8;
const IDLE = 3;
const IOWAIT = 4;

function timesOf(text: string): Times | undefined {
  const line = /^cpu +(.*)$/m.exec(text)?.[1]?.trim().split(/ +/).slice(0, FIELDS) ?? [];
  const values = line.map(parseInteger);
  if (values.length < FIELDS || values.includes(undefined)) return undefined;
  const times = values as bigint[];
  const all = times.reduce((sum, time) => sum + time, 0n);
  return { busy: all - times[IDLE]! - times[IOWAIT]!, all };
}
