/**
 * `lifeboat firmware-sim`: one simulated server, and its faults on demand.
 * @module
 */
import { fileURLToPath } from "node:url";
import { Argument, type Command } from "commander";
import { firmwareSimFile, serverFolders } from "../firmware-sim/config.ts";
import {
  boardFault,
  type ControlRequest,
  controlAnswer,
  controlRequest,
  diskFault,
  nicFault,
  processorFault,
  type ServerStatus,
} from "../firmware-sim/control.ts";
import { SystemError } from "../protocol/error.ts";
import { type ServerId, serverId } from "../protocol/ids.ts";
import { parseWith } from "../protocol/message.ts";
import { askControl } from "../runtime/control-socket.ts";
import { defaultState, readConfig } from "../runtime/site.ts";
import { parsedBy } from "./arguments.ts";
import { type GlobalOptions, optionsOf, show } from "./output.ts";
import { foreground } from "./servers.ts";
import { renderTable } from "./table.ts";
import type { World } from "./world.ts";

const MAIN = fileURLToPath(new URL("../firmware-sim/main.ts", import.meta.url));
const ANSWER_MS = 5_000;

interface ServerOptions extends GlobalOptions {
  readonly server?: ServerId;
}

interface FaultOptions extends ServerOptions {
  readonly kind?: string;
  readonly device?: string;
}

const HELP = `
It shows a server's disks, network adapter, sensors and memory as files, for the agent of that
server to read (its \`sensors\` section), and runs the firmware of the adapter, which predicts for
itself.

Examples:
  lifeboat firmware-sim --config alpha.yaml
  lifeboat firmware-sim fault disk --server alpha
  lifeboat firmware-sim fault nic --server alpha --kind flapping
  lifeboat firmware-sim fault board --server alpha --kind fan-failed
  lifeboat firmware-sim fault service-processor --server alpha --kind lying
  lifeboat firmware-sim reset --server alpha`;

const FAULT_HELP = `
Kinds of a disk:  ${diskFault.options.join(", ")}
Kinds of a nic:   ${nicFault.options.join(", ")}
Kinds of a board: ${boardFault.options.join(", ")}
Kinds of the service-processor: ${processorFault.options.join(", ")}`;

const KINDS = {
  disk: diskFault,
  nic: nicFault,
  board: boardFault,
  "service-processor": processorFault,
} as const;
type Part = keyof typeof KINDS;

export function addFirmwareSimCommands(program: Command, world: World): void {
  const simulator = program
    .command("firmware-sim")
    .description("run a simulated server: its disks, its network adapter, its NIC firmware")
    .addHelpText("after", HELP)
    .action((_options, command: Command) => simulate(world, optionsOf(command)));
  const ofServer = (name: string, description: string): Command =>
    simulator
      .command(name)
      .description(description)
      .option("--server <server>", "which one (default: that of --config)", parsedBy(serverId));
  ofServer("fault", "break a device of a simulated server that is running")
    .addArgument(new Argument("<component>", "what breaks").choices(Object.keys(KINDS)))
    .option("--kind <kind>", "how (default: the first of its kinds)")
    .option("--device <name>", "which one, as sda or eth0 (default: the first)")
    .addHelpText("after", FAULT_HELP)
    .action((component: Part, _options, command: Command) => {
      const options = optionsOf<FaultOptions>(command);
      return tell(world, options, faultOf(component, options));
    });
  ofServer("reset", "mend every device of a simulated server").action(
    (_options, command: Command) =>
      tell(world, optionsOf<ServerOptions>(command), { type: "reset" }),
  );
  ofServer("status", "show how the devices of a simulated server are").action(
    (_options, command: Command) =>
      tell(world, optionsOf<ServerOptions>(command), { type: "status" }),
  );
}

async function simulate(world: World, { config, state }: GlobalOptions): Promise<void> {
  if (config === undefined) {
    throw new SystemError("USAGE", "lifeboat firmware-sim needs --config FILE");
  }
  const where = state === undefined ? [] : ["--state", state];
  await foreground(world, MAIN, ["--config", config, ...where, "--with-parent"]);
}

/** @throws SystemError USAGE */
function faultOf(component: Part, { kind, device }: FaultOptions): ControlRequest {
  const kinds = KINDS[component];
  const fault = kind ?? kinds.options[0];
  const parsed = controlRequest.safeParse({ type: component, fault, device });
  if (parsed.success) return parsed.data;
  const reason = `Cannot break ${component} ${device ?? ""} by ${fault}`.replace("  ", " ");
  throw new SystemError("USAGE", `${reason}. Kinds: ${kinds.options.join(", ")}`);
}

/** @throws SystemError USAGE, UNREACHABLE, TIMED_OUT, FILE_FAILED */
async function tell(world: World, options: ServerOptions, request: ControlRequest): Promise<void> {
  const file =
    options.config === undefined ? undefined : readConfig(options.config, firmwareSimFile);
  const server = options.server ?? file?.serverId;
  if (server === undefined) throw new SystemError("USAGE", "Say which server: --server NAME");
  const state = options.state ?? file?.state ?? defaultState(world.site);
  const path = serverFolders(state, server).control;
  const line = await askControl(path, JSON.stringify(request), ANSWER_MS);
  const answer = parseWith(controlAnswer, line);
  if (!answer.ok) throw new SystemError(answer.code, answer.reason);
  show(world, options.output, answer, () => statusTable(answer));
}

function statusTable(status: ServerStatus): string {
  const { disks, adapters, boards, nicFirmware, serviceProcessor } = status;
  const { pid, restarts } = nicFirmware;
  const rows = [
    ...disks.map(({ name, fault }) => ["disk", name, fault]),
    ...adapters.map(({ name, fault }) => ["nic", name, fault]),
    ...boards.map(({ name, fault }) => ["board", name, fault]),
    ["firmware", "nic", pid === undefined ? "not running" : `pid ${pid}, restarts ${restarts}`],
    ...(serviceProcessor === undefined ? [] : [processorRow(serviceProcessor)]),
  ];
  return renderTable(["part", "name", "fault"], rows);
}

function processorRow({ url, power, fault }: NonNullable<ServerStatus["serviceProcessor"]>) {
  return ["service-processor", `${url} ${power}`, fault];
}
