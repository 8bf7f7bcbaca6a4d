/**
 * From a frozen definition to QEMU's argument vector. No shell ever sees it, and what comes from a
 * definition goes in as JSON, where no value can become another option. The few options without a
 * JSON form (-chardev, -netdev) get paths that the agent made and names that a schema bounded.
 *
 * The disk chain is given whole, from the agent's own record: the backing names inside image files
 * decide nothing (docs/authority.md, section 3).
 */
import { join } from "node:path";
import type { FrozenDefinition, FrozenDisk, FrozenNetwork } from "../../protocol/definition.ts";
import { SystemError } from "../../protocol/error.ts";
import { bridgeTap, isolatedTap } from "./definition.ts";

/** One image of a disk chain, of the agent's own record. */
export interface DiskLayer {
  /** Grows with each cut; part of the node's name. */
  readonly layer: number;
  readonly path: string;
  readonly format: "raw" | "qcow2";
}

/** Disk id -> its layers, the base first. */
export type DiskChains = Readonly<Record<string, readonly DiskLayer[]>>;

/** Where a guest's files are on this host. Everything here is named by the agent. */
export interface GuestPaths {
  /** The RAM file, below a tmpfs: see `ramPath`. */
  readonly ram: string;
  /** QMP socket. */
  readonly qmp: string;
  /** Socket over which device state travels while it is saved or loaded. */
  readonly state: string;
  /** What the guest prints on its first serial port is appended here. */
  readonly serial: string;
  /** Host end of the virtio-serial port. */
  readonly channel: string;
  /** QEMU's own messages. */
  readonly log: string;
}

export interface Launch {
  readonly definition: FrozenDefinition;
  readonly paths: GuestPaths;
  readonly disks: DiskChains;
  /** A target waits for device state instead of booting. */
  readonly incoming: boolean;
  /** Its network adapters reach nothing: what they send is dropped. */
  readonly isolated?: boolean;
}

/** The name of the port that the guest's agent looks for. */
export const CHANNEL_NAME = "org.lifeboat.channel.0";

const MIB = 1024 * 1024;
/** The longest path a unix socket address can hold, and its terminating zero. */
const SOCKET_PATH_MAX = 107;

/** The files of one guest below its own folder; `ramFolder` is a tmpfs. */
export function guestPaths(
  folder: string,
  ramFolder: string,
  vm: string,
  term: number,
): GuestPaths {
  return {
    ram: ramPath(ramFolder, vm, term),
    qmp: join(folder, "qmp.sock"),
    state: join(folder, "state.sock"),
    serial: join(folder, "serial.log"),
    channel: join(folder, "channel.sock"),
    log: join(folder, "qemu.log"),
  };
}

/** RAM files carry the term, so that a sweep at agent start can tell which ones are stale. */
export function ramPath(ramFolder: string, vm: string, term: number): string {
  return join(ramFolder, `lifeboat-${vm}-${term}.ram`);
}

/** QEMU's name for a layer of a disk: at most 31 bytes. */
export function nodeName(disk: string, layer: number): string {
  return `${disk}-${layer}`;
}

/** QEMU's name for the device of a disk, as `query-block` has it in `qdev`. */
export function deviceName(disk: string): string {
  return `dev-${disk}`;
}

/**
 * The arguments of QEMU, without the program's name. Nothing runs before `cont`.
 * @throws SystemError DISK_INVALID (a disk without layers) or CONFIG_INVALID (a path that cannot be
 * used).
 */
export function guestArgv({ definition, paths, disks, incoming, isolated }: Launch): string[] {
  for (const path of [paths.qmp, paths.state, paths.serial, paths.channel]) assertPlain(path);
  const { id, machine, accelerator, cpu, vcpus, memoryBytes } = definition;
  return [
    ["-name", `guest=${id},debug-threads=on`],
    ["-uuid", id],
    ["-no-user-config", "-nodefaults", "-display", "none", "-vga", "none"],
    ["-machine", `${machine},memory-backend=ram,usb=off,dump-guest-core=off`],
    ["-accel", accelerator],
    ["-cpu", cpu],
    ["-smp", `${vcpus},sockets=1,cores=${vcpus},threads=1`],
    ["-m", `${memoryBytes / MIB}M`],
    ["-object", ramObject(paths.ram, memoryBytes)],
    ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
    ["-msg", "timestamp=on"],
    ["-chardev", `socket,id=qmp,path=${paths.qmp},server=on,wait=off`],
    ["-mon", "chardev=qmp,mode=control"],
    ["-chardev", `file,id=serial,path=${paths.serial},append=on`],
    ["-serial", "chardev:serial"],
    channelArgs(definition, paths.channel),
    definition.disks.flatMap((disk, index) => {
      const bootable = "disk" in definition.boot && index === 0;
      return diskArgs(disk, disks[disk.id] ?? [], bootable);
    }),
    definition.network.flatMap((network) => networkArgs(id, network, isolated === true)),
    bootArgs(definition),
    ["-S"],
    incoming ? ["-incoming", "defer"] : [],
  ].flat();
}

