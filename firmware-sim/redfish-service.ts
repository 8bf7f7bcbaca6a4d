/**
 * A simulated server's service processor on its own port, and what its power really is: the
 * processes that stand for what runs on that server.
 * @module
 */
import type { ServerId } from "../protocol/ids.ts";
import type { Clock } from "../runtime/clock.ts";
import type { RunCommand } from "../runtime/command.ts";
import { listenHttps } from "../runtime/https-server.ts";
import type { Log } from "../runtime/log.ts";
import { endProcesses } from "../runtime/processes.ts";
import { readPassword } from "../runtime/secrets.ts";
import { identityOf } from "./certificate.ts";
import type { FirmwareSimFile } from "./config.ts";
import type { Thermal } from "./redfish-resources.ts";
import { type ServiceProcessor, serviceProcessor } from "./service-processor.ts";

export type ServiceConfig = NonNullable<FirmwareSimFile["serviceProcessor"]>;

export interface ServiceOptions {
  readonly serverId: ServerId;
  readonly config: ServiceConfig;
  /** For a key and a certificate of its own making. */
  readonly folder: string;
  readonly clock: Clock;
  readonly run: RunCommand;
  readonly log: Log;
  readonly thermal: () => Thermal;
  /** The server's own firmware ends and begins with its power. */
  readonly stopFirmware: () => Promise<void>;
  readonly startFirmware: () => void;
}

export interface RedfishService {
  readonly processor: ServiceProcessor;
  /** https://HOST:PORT */
  readonly url: string;
  readonly fingerprint: string;
  close(): Promise<void>;
}

/** @throws SystemError CONFIG_INVALID, SECRET_UNUSABLE, COMMAND_NOT_FOUND, LISTEN_FAILED */
export async function startRedfish(options: ServiceOptions): Promise<RedfishService> {
  const { serverId, config, folder, clock, run, log, thermal } = options;
  const { key, certificate, fingerprint } = await identityOf(config.tls, folder, run);
  const processor = serviceProcessor({
    name: serverId,
    uuid: config.uuid,
    login: `${config.username}:${readPassword(config.passwordFile)}`,
    clock,
    thermal,
    powerOff: () => powerOff(options),
    powerOn: options.startFirmware,
    onError: (error) => log.error("The server cannot be switched off", { error }),
  });
  const { port } = config;
  const answer = processor.answer;
  const server = await listenHttps({ port, key, certificate, answer });
  const url = `https://127.0.0.1:${server.port}`;
  log.info("The service processor listens", { url, fingerprint });
  return { processor, url, fingerprint, close: () => server.close() };
}

/** The agent first: it must not see its guests die, and tell of it. */
async function powerOff({ config, clock, log, stopFirmware }: ServiceOptions): Promise<void> {
  const { agentState, agentConfig } = config;
  log.warn("ForceOff: what runs on this server ends", { agentState, agentConfig });
  const firmware = stopFirmware();
  if (agentConfig !== undefined) await endProcesses(isAgent(agentConfig), clock);
  if (agentState !== undefined) await endProcesses(isGuest(agentState), clock);
  await firmware;
}

/** An agent or its worker, started with that configuration. */
function isAgent(config: string): (args: readonly string[]) => boolean {
  return (args) => {
    const main = args.some((arg) => /\/agent\/(worker\/)?main\.ts$/.test(arg));
    return main && args[args.indexOf("--config") + 1] === config;
  };
}

/** A QEMU whose control socket is below that folder: the one argument that is the guest's alone. */
function isGuest(folder: string): (args: readonly string[]) => boolean {
  const wanted = `socket,id=qmp,path=${folder.replace(/\/$/, "")}/`;
  return (args) => args.some((arg) => arg.startsWith(wanted));
}
