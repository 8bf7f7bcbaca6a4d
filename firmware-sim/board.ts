/**
 * A simulated board: a processor's temperature, a fan, a voltage and a memory module, as the
 * kernel shows them below /sys/class/hwmon and /sys/devices/system/edac, tick by tick.
 * @module
 */

import type { Thermal } from "./redfish-resources.ts";

export type BoardFault =
  | "none"
  | "overheating"
  | "fan-failed"
  | "fan-slow"
  | "voltage-low"
  | "memory-corrected"
  | "memory-uncorrected";

export interface SimulatedBoard {
  readonly name: string;
  readonly fault: BoardFault;
  readonly ticks: number;
  readonly millicelsius: number;
  readonly corrected: bigint;
  readonly uncorrected: bigint;
}

export function startBoard(name: string): SimulatedBoard {
  const counts = { corrected: 0n, uncorrected: 0n };
  return { name, fault: "none", ticks: 0, millicelsius: 52_000, ...counts };
}

/** A fault shows from the next tick on; "none" mends it, and the counters stay. */
export function faultBoard(board: SimulatedBoard, fault: BoardFault): SimulatedBoard {
  return { ...board, fault };
}

const MILLICELSIUS_USUAL = 52_000;
const MILLICELSIUS_MAX = 105_000;
/** A pump or a fan that stands: a degree in twenty ticks, and back again faster. */
const WARMING = 50;
const COOLING = 500;
const CORRECTED_PER_TICK = 2n;

export function tickBoard(board: SimulatedBoard): SimulatedBoard {
  const { fault, millicelsius, corrected, uncorrected, ticks } = board;
  const hot = fault === "overheating";
  return {
    ...board,
    ticks: ticks + 1,
    millicelsius: hot
      ? Math.min(MILLICELSIUS_MAX, millicelsius + WARMING)
      : Math.max(MILLICELSIUS_USUAL, millicelsius - COOLING),
    corrected: corrected + (fault === "memory-corrected" ? CORRECTED_PER_TICK : 0n),
    uncorrected: uncorrected + (fault === "memory-uncorrected" && uncorrected === 0n ? 1n : 0n),
  };
}

/** A gauge that never moves is a stuck one: real ones flicker by a step. */
function flicker({ ticks }: SimulatedBoard, step: number): number {
  return ((ticks * 7) % 3) * step;
}

const TURNS = 4_800;
const TURNS_SLOW = 350;

function turnsOf(board: SimulatedBoard): number {
  switch (board.fault) {
    case "fan-failed":
      return 0;
    case "fan-slow":
      return TURNS_SLOW;
    case "none":
    case "overheating":
    case "voltage-low":
    case "memory-corrected":
    case "memory-uncorrected":
      return TURNS + flicker(board, 15);
  }
}

/** What a service processor measures of the board. */
export function boardThermal(board: SimulatedBoard): Thermal {
  const temperatureCelsius = Math.round(board.millicelsius / 1_000);
  return { temperatureCelsius, turnsPerMinute: turnsOf(board) };
}

/** The board's files, by path below the server's root. */
export function boardFiles(board: SimulatedBoard): Readonly<Record<string, string>> {
  const { fault, millicelsius, corrected, uncorrected } = board;
  const values: Readonly<Record<string, string | number | bigint>> = {
    "class/hwmon/hwmon0/name": "coretemp",
    "class/hwmon/hwmon0/temp1_label": "Package id 0",
    "class/hwmon/hwmon0/temp1_input": millicelsius + flicker(board, 100),
    "class/hwmon/hwmon0/temp1_max": 85_000,
    "class/hwmon/hwmon0/temp1_crit": 100_000,
    "class/hwmon/hwmon0/temp1_crit_alarm": millicelsius >= 100_000 ? 1 : 0,
    "class/hwmon/hwmon1/name": "nct6798",
    "class/hwmon/hwmon1/fan1_input": turnsOf(board),
    "class/hwmon/hwmon1/fan1_min": 600,
    "class/hwmon/hwmon1/fan1_alarm": fault === "fan-failed" ? 1 : 0,
    "class/hwmon/hwmon1/pwm1": 120,
    "class/hwmon/hwmon1/in0_input": (fault === "voltage-low" ? 10_900 : 12_000) + flicker(board, 8),
    "class/hwmon/hwmon1/in0_min": 11_400,
    "class/hwmon/hwmon1/in0_max": 12_600,
    "devices/system/edac/mc/mc0/mc_name": "simulated",
    "devices/system/edac/mc/mc0/ce_count": corrected,
    "devices/system/edac/mc/mc0/ue_count": uncorrected,
    "devices/system/edac/mc/mc0/dimm0/dimm_label": "DIMM_A1",
    "devices/system/edac/mc/mc0/dimm0/dimm_ce_count": corrected,
    "devices/system/edac/mc/mc0/dimm0/dimm_ue_count": uncorrected,
  };
  const lines = Object.entries(values).map(([file, value]) => [`sys/${file}`, `${value}\n`]);
  return Object.fromEntries(lines);
}
