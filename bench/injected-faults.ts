/**
 * Faults put into devices, and how long it takes until they are known: real adapters of this
 * kernel, a guest's NVMe drive, and every fault of a simulated server. Seconds are the clock's for
 * real devices, and the server's own for simulated ones.
 */
import { join } from "node:path";
import { driveFault } from "./faults/drive-fault.ts";
import {
  findSimulated,
  SIMULATED_FAULTS,
  type SimulatedFault,
  type SimulatedFound,
} from "./faults/simulated-faults.ts";
import { tapFaults } from "./faults/tap-faults.ts";
import type { Bench, BenchPorts, Outcome, Row } from "./report.ts";

const CACHE = join(import.meta.dirname, "..", ".cache", "guests");

export const injectedFaultsBench: Bench = {
  name: "injected-faults",
  summary: "Breaks real and simulated devices, and says by which rule it is known, and when.",
  options: {},
  async run(_options, ports) {
    const real = [await flapping(), await warned(ports)];
    const simulated = await Promise.all(SIMULATED_FAULTS.map(playOne));
    const all = [...real, ...simulated];
    return {
      rows: all.flatMap(({ rows }) => rows),
      faults: all.flatMap(({ faults }) => faults),
      notes: [
        "Real devices are read each second. Simulated drives are asked every 5 minutes, and break",
        "right after they were asked (one that hangs is known 10 s later still, when its smartctl",
        "is ended); all else is read each second.",
      ],
    };
  },
};

async function flapping(): Promise<Outcome> {
  const name = "adapter that loses its carrier: after the third loss";
  const input = "TAP device, agent";
  const report = await tapFaults();
  if ("missing" in report) return absent(name, input, report.missing);
  const faults = report.predictions
    .filter(({ device }) => device !== "flapping0")
    .map(({ device, text }) => `${device} is sound: ${text}`);
  const found = report.predictions.find(({ device }) => device === "flapping0");
  if (found === undefined) return { rows: [], faults: [...faults, `${name}: not found`] };
  const said = `${input}: failing, ${found.rules.join(", ")}`;
  return { rows: [{ case: name, input: said, unit: "s", ours: found.seconds }], faults };
}

async function warned({ clock }: BenchPorts): Promise<Outcome> {
  const name = "drive that sets its critical warning";
  const input = "NVMe of a QEMU guest, its smartctl, agent";
  const report = await driveFault(CACHE, clock);
  if ("missing" in report) return absent(name, input, report.missing);
  const { before, rules, seconds } = report;
  const said = `${input}: failing, ${rules.join(", ")}`;
  const faults = before === 0 ? [] : [`${name}: predicted while it was sound`];
  return { rows: [{ case: name, input: said, unit: "s", ours: seconds }], faults };
}

function absent(name: string, input: string, missing: string): Outcome {
  return { rows: [{ case: name, input, unit: "s", ours: Number.NaN, missing }], faults: [] };
}

async function playOne(one: SimulatedFault): Promise<Outcome> {
  const { command, by } = one;
  const name = `${command.type} ${command.fault}`;
  const found = await findSimulated(one);
  const faults = faultsOf(one, found).map((fault) => `${name}, ${by}: ${fault}`);
  return { rows: found === undefined ? [] : [rowOf(name, one, found)], faults };
}

function rowOf(name: string, { by, told, withinSeconds }: SimulatedFault, found: SimulatedFound) {
  const said = [told, ...found.rules].join(", ");
  const input = `simulated ${found.device}, ${by}: ${said}`;
  const { seconds } = found;
  const reached = seconds <= withinSeconds;
  return { case: name, input, unit: "s", ours: seconds, target: withinSeconds, reached } as Row;
}

function faultsOf(
  { rule, withinSeconds }: SimulatedFault,
  found: SimulatedFound | undefined,
): readonly string[] {
  if (found === undefined) return ["not found"];
  return [
    ...(found.falsely > 0 ? ["something was said before it"] : []),
    ...(rule !== undefined && !found.rules.includes(rule) ? [`not by ${rule}`] : []),
    ...(found.seconds > withinSeconds ? [`later than ${withinSeconds} s`] : []),
  ];
}
