/**
 * The demo's site: three hosts, of which some have simulated hardware, and two guests on alpha.
 * @module
 */
import { mkdtempSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type ServerFolders, serverFolders, smartctlOf } from "../../firmware-sim/config.ts";
import type { GuestDefinition } from "../../protocol/definition.ts";
import { SystemError } from "../../protocol/error.ts";
import { type HostId, serverId, type VmId } from "../../protocol/ids.ts";
import { NODE_PATH } from "../../runtime/program.ts";
import type { World } from "../world.ts";
import { Fleet } from "./fleet.ts";
import { counterGuest, linuxGuest } from "./guests.ts";
import { FAILING, HOSTS, TIME_SCALE } from "./hardware.ts";
import { coordinatorWith, type ServiceProcessor } from "./service-processor.ts";

const ASSETS = join(import.meta.dirname, "..", "..", ".cache", "guests");
const RAM_PARENT = "/dev/shm";
/** Both guests at their source and their target, and what agents leave free for others. */
const RAM_BYTES_MIN = 512 * 1024 ** 2;
/** The sockets of guests are below it, and the kernel allows 107 bytes for a socket's path. */
const PARENT_LENGTH_MAX = 30;
/** A busy machine without KVM pauses guests longer than one with it; a real site allows less. */
const PAUSE_MS_MAX = 5_000;
const DISKS_MS = 2_000;

/** What of the site is simulated. */
export interface SiteKind {
  /** Hosts whose sensors are those of a simulated server. */
  readonly simulated: readonly HostId[];
  /** Service processors of such servers, by which they are switched off. */
  readonly processors?: readonly ServiceProcessor[];
  /** Added to the coordinator's configuration. */
  readonly coordinator?: object;
}

export const PLAIN: SiteKind = { simulated: [FAILING] };

/** An empty site in new folders. @throws SystemError NO_SPACE */
export function makeSite(world: World, kind: SiteKind = PLAIN): Fleet {
  const { simulated, processors = [], coordinator = {} } = kind;
  requireRam();
  const parent = tmpdir().length > PARENT_LENGTH_MAX ? "/tmp" : tmpdir();
  const folder = mkdtempSync(join(parent, "lifeboat-demo-"));
  const state = join(folder, "site");
  return new Fleet({
    world,
    folder,
    ramFolder: join(RAM_PARENT, basename(folder)),
    hosts: HOSTS,
    policy: { pauseMsMax: PAUSE_MS_MAX },
    coordinator: () => coordinatorWith(processors, coordinator),
    agentLines: (host) =>
      simulated.some((one) => one === host)
        ? sensorLines(serverFolders(state, serverId.parse(host)))
        : [],
  });
}

function requireRam(): void {
  const { bavail, bsize } = statfsSync(RAM_PARENT);
  if (bavail * bsize >= RAM_BYTES_MIN) return;
  const mebibytes = (bytes: number): string => `${Math.floor(bytes / 1024 ** 2)} MiB`;
  const free = `${mebibytes(bavail * bsize)} are free in ${RAM_PARENT}`;
  const remedy = "in a container, give it --shm-size=1g";
  throw new SystemError(
    "NO_SPACE",
    `The guests need ${mebibytes(RAM_BYTES_MIN)} of memory, and ${free}: ${remedy}`,
  );
}

/** Alpha's agent reads the simulated server, by its own clock and its ordinary rules. */
function sensorLines({ root }: ServerFolders): string[] {
  const sensors = { root, smartctl: smartctlOf(root, NODE_PATH), disksMs: DISKS_MS };
  return [`sensors: ${JSON.stringify(sensors)}`];
}

/** Simulated hardware first, so that its agents find it; then the control plane and the agents. */
export async function startSite(fleet: Fleet, kind: SiteKind = PLAIN): Promise<void> {
  await fleet.startCoordinator();
  await fleet.startManagement();
  const { simulated, processors = [] } = kind;
  await Promise.all(simulated.map((host) => startServer(fleet, host, processors)));
  for (const processor of processors) await processor.learn(fleet);
  if (processors.length > 0) {
    // Only now it can be told where they listen.
    await fleet.stop("coordinator");
    await fleet.startCoordinator();
  }
  await Promise.all(HOSTS.map((host) => fleet.startAgent(host)));
}

async function startServer(
  fleet: Fleet,
  host: HostId,
  processors: readonly ServiceProcessor[],
): Promise<void> {
  const config = join(fleet.folder, `firmware-${host}.yaml`);
  const serviceProcessor = processors.find((one) => one.hostId === host)?.configure(fleet);
  const file = {
    serverId: host,
    state: join(fleet.folder, "site"),
    management: `ws://${fleet.listeningOf("management")}`,
    timeScale: TIME_SCALE,
    ...(serviceProcessor === undefined ? {} : { serviceProcessor }),
  };
  writeFileSync(config, JSON.stringify(file));
  const args = ["--config", config, "--with-parent"];
  await fleet.run(`firmware-${host}`, "firmware-sim/main.ts", args);
}

/** Debian's kernel with its workers, and the boot sector. */
export function makeGuests(
  { folder }: Fleet,
  { random }: World,
): Promise<readonly GuestDefinition[]> {
  const at = join(folder, "guests");
  return Promise.all([
    linuxGuest(at, ASSETS, random.uuid() as VmId),
    counterGuest(at, random.uuid() as VmId),
  ]);
}
