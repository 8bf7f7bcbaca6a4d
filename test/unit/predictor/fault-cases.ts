// Faults of every component but disks' SMART: what a device says before and after second 0.
import type { Component, Signal } from "../../../predictor/reading.ts";
import { normals } from "./noise.ts";

type Values = { readonly [signal in Signal]?: number | bigint | string };

export interface FaultCase {
  readonly what: string;
  readonly component: Component;
  readonly values: (second: number) => Values;
  /** The worst risk, when it was reached, and by which signal. */
  readonly risk: "healthy" | "suspect" | "failing" | "unknown";
  readonly afterSeconds?: number;
  readonly signal?: Signal;
  readonly seconds?: number;
  readonly stepSeconds?: number;
}

const grown = (second: number, each: number): bigint =>
  BigInt(Math.max(0, Math.floor(second * each)));
const WARM = { "temperature-max": 80, "temperature-critical": 95 };
const SOUND = { "fan-min": 600, "fan-alarm": 0, "fan-fault": 0 };
const next = normals(20);

export const FAULT_CASES: readonly FaultCase[] = [
  {
    what: "a temperature at its critical limit",
    component: "temperature",
    values: (second) => ({ ...WARM, temperature: second < 0 ? 60 : 96 }),
    risk: "failing",
    afterSeconds: 2,
    signal: "temperature",
  },
  {
    what: "one reading at the critical limit",
    component: "temperature",
    values: (second) => ({ ...WARM, temperature: second === 5 ? 120 : 60 }),
    risk: "healthy",
  },
  {
    what: "an alarm of the chip",
    component: "temperature",
    values: (second) => ({ temperature: 60, "temperature-alarm": second < 0 ? 0 : 1 }),
    risk: "failing",
    afterSeconds: 2,
    signal: "temperature-alarm",
  },
  {
    what: "an alarm of the chip's lower limit",
    component: "temperature",
    values: (second) => ({ temperature: 60, "temperature-max-alarm": second < 0 ? 0 : 1 }),
    risk: "suspect",
    afterSeconds: 600,
  },
  {
    what: "a broken sensor",
    component: "temperature",
    values: () => ({ ...WARM, temperature: 127, "temperature-fault": 1 }),
    risk: "unknown",
  },
  {
    what: "a temperature above its maximum for ten minutes",
    component: "temperature",
    values: (second) => ({ ...WARM, temperature: second < 0 ? 60 : 85 }),
    risk: "suspect",
    afterSeconds: 600,
  },
  {
    what: "a temperature above its maximum for nine minutes",
    component: "temperature",
    values: (second) => ({ ...WARM, temperature: second < 0 || second > 540 ? 60 : 85 }),
    risk: "healthy",
  },
  {
    what: "a temperature on its way to the limit",
    component: "temperature",
    values: (second) => {
      const temperature = Math.round(75 + Math.max(0, second) / 50 + 0.3 * next());
      return { "temperature-critical": 95, temperature };
    },
    risk: "failing",
    signal: "temperature",
    seconds: 950,
  },
  {
    what: "work that warms a processor towards its limit and no further",
    component: "temperature",
    values: (second) => {
      const warmth = 30 * (1 - Math.exp(-Math.max(0, second) / 120));
      return { "temperature-critical": 95, temperature: Math.round(60 + warmth + 0.3 * next()) };
    },
    risk: "healthy",
  },
  {
    what: "a limit that nobody has set",
    component: "temperature",
    values: () => ({ temperature: 40, "temperature-max": 0, "temperature-critical": -273 }),
    risk: "unknown",
  },
  {
    what: "the only fan, with a fault",
    component: "fan",
    values: (second) => ({ ...SOUND, "fan-speed": 5_000, "fan-fault": second < 0 ? 0 : 1 }),
    risk: "failing",
    afterSeconds: 2,
    signal: "fan-alarm",
  },
  {
    what: "the only fan, too slow",
    component: "fan",
    values: (second) => ({ ...SOUND, "fan-speed": second < 0 ? 5_000 : 300 }),
    risk: "failing",
    afterSeconds: 60,
    signal: "fan-speed",
  },
  {
    what: "a fan that starts slowly",
    component: "fan",
    values: (second) => ({ ...SOUND, "fan-speed": second > 0 && second < 50 ? 300 : 5_000 }),
    risk: "healthy",
  },
  {
    what: "an empty fan header",
    component: "fan",
    values: () => ({ "fan-speed": 0 }),
    risk: "unknown",
  },
  {
    what: "a worn bearing, at the same duty",
    component: "fan",
    values: (second) => ({
      "fan-duty": 100,
      "fan-speed": (second < 400 * 3_600 ? 5_000 : 4_000) * (1 + 0.01 * next()),
    }),
    risk: "suspect",
    seconds: 430 * 3_600,
    stepSeconds: 1_800,
  },
  {
    what: "a voltage outside its limits",
    component: "power",
    values: (second) => {
      return { voltage: second < 0 ? 12 : 13.4, "voltage-min": 11.4, "voltage-max": 12.6 };
    },
    risk: "suspect",
    afterSeconds: 2,
  },
  {
    what: "a supply with an alarm and no spare",
    component: "power",
    values: (second) => ({
      "power-alarm": second < 0 ? 0 : 1,
      redundancy: second < 5 ? "ok" : "lost",
    }),
    risk: "failing",
    afterSeconds: 7,
    signal: "power-alarm",
  },
  {
    what: "limits of zero",
    component: "power",
    values: () => ({ voltage: 12, "voltage-min": 0, "voltage-max": 0 }),
    risk: "healthy",
  },
  {
    what: "a word of memory that could not be corrected",
    component: "memory",
    values: (second) => ({ "corrected-errors": 0n, "uncorrected-errors": second < 0 ? 0n : 1n }),
    risk: "failing",
    afterSeconds: 0,
    signal: "uncorrected-errors",
  },
  {
    what: "memory that corrects an error a minute",
    component: "memory",
    values: (second) => ({ "corrected-errors": grown(second, 1 / 60), "uncorrected-errors": 0n }),
    risk: "suspect",
    seconds: 4 * 3_600,
    stepSeconds: 10,
  },
  {
    what: "memory with one burst of corrected errors",
    component: "memory",
    values: (second) => ({
      "corrected-errors": second < 0 ? 0n : 5_000n,
      "uncorrected-errors": 0n,
    }),
    risk: "healthy",
    seconds: 4 * 3_600,
    stepSeconds: 10,
  },
  {
    what: "a fatal error of PCIe",
    component: "pcie",
    values: (second) => ({ "fatal-errors": second < 0 ? 2n : 3n, "nonfatal-errors": 0n }),
    risk: "failing",
    afterSeconds: 0,
    signal: "fatal-errors",
  },
  {
    what: "one lost transaction, then more",
    component: "pcie",
    values: (second) => ({ "fatal-errors": 0n, "nonfatal-errors": grown(second, 1 / 100) }),
    risk: "failing",
    afterSeconds: 300,
    signal: "nonfatal-errors",
  },
  {
    what: "corrected errors of PCIe, ten a second",
    component: "pcie",
    values: (second) => ({ "fatal-errors": 0n, "corrected-errors": grown(second, 10) }),
    risk: "suspect",
    seconds: 3_600,
  },
  {
    what: "codewords beyond correction, again and again",
    component: "nic",
    values: (second) => ({ "fec-corrected": 0n, "fec-uncorrectable": grown(second, 1) }),
    risk: "failing",
    signal: "fec-uncorrectable",
    seconds: 120,
  },
  {
    what: "three codewords beyond correction, once",
    component: "nic",
    values: (second) => ({ "fec-corrected": 0n, "fec-uncorrectable": second < 0 ? 0n : 3n }),
    risk: "suspect",
    afterSeconds: 0,
  },
  {
    what: "a fifth of all codewords in need of correction",
    component: "nic",
    // 25 Gbit/s are 4.6 million codewords a second.
    values: (second) => ({
      speed: 25_000,
      "rx-packets": 0n,
      "fec-corrected": grown(second, 9.2e5),
    }),
    risk: "suspect",
    seconds: 600,
  },
  {
    what: "nearly all codewords in need of correction",
    component: "nic",
    values: (second) => ({
      speed: 25_000,
      "rx-packets": 0n,
      "fec-corrected": grown(second, 4.4e6),
    }),
    risk: "failing",
    signal: "fec-corrected",
    seconds: 600,
  },
  {
    what: "symbol errors above the objective",
    component: "nic",
    // 10 Gbit/s: one error in 1e9 bits.
    values: (second) => ({ "symbol-errors": grown(second, 10) }),
    risk: "suspect",
    seconds: 600,
  },
  {
    what: "light that goes out",
    component: "nic",
    values: (second) => ({ "rx-power": (second < 200 * 3_600 ? -3 : -7) + 0.1 * next() }),
    risk: "suspect",
    seconds: 220 * 3_600,
    stepSeconds: 1_800,
  },
  {
    what: "ten losses of carrier a day, never three at once",
    component: "nic",
    values: (second) => ({ "carrier-losses": grown(second, 10 / 86_400), carrier: 1n }),
    risk: "failing",
    signal: "carrier-losses",
    seconds: 4 * 86_400,
    stepSeconds: 60,
  },
  {
    what: "a service processor that says critical",
    component: "cpu",
    values: (second) => ({ health: second < 0 ? "ok" : "critical" }),
    risk: "failing",
    afterSeconds: 2,
    signal: "health",
  },
  {
    what: "a service processor that says warning",
    component: "memory",
    values: (second) => ({ health: second < 0 ? "ok" : "warning" }),
    risk: "suspect",
    afterSeconds: 2,
  },
  {
    what: "a drive below its spare",
    component: "disk",
    values: (second) => {
      return { health: "passed", "available-spare": second < 0 ? 80 : 5, "spare-threshold": 10 };
    },
    risk: "failing",
    afterSeconds: 0,
    signal: "available-spare",
  },
  {
    what: "a virtual drive, which knows of no spare",
    component: "disk",
    values: () => ({ health: "passed", "available-spare": 0, "spare-threshold": 0 }),
    risk: "healthy",
  },
  {
    what: "a drive that is used up",
    component: "disk",
    values: (second) => ({ health: "passed", "percentage-used": second < 0 ? 99 : 100 }),
    risk: "suspect",
    afterSeconds: 0,
  },
  {
    what: "media errors, one in two hours",
    component: "disk",
    values: (second) => ({ health: "passed", "media-errors": grown(second, 1 / 7_200) }),
    risk: "failing",
    signal: "media-errors",
    seconds: 5 * 86_400,
    stepSeconds: 300,
  },
  {
    what: "grown defects that grow",
    component: "disk",
    values: (second) => ({ health: "passed", "grown-defects": second < 0 ? 40n : 41n }),
    risk: "suspect",
    afterSeconds: 0,
  },
  {
    what: "grown defects that do not",
    component: "disk",
    values: () => ({ health: "passed", "grown-defects": 40n }),
    risk: "healthy",
  },
  {
    what: "two uncorrected errors of a SCSI drive",
    component: "disk",
    values: (second) => ({ health: "passed", "uncorrected-errors": second < 0 ? 0n : 2n }),
    risk: "failing",
    afterSeconds: 0,
    signal: "uncorrected-errors",
  },
  {
    what: "commands that fail",
    component: "disk",
    values: (second) => ({ "io-errors": grown(second, 1 / 100) }),
    risk: "suspect",
    afterSeconds: 300,
  },
  {
    what: "an array that lacks a member",
    component: "disk",
    values: (second) => ({ "array-degraded": second < 0 ? 0 : 1 }),
    risk: "suspect",
    afterSeconds: 0,
  },
];