/** The id is part of the migration stream: both ends must call the backend `ram`. */
function ramObject(path: string, memoryBytes: number): string {
  return JSON.stringify({
    "qom-type": "memory-backend-file",
    id: "ram",
    size: memoryBytes,
    "mem-path": path,
    share: true,
  });
}

function channelArgs({ channel }: FrozenDefinition, path: string): string[] {
  if (channel === undefined) return [];
  const port = { driver: "virtserialport", chardev: "channel", name: CHANNEL_NAME };
  return [
    "-chardev",
    `socket,id=channel,path=${path},server=on,wait=off`,
    "-device",
    JSON.stringify({ driver: "virtio-serial-pci", id: "dev-serial", addr: channel.pciAddress }),
    "-device",
    JSON.stringify({ ...port, id: "dev-channel", bus: "dev-serial.0" }),
  ];
}

function diskArgs(disk: FrozenDisk, layers: readonly DiskLayer[], bootable: boolean): string[] {
  const top = layers.at(-1);
  if (top === undefined) {
    throw new SystemError("DISK_INVALID", `Disk ${disk.id} has no recorded layer`);
  }
  const nodes = layers.flatMap((layer, index) => [
    "-blockdev",
    JSON.stringify(layerNode(disk.id, layer, layers[index - 1], layer === top)),
  ]);
  const device = {
    driver: "virtio-blk-pci",
    id: deviceName(disk.id),
    drive: nodeName(disk.id, top.layer),
    addr: disk.pciAddress,
    ...(bootable ? { bootindex: 0 } : {}),
  };
  return [...nodes, "-device", JSON.stringify(device)];
}

/** A layer with a child is never opened for writing (docs/authority.md, section 3). */
function layerNode(
  disk: string,
  { layer, path, format }: DiskLayer,
  below: DiskLayer | undefined,
  writable: boolean,
): Record<string, unknown> {
  if (format === "raw" && below !== undefined) {
    throw new SystemError("DISK_INVALID", `Disk ${disk}: a raw image cannot be an overlay`);
  }
  return {
    driver: format,
    "node-name": nodeName(disk, layer),
    "read-only": !writable,
    file: { driver: "file", filename: path },
    ...(format === "qcow2"
      ? { backing: below === undefined ? null : nodeName(disk, below.layer) }
      : {}),
  };
}

function networkArgs(vm: string, network: FrozenNetwork, isolated: boolean): string[] {
  const { id, mac, pciAddress } = network;
  // The boot ROM would come from whatever package the host has, and it is part of the machine.
  const device = { driver: "virtio-net-pci", id: `dev-${id}`, netdev: id, mac, romfile: "" };
  return [
    "-netdev",
    netBackend(vm, network, isolated),
    "-device",
    JSON.stringify({ ...device, addr: pciAddress }),
  ];
}

/** The kind of backend is part of the migration stream: an isolated one must be of the same. */
function netBackend(vm: string, { id, backend }: FrozenNetwork, isolated: boolean): string {
  if (backend.mode === "user") return `user,id=${id}${isolated ? ",restrict=on" : ""}`;
  const own = backend.mode === "tap" ? backend.interface : bridgeTap(vm, id);
  const name = isolated ? isolatedTap(vm, id) : own;
  return `tap,id=${id},ifname=${name},script=no,downscript=no`;
}

function bootArgs({ boot }: FrozenDefinition): string[] {
  if ("disk" in boot) return [];
  const initrd = boot.initrd === undefined ? [] : ["-initrd", boot.initrd];
  return ["-kernel", boot.kernel, ...initrd, "-append", boot.append];
}

/** These options have no JSON form: a comma would start another option. */
function assertPlain(path: string): void {
  if (!/^\/[\w./@+-]+$/.test(path)) {
    throw new SystemError("CONFIG_INVALID", `Path ${path} has characters that QEMU would misread`);
  }
  if (path.endsWith(".sock") && Buffer.byteLength(path) > SOCKET_PATH_MAX) {
    throw new SystemError("CONFIG_INVALID", `Socket path ${path} is over ${SOCKET_PATH_MAX} bytes`);
  }
}
