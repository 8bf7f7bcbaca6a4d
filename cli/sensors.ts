/**
 * `lifeboat sensors`: what the agent would read of this machine, or of a copy of its files.
 * @module
 */
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { disks } from "../agent/sensors/disks.ts";
import { exact } from "../agent/sensors/exact-json.ts";
import { IPMI_CHARACTERS_MAX, parseIpmi } from "../agent/sensors/ipmi.ts";
import { metricsPage } from "../agent/sensors/metrics.ts";
import { readOnce } from "../agent/sensors/rounds.ts";
import { FILE_SOURCES } from "../agent/sensors/sources.ts";
import type { Reading } from "../predictor/reading.ts";
import { reasonOf, SystemError } from "../protocol/error.ts";
import { runCommand } from "../runtime/command.ts";
import { realSmallFiles, type SmallFiles } from "../runtime/small-files.ts";
import type { GlobalOptions } from "./output.ts";
import { renderTable } from "./table.ts";
import type { World } from "./world.ts";

interface SensorsOptions extends Omit<GlobalOptions, "output"> {
  readonly output: "table" | "json" | "prometheus";
  readonly proc?: string;
  readonly sys?: string;
  readonly ipmi?: string;
  readonly smartctl: boolean;
  readonly watch?: true;
}

const HELP = `
Names and labels of the metrics are those of node_exporter, smartctl_exporter and ipmi_exporter
where they measure the same. With --proc, --sys or --ipmi only those are read, and smartctl is not
asked.

Examples:
  lifeboat sensors
  lifeboat sensors -o prometheus > /var/lib/node_exporter/lifeboat.prom
  lifeboat sensors --proc copy/proc --sys copy/sys -o json
  ipmitool sensor > bmc.txt && lifeboat sensors --ipmi bmc.txt`;

export function addSensorsCommand(program: Command, world: World): void {
  program
    .command("sensors")
    .description("show every sensor of this machine, and why one has no value")
    .option("--proc <dir>", "a copy of /proc to read instead")
    .option("--sys <dir>", "a copy of /sys to read instead")
    .option("--ipmi <file>", "what ipmitool sdr, sdr elist or sensor printed")
    .option("--no-smartctl", "do not ask smartctl for the disks")
    .option("--once", "read once, and end (the default)")
    .option("--watch", "read again every second, until it is ended")
    .addHelpText("after", HELP)
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<SensorsOptions>();
      if (options.watch === true) return watch(world, options);
      world.out(page(await readAll(options), options));
    });
}

const NOWHERE = "/nonexistent";
const WATCH_MS = 1_000;

async function readAll(options: SensorsOptions): Promise<readonly Reading[]> {
  const { proc, sys, ipmi, smartctl } = options;
  const copies = proc !== undefined || sys !== undefined || ipmi !== undefined;
  const files = filesOf(options);
  const readings = [...readOnce(FILE_SOURCES, files, { virtual: true, detail: true })];
  files.close();
  if (ipmi !== undefined) readings.push(...parseIpmi(await readDump(ipmi), ipmi));
  if (smartctl && !copies) {
    readings.push(...(await disks({ command: ["smartctl"] }, runCommand).read()));
  }
  return readings;
}

function filesOf({ proc, sys, ipmi }: SensorsOptions): SmallFiles {
  if (proc === undefined && sys === undefined && ipmi === undefined) {
    return realSmallFiles({ proc: "/proc", sys: "/sys" }, false);
  }
  return realSmallFiles({ proc: proc ?? NOWHERE, sys: sys ?? NOWHERE }, false);
}

/** @throws SystemError FILE_FAILED */
async function readDump(file: string): Promise<string> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new SystemError("FILE_FAILED", `Cannot read ${file}: ${reasonOf(cause)}`, { cause });
  });
  // The newest of a long record is at its end.
  return text.slice(-IPMI_CHARACTERS_MAX);
}

/** Disks are asked once; a second of it would wear them out. */
async function watch(world: World, options: SensorsOptions): Promise<void> {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const forget = world.onSignal(() => resolve());
  const print = async (more: SensorsOptions): Promise<void> => {
    const clear = options.output === "table" ? "\u001b[H\u001b[2J" : "";
    world.out(`${clear}${page(await readAll(more), options)}`);
  };
  await print(options);
  const timer = world.clock.every(WATCH_MS, () => void print({ ...options, smartctl: false }));
  await ended;
  timer.cancel();
  forget();
}

function page(readings: readonly Reading[], { output }: SensorsOptions): string {
  switch (output) {
    case "prometheus":
      return metricsPage(readings);
    case "json":
      return `${JSON.stringify(readings.map(plain), undefined, 2)}\n`;
    case "table":
      return renderTable(
        ["component", "device", "label", "signal", "state", "value", "unit"],
        readings.map((reading) => {
          const { component, device, label, signal, status } = reading;
          const value = status === "ok" ? `${reading.value}` : reading.reason;
          const unit = status === "ok" ? reading.unit : undefined;
          return [component, device, label, signal, status, value, unit];
        }),
      );
  }
}

/** Without bigint: a number where that is exact, else its digits. */
function plain(reading: Reading): object {
  if (reading.status !== "ok" || typeof reading.value !== "bigint") return reading;
  return { ...reading, value: exact(reading.value) };
}
