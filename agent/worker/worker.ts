/**
 * The agent's worker: makes the real world's ports and puts the agent together. Its first act,
 * before any link is up, is to settle what the last worker left.
 */
import { readFileSync, statfsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import systeminformation from "systeminformation";
import { loadKernelModule } from "../../epochs/kernel.ts";
import type { AgentCapabilities, Capacity } from "../../protocol/authority.ts";
import { SystemError } from "../../protocol/error.ts";
import { CLOSE } from "../../protocol/handshake.ts";
import type { Principal } from "../../protocol/ids.ts";
import { PROGRAM_VERSION } from "../../protocol/version.ts";
import { formatAddress, isLoopback } from "../../runtime/address.ts";
import { realClock } from "../../runtime/clock.ts";
import { runCommand } from "../../runtime/command.ts";
import { listenData } from "../../runtime/data-link.ts";
import { replaceFile } from "../../runtime/durable.ts";
import { realFiles } from "../../runtime/files.ts";
import { readBootId, readCores, readMemory } from "../../runtime/host.ts";
import { openJournal } from "../../runtime/journal.ts";
import type { Link } from "../../runtime/link.ts";
import { dialLink, type LinkClient } from "../../runtime/link-client.ts";
import { holdLock } from "../../runtime/lock.ts";
import type { Log } from "../../runtime/log.ts";
import { realRandom } from "../../runtime/random.ts";
import { readSecret } from "../../runtime/secrets.ts";
import { realSmallFiles, rootsBelow } from "../../runtime/small-files.ts";
import { measureAnswer } from "../../runtime/tcp-latency.ts";
import { tcpProbe } from "../../runtime/tcp-probe.ts";
import { startThread } from "../../runtime/threads.ts";
import { Agent } from "../agent.ts";
import { record } from "../authority/state.ts";
import { scanThreadsFor } from "../capture/scan-ram.ts";
import type { AgentConfig } from "../config.ts";
import { Hypervisor } from "../hypervisor.ts";
import { probeQemu, type QemuProbe } from "../qemu/probe.ts";
import { watchHealth } from "../uplink/health.ts";

/** Of the host's memory, for guests and their shadows, unless the configuration says more. */
const MEMORY_SHARE = 0.8;
/** How long a worker that is ending may keep the journal. */
const LOCK_MS = 10_000;

export interface Worker {
  /** `host:port` of its data listener. */
  readonly listening: string;
  close(): Promise<void>;
}

/** What only the process itself can tell or do. */
export interface Process {
  readonly residentBytes: () => number;
  /** Lets other work of the event loop go on. */
  readonly breathe: () => Promise<void>;
}

export async function startWorker(
  config: AgentConfig,
  log: Log,
  { residentBytes, breathe }: Process,
): Promise<Worker> {
  const { hostId, stateFolder } = config;
  await mkdir(stateFolder, { recursive: true, mode: 0o700 });
  await holdLock(stateFolder, LOCK_MS, realClock);
  const self: Principal = `agent:${hostId}`;
  const secret = readSecret(config.secretsFolder, self);
  if (secret === undefined) {
    const remedy = `lifeboat secrets create ${self}`;
    const message = `No secret of ${self} in ${config.secretsFolder}: ${remedy}`;
    throw new SystemError("SECRET_UNUSABLE", message);
  }
  const files = realFiles();
  const bootId = await readBootId(files, config.bootId);
  const journal = openJournal(join(stateFolder, "journal"), record);
  if (journal.droppedBytes > 0)
    log.warn("A torn record was dropped", { bytes: journal.droppedBytes });

  let probe: QemuProbe | undefined;
  const hypervisor = new Hypervisor({
    clock: realClock,
    run: runCommand,
    files,
    log,
    probe: () => probe,
    stateFolder,
    ramFolder: config.ramFolder,
    allowUserNetwork: config.allowUserNetwork,
    onDied: (vmId, reason) => agent.dispatch({ type: "guest-died", vmId, reason }),
    onAnswered: (vmId) => agent.answered(vmId),
  });
  const capacity = () => readCapacity(config, hypervisor);
  const dataServer = await listenData({
    host: config.data.host,
    port: config.data.port,
    insecureNetwork: config.insecureNetwork,
    clock: realClock,
    random: realRandom,
    log,
  });
  const dataHost = config.data.advertise ?? config.data.host;
  const dataAddress = formatAddress({ host: dataHost, port: dataServer.port });

  let coordinator: LinkClient | undefined;
  const agent = new Agent({
    hostId,
    bootId,
    clock: realClock,
    random: realRandom,
    log,
    run: runCommand,
    journal,
    files,
    probe: tcpProbe(realClock),
    hypervisor,
    stateFolder,
    dataServer,
    dataAddress,
    module: loadKernelModule(),
    capacity,
    send: (message) => coordinator?.send(message) ?? false,
    breathe,
    scanThreads: (memoryBytes) => config.scanThreads ?? scanThreadsFor(memoryBytes, readCores()),
    startThread,
  });
  await agent.recover();

  probe = await cachedProbe(config, bootId);
  const capabilities = await capabilitiesOf(probe);
  const { qemuVersion, accelerator, acceleratorReason } = probe;
  log.info("QEMU probed", { qemuVersion, accelerator, acceleratorReason });
  /** The whole of what runs here, before anything else is said on a new link. */
  const introduce = async (up: Link): Promise<void> => {
    const insecureNetwork = !isLoopback(config.data.host);
    const able = insecureNetwork ? { ...capabilities, insecureNetwork } : capabilities;
    const identity = { hostId, serverId: config.serverId, bootId, capabilities: able };
    const { capacity: room, vms } = await agent.inventory();
    const agentVersion = PROGRAM_VERSION;
    const about = { agentVersion, capacity: room, address: dataAddress };
    up.send({ type: "inventory", ...identity, ...about, vms });
  };
  const link = { clock: realClock, random: realRandom, log, self, secret };
  coordinator = dialLink({
    ...link,
    peer: "coordinator",
    url: config.coordinator,
    onUp: (up) => {
      introduce(up).catch((error: unknown) => {
        log.error("Cannot tell the coordinator what runs here", { error });
        up.close(CLOSE.goingAway, "no inventory");
      });
    },
    onMessage: (message) => agent.take(message),
    onDown: (reason) => log.warn("The coordinator's link is down", { reason }),
  });
  const health = watchHealth({
    ...link,
    hostId,
    serverId: config.serverId,
    sensors: config.sensors,
    url: config.management,
    spoolPath: join(stateFolder, "spool"),
    files: realFiles(config.sensors.root),
    smallFiles: realSmallFiles(rootsBelow(config.sensors.root), config.sensors.root === ""),
    run: runCommand,
    measure: measureAnswer,
    residentBytes,
    inventory: systeminformation,
  });
  return {
    listening: dataAddress,
    async close() {
      await health.stop();
      await agent.close();
      coordinator?.close();
      await dataServer.close();
    },
  };
}

async function readCapacity(config: AgentConfig, hypervisor: Hypervisor): Promise<Capacity> {
  const { totalBytes } = await readMemory(realFiles());
  const memoryBytes =
    config.memoryMiB === undefined
      ? Math.floor(totalBytes * MEMORY_SHARE)
      : config.memoryMiB * 1024 ** 2;
  const { bavail, bsize } = statfsSync(config.stateFolder);
  const memoryUsedBytes = hypervisor.usedBytes();
  return { memoryBytes, memoryUsedBytes, diskFreeBytes: bavail * bsize };
}

async function capabilitiesOf(probe: QemuProbe): Promise<AgentCapabilities> {
  const text = await readFile("/proc/cpuinfo", "utf8").catch(() => "");
  const flags = /^flags\s*:\s*(.*)$/m.exec(text)?.[1] ?? "";
  const cpuFlags = flags
    .split(" ")
    .filter((flag) => flag !== "")
    .slice(0, 512);
  const { qemuVersion, accelerator, acceleratorReason } = probe;
  return { qemuVersion, accelerator, acceleratorReason, cpuFlags };
}

/** Proving an accelerator starts a guest: once a boot and version is enough. */
async function cachedProbe(config: AgentConfig, bootId: string): Promise<QemuProbe> {
  const path = join(config.stateFolder, "probe.json");
  const fresh = await probeQemu({
    run: runCommand,
    clock: realClock,
    accelerator:
      config.accelerator === "auto" ? (readCached(path, bootId) ?? "auto") : config.accelerator,
    folder: config.stateFolder,
  });
  replaceFile(path, `${JSON.stringify({ bootId, ...fresh })}\n`);
  return fresh;
}

function readCached(path: string, bootId: string): QemuProbe["accelerator"] | undefined {
  try {
    const cached = JSON.parse(readFileSync(path, "utf8")) as {
      bootId?: string;
      accelerator?: string;
    };
    if (cached.bootId !== bootId) return undefined;
    return cached.accelerator === "kvm" || cached.accelerator === "tcg"
      ? cached.accelerator
      : undefined;
  } catch {
    return undefined;
  }
}
