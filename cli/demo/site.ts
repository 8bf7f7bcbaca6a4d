/**
 * The demo's site: three hosts, of which alpha's hardware is simulated, and two guests on alpha.
 * @module
 */
import { mkdtempSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type ServerFolders, serverFolders, smartctlOf } from "../../firmware-sim/config.ts";
import {
  type ControlRequest,
  controlAnswer,
  type ServerStatus,
} from "../../firmware-sim/control.ts";
import type { GuestDefinition } from "../../protocol/definition.ts";
import { SystemError } from "../../protocol/error.ts";
import { type HostId, hostId, serverId, type VmId } from "../../protocol/ids.ts";
import { parseWith } from "../../protocol/message.ts";
import { askControl } from "../../runtime/control-socket.ts";
import { NODE_PATH } from "../../runtime/program.ts";
import type { World } from "../world.ts";
import { Fleet } from "./fleet.ts";
import { counterGuest, linuxGuest } from "./guests.ts";

export const HOSTS: readonly HostId[] = ["alpha", "bravo", "charlie"].map((id) => hostId.parse(id));
/** The host whose server begins to fail. */
export const FAILING = hostId.parse("alpha");

const ASSETS = join(import.meta.dirname, "..", "..", ".cache", "guests");
const RAM_PARENT = "/dev/shm";
/** Both guests at their source and their target, and what agents leave free for others. */
const RAM_BYTES_MIN = 512 * 1024 ** 2;
const ANSWER_MS = 5_000;
/** The sockets of guests are below it, and the kernel allows 107 bytes for a socket's path. */
const PARENT_LENGTH_MAX = 30;
/** Alpha's devices age this much faster than the clock: a disk dies in seconds, not in weeks. */
export const TIME_SCALE = 10;
/** A busy machine without KVM pauses guests longer than one with it; a real site allows less. */
const PAUSE_MS_MAX = 5_000;
const DISKS_MS = 2_000;

/** An empty site in new folders. @throws SystemError NO_SPACE */
export function makeSite(world: World): Fleet {
  requireRam();
  const parent = tmpdir().length > PARENT_LENGTH_MAX ? "/tmp" : tmpdir();
  const folder = mkdtempSync(join(parent, "lifeboat-demo-"));
  const folders = serverFolders(join(folder, "site"), serverId.parse(FAILING));
  return new Fleet({
    world,
    folder,
    ramFolder: join(RAM_PARENT, basename(folder)),
    hosts: HOSTS,
    policy: { pauseMsMax: PAUSE_MS_MAX },
    agentLines: (host) => (host === FAILING ? sensorLines(folders) : []),
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

/** Alpha's hardware first, so that its agent finds it; then the control plane and the agents. */
export async function startSite(fleet: Fleet): Promise<void> {
  await fleet.startCoordinator();
  await fleet.startManagement();
  const config = join(fleet.folder, "firmware-alpha.yaml");
  const file = {
    serverId: FAILING,
    state: join(fleet.folder, "site"),
    management: `ws://${fleet.listeningOf("management")}`,
    timeScale: TIME_SCALE,
  };
  writeFileSync(config, JSON.stringify(file));
  const args = ["--config", config, "--with-parent"];
  await fleet.run(`firmware-${FAILING}`, "firmware-sim/main.ts", args);
  await Promise.all(HOSTS.map((host) => fleet.startAgent(host)));
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

/** Breaks a device of alpha. @throws SystemError with the simulator's reason */
export async function breakDevice(fleet: Fleet, request: ControlRequest): Promise<ServerStatus> {
  const { control } = serverFolders(join(fleet.folder, "site"), serverId.parse(FAILING));
  const line = await askControl(control, JSON.stringify(request), ANSWER_MS);
  const answer = parseWith(controlAnswer, line);
  if (!answer.ok) throw new SystemError(answer.code, answer.reason);
  return answer;
}
