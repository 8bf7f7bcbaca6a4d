/**
 * `lifeboat vms` and `lifeboat vm run|stop|console`.
 * @module
 */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { parseDefinition } from "../agent/qemu/definition.ts";
import type { Status, VmStatus } from "../management/status.ts";
import type { GuestDefinition } from "../protocol/definition.ts";
import { reasonOf, SystemError } from "../protocol/error.ts";
import { CONSOLE_BYTES_MAX } from "../protocol/evacuation.ts";
import { type HostId, hostId } from "../protocol/ids.ts";
import { findVm, parsedBy, wholeNumber } from "./arguments.ts";
import { type Client, withClient } from "./client.ts";
import { type GlobalOptions, optionsOf, show } from "./output.ts";
import { readStatus, vmsTable } from "./status.ts";
import type { World } from "./world.ts";

const POLL_MS = 500;

export function addVmCommands(program: Command, world: World): void {
  program
    .command("vms")
    .description("list the VMs")
    .action(async (_options, command: Command) => {
      const options = optionsOf(command);
      const status = await readStatus(world, options);
      show(world, options.output, status.vms, () => vmsTable(status));
    });
  const vm = program.command("vm").description("run or stop a VM, or read its console");
  addRun(vm, world);
  addStop(vm, world);
  addConsole(vm, world);
}

const RUN_HELP = `
FILE is YAML:
  id: 6f1c2a44-1111-4222-8333-444455556666   # a UUID: uuidgen makes one
  name: web
  memoryMiB: 128
  vcpus: 1
  boot: { disk: vda }                        # or { kernel: /…, initrd: /…, append: … }
  disks: [{ id: vda, path: /srv/web.qcow2, format: qcow2 }]
  network: [{ mode: tap, interface: tap0 }]

Examples:
  lifeboat vm run web.yaml --host alpha
  lifeboat vm run web.yaml --host alpha --no-wait`;

interface RunOptions extends GlobalOptions {
  readonly host: HostId;
  readonly wait: boolean;
  readonly timeout: number;
}

function addRun(vm: Command, world: World): void {
  vm.command("run")
    .description("start a VM on a host; a known one where its disks are")
    .argument("<file>", "its definition")
    .requiredOption("--host <host>", "where", parsedBy(hostId))
    .option("--no-wait", "do not wait until it runs")
    .option("--timeout <seconds>", "how long to wait", wholeNumber(1, 86_400), 120)
    .addHelpText("after", RUN_HELP)
    .action(async (path: string, _options, command: Command) => {
      const options = optionsOf<RunOptions>(command);
      const definition = readDefinition(path);
      const result = await withClient(world, options, async (client) => {
        await client.ask({ method: "vm-run", hostId: options.host, definition }, 70_000);
        return options.wait ? untilRunning(world, client, definition, options) : undefined;
      });
      show(world, options.output, result ?? { vmId: definition.id, hostId: options.host }, () => {
        const what = result === undefined ? "will run" : "runs";
        return `${definition.name} (${definition.id}) ${what} on ${options.host}\n`;
      });
    });
}

function readDefinition(path: string): GuestDefinition {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new SystemError("USAGE", `Cannot read ${path}: ${reasonOf(cause)}`, { cause });
  }
  return parseDefinition(text, path);
}

async function untilRunning(
  world: World,
  client: Client,
  { id }: GuestDefinition,
  { timeout }: RunOptions,
): Promise<VmStatus> {
  const deadlineMs = world.clock.nowMs() + timeout * 1_000;
  for (;;) {
    const { vms } = await client.ask<Status>({ method: "status" });
    const vm = vms.find((one) => one.vmId === id);
    if (vm?.phase === "active" && vm.guest === "running") return vm;
    if (world.clock.nowMs() >= deadlineMs) {
      const why = vm?.held ?? `it is ${vm?.phase ?? "unknown"}, its guest ${vm?.guest ?? "absent"}`;
      throw new SystemError("TIMED_OUT", `The VM does not run after ${timeout} s: ${why}`);
    }
    await world.clock.sleep(POLL_MS);
  }
}

function addStop(vm: Command, world: World): void {
  vm.command("stop")
    .description("end a VM; its disks stay where they are")
    .argument("<vm>", "its id or name")
    .action(async (text: string, _options, command: Command) => {
      const options = optionsOf(command);
      const stopped = await withClient(world, options, async (client) => {
        const found = findVm(await client.ask<Status>({ method: "status" }), text);
        await client.ask({ method: "vm-stop", vmId: found.vmId });
        return found;
      });
      const { vmId, name } = stopped;
      show(world, options.output, { vmId, name }, () => `${name} (${vmId}) is being stopped\n`);
    });
}

interface ConsoleOptions extends GlobalOptions {
  readonly follow?: boolean;
}

function addConsole(vm: Command, world: World): void {
  vm.command("console")
    .description("print the last of a VM's serial console")
    .argument("<vm>", "its id or name")
    .option("-f, --follow", "go on as it grows, until Ctrl-C")
    .action(async (text: string, _options, command: Command) => {
      const options = optionsOf<ConsoleOptions>(command);
      await withClient(world, options, async (client) => {
        const found = findVm(await client.ask<Status>({ method: "status" }), text);
        await printConsole(world, client, found, options);
      });
    });
}

/** What `vm-console` answers. */
interface ConsolePart {
  readonly offset: number;
  readonly size: number;
  readonly base64: string;
}

async function printConsole(
  world: World,
  client: Client,
  { vmId }: VmStatus,
  { follow = false, output }: ConsoleOptions,
): Promise<void> {
  const decoder = new TextDecoder();
  let offset = -CONSOLE_BYTES_MAX;
  for (;;) {
    const part = await client.ask<ConsolePart>({ method: "vm-console", vmId, offset });
    const bytes = Buffer.from(part.base64, "base64");
    const text = decoder.decode(bytes, { stream: follow });
    if (output === "json") world.out(`${JSON.stringify({ vmId, offset: part.offset, text })}\n`);
    else world.out(consoleText(text));
    // A console that began anew, as after a move, is shorter than what was read.
    offset = part.size < part.offset ? 0 : part.offset + bytes.length;
    if (!follow) return;
    if (offset >= part.size) await world.clock.sleep(POLL_MS);
  }
}

/** A guest's text without what would drive the operator's terminal; lines stay lines. */
export function consoleText(text: string): string {
  const escaped = (character: string): string =>
    `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  return text.replaceAll("\r", "").replaceAll(/[^\P{C}\n\t]/gu, escaped);
}
