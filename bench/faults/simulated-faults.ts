/**
 * Every fault of a simulated server, and how long the agent or the adapter's own firmware takes to
 * see it. Its devices tick, its files and smartctl's documents follow, and the production readers
 * read them, at the agent's own pace; only the seconds are the server's own, so a case takes as
 * long as its computation, and the same case always ends in the same second.
 * @module
 */
import { basename } from "node:path";
import { disks } from "../../agent/sensors/disks.ts";
import { readOnce } from "../../agent/sensors/rounds.ts";
import { FILE_SOURCES } from "../../agent/sensors/sources.ts";
import { DEFAULT_PERIODS } from "../../agent/sensors/watch.ts";
import type { BoardFault } from "../../firmware-sim/board.ts";
import { type DiskFault, HANG } from "../../firmware-sim/disks.ts";
import {
  type Devices,
  deviceFiles,
  type FaultCommand,
  startDevices,
  stepDevices,
} from "../../firmware-sim/faults.ts";
import type { NicFault } from "../../firmware-sim/nic.ts";
import { readRegisters } from "../../firmware-sim/nic-firmware.ts";
import { DEFAULT_CONFIG } from "../../predictor/config.ts";
import type { Effect, Rule } from "../../predictor/evidence.ts";
import { type State, start, step } from "../../predictor/predictor.ts";
import type { Reading } from "../../predictor/reading.ts";
import { SystemError } from "../../protocol/error.ts";
import type { RunCommand } from "../../runtime/command.ts";
import { memoryFiles } from "../../runtime/files.ts";
import { memorySmallFiles } from "../../runtime/small-files.ts";
import { firingRules } from "./found.ts";

export type Finder = "agent" | "firmware";

export interface SimulatedFault {
  readonly command: FaultCommand;
  readonly by: Finder;
  /** What is to be said: a risk, or why a sensor has no reading, which is no prediction. */
  readonly told: "suspect" | "failing" | "unreadable" | "missing" | "asleep";
  /** The rule that is to say so; none where a sensor is silent. */
  readonly rule?: Rule;
  /** Of the server's life. */
  readonly withinSeconds: number;
}

export interface SimulatedFound {
  readonly device: string;
  /** Empty where a sensor is silent. */
  readonly rules: readonly Rule[];
  /** Of the server, from the injection. */
  readonly seconds: number;
  /** Before the injection; none of it is true. */
  readonly falsely: number;
}

type Told = SimulatedFault["told"];

function drive(device: string, fault: DiskFault, told: Told, rule?: Rule): SimulatedFault {
  const command = { type: "disk", device, fault } as const;
  // Whatever happens to a drive is seen when it is asked the next time.
  const withinSeconds = DEFAULT_PERIODS.disksMs / 1_000;
  return { command, by: "agent", told, withinSeconds, ...(rule === undefined ? {} : { rule }) };
}

function adapter(
  by: Finder,
  fault: NicFault,
  told: Told,
  rule: Rule,
  withinSeconds: number,
): SimulatedFault {
  return { command: { type: "nic", fault }, by, told, rule, withinSeconds };
}

function board(fault: BoardFault, told: Told, rule: Rule, withinSeconds: number): SimulatedFault {
  return { command: { type: "board", fault }, by: "agent", told, rule, withinSeconds };
}

export const SIMULATED_FAULTS: readonly SimulatedFault[] = [
  drive("sda", "dying", "failing", "two-of-five"),
  drive("sda", "failed", "failing", "health"),
  drive("nvme0", "dying", "failing", "spare"),
  drive("nvme0", "failed", "failing", "critical-warning"),
  drive("sda", "hanging", "unreadable"),
  drive("sda", "garbage", "unreadable"),
  drive("sda", "asleep", "asleep"),
  drive("sda", "gone", "missing"),
  adapter("agent", "crc-errors", "failing", "crc-errors", 60),
  adapter("firmware", "crc-errors", "failing", "crc-errors", 60),
  adapter("agent", "flapping", "failing", "carrier-losses", 6),
  adapter("firmware", "flapping", "failing", "carrier-losses", 6),
  adapter("agent", "unplugged", "suspect", "carrier-losses", 2),
  adapter("firmware", "symbol-errors", "suspect", "symbol-errors", 300),
  adapter("firmware", "fec-corrected", "suspect", "fec-margin", 300),
  adapter("firmware", "fec-errors", "failing", "fec-uncorrectable", 300),
  // It is at its limit after 960 s.
  board("overheating", "failing", "temperature-trend", 900),
  board("fan-failed", "failing", "fan-limit", 5),
  board("fan-slow", "failing", "fan-limit", 65),
  board("voltage-low", "suspect", "power-limit", 5),
  board("memory-uncorrected", "failing", "memory-uncorrected", 2),
  board("memory-corrected", "suspect", "memory-corrected", 3_600),
];

