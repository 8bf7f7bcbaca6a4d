/**
 * The devices of one simulated server, as a pure machine: ticks move them, commands break and mend
 * them, and their files follow.
 * @module
 */
import {
  type BoardFault,
  boardFiles,
  faultBoard,
  type SimulatedBoard,
  startBoard,
  tickBoard,
} from "./board.ts";
import {
  type DiskFault,
  diskText,
  faultDisk,
  type SimulatedDisk,
  scanDocument,
  tickDisk,
} from "./disks.ts";
import {
  adapterFiles,
  faultAdapter,
  type NicFault,
  type SimulatedAdapter,
  startAdapter,
  tickAdapter,
} from "./nic.ts";

export interface Devices {
  /** Stands for the boot of the server: a new one voids every counter. */
  readonly bootId: string;
  readonly disks: readonly SimulatedDisk[];
  readonly adapters: readonly SimulatedAdapter[];
  readonly boards: readonly SimulatedBoard[];
}

/** Without `device` the first of its kind. "none" mends it. */
export type FaultCommand = Readonly<
  | { type: "disk"; device?: string | undefined; fault: DiskFault }
  | { type: "nic"; device?: string | undefined; fault: NicFault }
  | { type: "board"; device?: string | undefined; fault: BoardFault }
>;

export type DeviceEvent = Readonly<
  { type: "tick" } | { type: "fault"; command: FaultCommand } | { type: "reboot"; bootId: string }
>;

const HDD_BYTES = 4_000_787_030_016;
const NVME_BYTES = 1_024_209_543_168;

/** A server with a hard disk, an NVMe drive, an adapter and a board. Ids follow from `serverId`. */
export function startDevices(serverId: string, bootId: string): Devices {
  const serial = (name: string) => `SIM-${serverId}-${name}`.toUpperCase();
  const disk = { fault: "none", faultTicks: 0 } as const;
  return {
    bootId,
    disks: [
      {
        ...disk,
        name: "sda",
        kind: "ata",
        serial: serial("sda"),
        capacityBytes: HDD_BYTES,
        powerOnHours: 21_400,
      },
      {
        ...disk,
        name: "nvme0",
        kind: "nvme",
        serial: serial("nvme0"),
        capacityBytes: NVME_BYTES,
        powerOnHours: 9_100,
      },
    ],
    adapters: [startAdapter("eth0", 2, addressOf(serverId))],
    boards: [startBoard("board0")],
  };
}

/** A locally administered address, by FNV-1a of the server's id. */
function addressOf(serverId: string): string {
  let hash = 0x811c9dc5;
  for (const character of serverId) {
    hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193) >>> 0;
  }
  const bytes = [24, 16, 8, 0].map((shift) => (hash >>> shift) & 0xff);
  return ["02", "4c", ...bytes.map((byte) => byte.toString(16).padStart(2, "0"))].join(":");
}

/** What follows an event. A command for a device that is not there changes nothing. */
export function stepDevices(devices: Devices, event: DeviceEvent): Devices {
  switch (event.type) {
    case "tick":
      return {
        ...devices,
        disks: devices.disks.map(tickDisk),
        adapters: devices.adapters.map(tickAdapter),
        boards: devices.boards.map(tickBoard),
      };
    case "fault":
      return applyFault(devices, event.command);
    case "reboot":
      return {
        ...devices,
        bootId: event.bootId,
        adapters: devices.adapters.map(({ name, index, address, fault }) =>
          faultAdapter(startAdapter(name, index, address), fault),
        ),
        boards: devices.boards.map(({ name, fault }) => faultBoard(startBoard(name), fault)),
      };
  }
}

/** The device a command means, or `undefined` if the server has none such. */
export function targetOf(devices: Devices, command: FaultCommand): string | undefined {
  const { device } = command;
  const candidates = {
    disk: devices.disks,
    nic: devices.adapters,
    board: devices.boards,
  }[command.type];
  return candidates.find(({ name }) => device === undefined || name === device)?.name;
}

function applyFault(devices: Devices, command: FaultCommand): Devices {
  const target = targetOf(devices, command);
  const changed = <Device extends { readonly name: string }>(
    all: readonly Device[],
    change: (device: Device) => Device,
  ): readonly Device[] => all.map((one) => (one.name === target ? change(one) : one));
  switch (command.type) {
    case "disk":
      return { ...devices, disks: changed(devices.disks, (one) => faultDisk(one, command.fault)) };
    case "nic": {
      const adapters = changed(devices.adapters, (one) => faultAdapter(one, command.fault));
      return { ...devices, adapters };
    }
    case "board":
      return {
        ...devices,
        boards: changed(devices.boards, (one) => faultBoard(one, command.fault)),
      };
  }
}

/** Every file of the server's tree, by path below its root. */
export function deviceFiles(devices: Devices): Readonly<Record<string, string>> {
  const files: Record<string, string> = {
    "proc/sys/kernel/random/boot_id": `${devices.bootId}\n`,
    "smart/scan.json": `${JSON.stringify(scanDocument(devices.disks), null, 2)}\n`,
  };
  for (const disk of devices.disks) files[`smart/${disk.name}.json`] = diskText(disk);
  for (const adapter of devices.adapters) Object.assign(files, adapterFiles(adapter));
  for (const board of devices.boards) Object.assign(files, boardFiles(board));
  return files;
}
