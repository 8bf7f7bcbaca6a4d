/**
 * The guest definition: how an operator's YAML is read, and how it is frozen into an exact machine
 * at the first start. The schemas are in protocol/definition.ts, because both travel; every value
 * is constrained there, once, so that none can break out of a QEMU option later.
 *
 * Devices whose state lives outside QEMU are refused by name: a guest that has one cannot move.
 */
import { createHash } from "node:crypto";
import {
  type FrozenDefinition,
  type FrozenNetwork,
  frozenDefinition,
  type GuestDefinition,
  guestDefinition,
} from "../../protocol/definition.ts";
import { SystemError } from "../../protocol/error.ts";
import { parseStrictYaml } from "../../runtime/strict-yaml.ts";

/** What this host contributes to a frozen machine. */
export interface HostCapabilities {
  /** As `probeQemu` found it: "7.2.22". */
  readonly qemuVersion: string;
  readonly accelerator: "tcg" | "kvm";
  /** Virtual size of each disk, bytes, by disk id (`inspectImage` tells). */
  readonly diskBytes: Readonly<Record<string, number>>;
  /** User networking ends with the source's process; only tests and the demo allow it. */
  readonly allowUserNetwork: boolean;
}

/** Versioned, so that every QEMU from 7.2 on builds the same devices. */
const MACHINE = "pc-i440fx-7.2";
/** Named models: `host` would differ from one server to the next. */
const CPU_MODELS = { tcg: "qemu64", kvm: "kvm64" } as const;
/** i440fx has one PCI bus of 32 slots: 0 and 1 are the chipset, 2 is where VGA would be. */
const SLOT_CHANNEL = 3;
const SLOT_NETWORK = 4;
const SLOT_DISK = 12;

const PASSED_THROUGH = "a passed-through device keeps its state in the host's hardware";
const VHOST_USER = "a vhost-user device keeps its state in another process";
/** Words that other tools use for devices whose state QEMU cannot save. */
const UNMOVABLE: Readonly<Record<string, string>> = {
  hostdev: PASSED_THROUGH,
  hostdevs: PASSED_THROUGH,
  passthrough: PASSED_THROUGH,
  vfio: PASSED_THROUGH,
  vhostUser: VHOST_USER,
  "vhost-user": VHOST_USER,
};

/**
 * Parses a guest definition file.
 * @throws SystemError DEFINITION_INVALID: `file:line: reason`, one line a mistake.
 */
export function parseDefinition(text: string, file: string): GuestDefinition {
  const definition = parseStrictYaml(text, file, guestDefinition, {
    code: "DEFINITION_INVALID",
    refusals: UNMOVABLE,
  });
  assertConsistent(definition, file);
  return definition;
}

/**
 * Fixes the machine for the life of the guest: ids, PCI addresses, MACs, machine and CPU model.
 * @throws SystemError DEFINITION_INVALID (no size for a disk, user networking not allowed) or
 * UNSUPPORTED_SYSTEM (QEMU older than 7.2).
 */
export function freezeDefinition(
  definition: GuestDefinition,
  capabilities: HostCapabilities,
): FrozenDefinition {
  assertVersion(capabilities.qemuVersion);
  assertConsistent(definition, definition.name);
  const { id, name, vcpus, boot } = definition;
  return frozenDefinition.parse({
    id,
    name,
    machine: MACHINE,
    cpu: CPU_MODELS[capabilities.accelerator],
    accelerator: capabilities.accelerator,
    qemuVersion: capabilities.qemuVersion,
    memoryBytes: definition.memoryMiB * 1024 * 1024,
    vcpus,
    boot,
    disks: definition.disks.map((disk, index) => ({
      id: disk.id,
      sizeBytes: sizeOf(disk, capabilities.diskBytes),
      originPath: disk.path,
      originFormat: disk.format,
      pciAddress: pciAddress(SLOT_DISK + index),
    })),
    network: definition.network.map((network, index) =>
      freezeNetwork(id, network, index, capabilities),
    ),
    ...(definition.channel ? { channel: { pciAddress: pciAddress(SLOT_CHANNEL) } } : {}),
  });
}

/**
 * The tap interface of a bridged network, made by the agent itself: under -sandbox QEMU may not
 * start its bridge helper. Derived, so that it is unique on a host and fits the kernel's 15 bytes.
 */
export function bridgeTap(vm: string, networkId: string): string {
  return `lb${digestOf(`${vm}/${networkId}`).slice(0, 12)}`;
}

/** The tap of an instance that reaches nothing: nobody brings it up, and no bridge has it. */
export function isolatedTap(vm: string, networkId: string): string {
  return `li${digestOf(`${vm}/${networkId}`).slice(0, 12)}`;
}

function assertConsistent({ disks, boot }: GuestDefinition, file: string): void {
  const ids = disks.map(({ id }) => id);
  if (new Set(ids).size !== ids.length) {
    throw new SystemError("DEFINITION_INVALID", `${file}: two disks have the same id`);
  }
  if ("disk" in boot && boot.disk !== ids[0]) {
    const message = `${file}: boot.disk must name the first disk, not ${boot.disk}`;
    throw new SystemError("DEFINITION_INVALID", message);
  }
}

function assertVersion(version: string): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > 7 || (major === 7 && minor >= 2)) return;
  throw new SystemError("UNSUPPORTED_SYSTEM", `QEMU 7.2 or newer is needed, not ${version}`);
}

function sizeOf(
  { id, sizeBytes }: GuestDefinition["disks"][number],
  diskBytes: Readonly<Record<string, number>>,
): number {
  const found = Object.hasOwn(diskBytes, id) ? diskBytes[id] : undefined;
  if (found !== undefined && sizeBytes !== undefined && found !== sizeBytes) {
    const message = `Disk ${id} has ${found} bytes, not ${sizeBytes}`;
    throw new SystemError("DEFINITION_INVALID", message);
  }
  const size = found ?? sizeBytes;
  if (size !== undefined) return size;
  throw new SystemError("DEFINITION_INVALID", `The size of disk ${id} is not known`);
}

function freezeNetwork(
  vm: string,
  network: GuestDefinition["network"][number],
  index: number,
  { allowUserNetwork }: HostCapabilities,
): FrozenNetwork {
  if (network.mode === "user" && !allowUserNetwork) {
    throw new SystemError(
      "DEFINITION_INVALID",
      "User networking is for tests and the demo only: its connections end when the guest moves",
    );
  }
  const digest = digestOf(`${vm}/mac/${index}`).slice(0, 6);
  return {
    id: `net${index}`,
    mac: network.mac ?? `52:54:00:${digest.match(/../g)?.join(":")}`,
    backend: network,
    pciAddress: pciAddress(SLOT_NETWORK + index),
  };
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function pciAddress(slot: number): string {
  return `${slot.toString(16).padStart(2, "0")}.0`;
}