const SECOND_MS = 1_000;
/** Two readings of the disks; the fault comes right after the second, when it waits longest. */
const SOUND_SECONDS = DEFAULT_PERIODS.disksMs / SECOND_MS;
const LATE = 2;

/** Undefined if it is not found in twice the time that it should take. */
export async function findSimulated(one: SimulatedFault): Promise<SimulatedFound | undefined> {
  let devices = startDevices("alpha", "boot-1");
  let state: State = start(0);
  let falsely = 0;
  const read = readerOf(one, () => devices);
  for (let second = -SOUND_SECONDS; second <= LATE * one.withinSeconds; second += 1) {
    const atMs = (second + SOUND_SECONDS) * SECOND_MS;
    const [next, effects] = step(
      state,
      { type: "readings", atMs, readings: await read(atMs) },
      DEFAULT_CONFIG,
    );
    state = next;
    if (second <= 0) falsely += effects.filter(isAlarm).length;
    const told = second <= 0 ? undefined : effects.find((effect) => tells(effect, one));
    if (told !== undefined && told.type !== "prediction") {
      const { component, device } = told;
      const rules = told.type === "risk" ? firingRules(state, component, device) : [];
      return { device: `${component}/${device}`, rules, seconds: second, falsely };
    }
    if (second === 0) devices = stepDevices(devices, { type: "fault", command: one.command });
    devices = stepDevices(devices, { type: "tick" });
  }
  return undefined;
}

function isAlarm(effect: Effect): boolean {
  return effect.type === "risk" && (effect.to === "suspect" || effect.to === "failing");
}

function tells(effect: Effect, { told }: SimulatedFault): boolean {
  if (effect.type === "risk") return effect.to === told;
  return effect.type === "sensor" && effect.status === told;
}

type Read = (atMs: number) => Promise<readonly Reading[]>;

function readerOf({ by, command }: SimulatedFault, devices: () => Devices): Read {
  if (by === "firmware") return () => readRegisters(memoryFiles(filesOf(devices())), "eth0");
  if (command.type !== "disk") {
    const options = { virtual: false, detail: false };
    return async () => readOnce(FILE_SOURCES, memorySmallFiles(filesOf(devices())), options);
  }
  const drives = disks({ command: ["smartctl"] }, smartctlOf(devices));
  return async (atMs) => {
    const scan = atMs % DEFAULT_PERIODS.scanMs === 0 ? await drives.scan() : [];
    return atMs % DEFAULT_PERIODS.disksMs === 0 ? [...scan, ...(await drives.read())] : scan;
  };
}

function filesOf(devices: Devices): Readonly<Record<string, string>> {
  const texts = Object.entries(deviceFiles(devices)).map(([path, text]) => [`/${path}`, text]);
  return Object.fromEntries(texts);
}

/** As firmware-sim/smartctl.mjs, without a process. */
function smartctlOf(devices: () => Devices): RunCommand {
  return async (_file, args) => {
    const name = args.includes("--scan-open") ? "scan" : basename(args.at(-1) ?? "");
    const stdout = deviceFiles(devices())[`smart/${name}.json`] ?? "";
    if (stdout === HANG) throw new SystemError("COMMAND_TIMEOUT", "smartctl did not end");
    const status = /"exit_status": (\d+)/.exec(stdout)?.[1];
    return { code: Number(status ?? 0), stdout, stderr: "" };
  };
}
