/**
 * One simulated server: its devices tick, their files follow on the disk, and its control socket
 * breaks and mends them.
 * @module
 */
import { SystemError } from "../protocol/error.ts";
import type { ServerId } from "../protocol/ids.ts";
import { parseWith } from "../protocol/message.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { seldom } from "../runtime/seldom.ts";
import { boardThermal } from "./board.ts";
import { type ControlAnswer, type ControlRequest, controlRequest } from "./control.ts";
import {
  type Devices,
  deviceFiles,
  type FaultCommand,
  startDevices,
  stepDevices,
  targetOf,
} from "./faults.ts";
import type { Kept } from "./keep-running.ts";
import type { Thermal } from "./redfish-resources.ts";
import type { RedfishService } from "./redfish-service.ts";
import type { Tree } from "./tree.ts";

export interface ServerOptions {
  readonly serverId: ServerId;
  /** The server boots with the simulator: another id each time. */
  readonly bootId: string;
  /** In the time of `clock`, which is the server's own. */
  readonly tickMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly tree: Tree;
  readonly nicFirmware: () => ReturnType<Kept["status"]>;
  /** Undefined while there is none. */
  readonly redfish: () => RedfishService | undefined;
}

export interface SimulatedServer {
  /** Does what one line of the control socket asks, and answers with a line. */
  answer(line: string): Promise<string>;
  thermal(): Thermal;
  /** Stops the devices' time; their files stay as they are. */
  stop(): Promise<void>;
}

/**
 * Resolves once the server's files are there.
 * @throws SystemError FILE_FAILED
 */
export async function startServer(options: ServerOptions): Promise<SimulatedServer> {
  const { serverId, bootId, tickMs, clock, log, tree, nicFirmware, redfish } = options;
  const complain = seldom(clock);
  let devices = startDevices(serverId, bootId);
  let writing: Promise<void> | undefined;

  const write = (): Promise<void> => {
    const done = tree.write(deviceFiles(devices)).finally(() => {
      if (writing === done) writing = undefined;
    });
    writing = done;
    return done;
  };
  /** On a disk that is slower than the ticks, the server's time goes slower too. */
  const tick = (): void => {
    if (writing !== undefined) return;
    devices = stepDevices(devices, { type: "tick" });
    write().catch((error: unknown) => {
      complain((leftOut) => log.error("Cannot show the devices", { error, leftOut }));
    });
  };
  const obey = async (request: ControlRequest): Promise<void> => {
    breakProcessor(redfish(), request);
    for (const command of commandsOf(devices, request)) {
      devices = stepDevices(devices, { type: "fault", command });
      log.info("A device was changed", { ...command });
    }
    if (request.type !== "status") await write();
  };
  await write();
  const timer = clock.every(tickMs, tick);
  return {
    async answer(line) {
      const answer = await obeyed(obey, line);
      return JSON.stringify(answer ?? statusOf(serverId, devices, nicFirmware(), redfish()));
    },
    thermal: () => boardThermal(devices.boards[0]!),
    async stop() {
      timer.cancel();
      await writing?.catch(() => undefined);
    },
  };
}

/** @throws SystemError USAGE */
function commandsOf(devices: Devices, request: ControlRequest): readonly FaultCommand[] {
  switch (request.type) {
    case "status":
    case "service-processor":
      return [];
    case "reset":
      return [
        ...devices.disks.map(({ name }) => mending("disk", name)),
        ...devices.adapters.map(({ name }) => mending("nic", name)),
        ...devices.boards.map(({ name }) => mending("board", name)),
      ];
    case "disk":
    case "nic":
    case "board":
      return [requireTarget(devices, request)];
  }
}

/** @throws SystemError USAGE */
function breakProcessor(service: RedfishService | undefined, request: ControlRequest): void {
  if (request.type === "reset") service?.processor.break("none");
  if (request.type !== "service-processor") return;
  if (service === undefined) throw new SystemError("USAGE", "It has no service processor");
  service.processor.break(request.fault);
}

function mending(type: FaultCommand["type"], device: string): FaultCommand {
  return { type, device, fault: "none" };
}

function requireTarget(devices: Devices, command: FaultCommand): FaultCommand {
  const device = targetOf(devices, command);
  if (device !== undefined) return { ...command, device };
  throw new SystemError("USAGE", `The server has no ${command.type} ${command.device ?? "at all"}`);
}

/** The refusal of a line, or nothing once it is done. */
async function obeyed(
  obey: (request: ControlRequest) => Promise<void>,
  line: string,
): Promise<ControlAnswer | undefined> {
  try {
    await obey(parseWith(controlRequest, line));
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof SystemError)) throw thrown;
    const { code, message: reason } = thrown;
    const known = code === "USAGE" || code === "FILE_FAILED" ? code : "MESSAGE_INVALID";
    return { ok: false, code: known, reason };
  }
}

function statusOf(
  serverId: ServerId,
  { disks, adapters, boards }: Devices,
  nicFirmware: ReturnType<Kept["status"]>,
  service: RedfishService | undefined,
): ControlAnswer {
  const brief = ({ name, fault }: { readonly name: string; readonly fault: string }) => ({
    name,
    fault,
  });
  return {
    ok: true,
    serverId,
    disks: disks.map(brief),
    adapters: adapters.map(brief),
    boards: boards.map(brief),
    nicFirmware,
    ...(service === undefined ? {} : { serviceProcessor: processorStatus(service) }),
  };
}

function processorStatus({ url, fingerprint, processor }: RedfishService) {
  return { url, fingerprint, ...processor.status() };
}
