/**
 * The VMs and hosts of the simulated site, and one line for each message of its log.
 * @module
 */
import type { Chains } from "../../agent/authority/state.ts";
import type { AgentCapabilities, Capacity, VmReport } from "../../protocol/authority.ts";
import type { FrozenDefinition, GuestDefinition } from "../../protocol/definition.ts";
import type { VmId } from "../../protocol/ids.ts";
import type { Message } from "../../protocol/message.ts";
import type { SimulatedHost } from "./host.ts";

const MIB = 1024 ** 2;
const HOST_BYTES = 16_384 * MIB;

export const CAPABILITIES: AgentCapabilities = {
  qemuVersion: "7.2.0",
  accelerator: "tcg",
  acceleratorReason: "as the test wants it",
  cpuFlags: [],
};

export interface Definition {
  readonly asked: GuestDefinition;
  readonly frozen: FrozenDefinition;
}

/** By id; `vm1` is larger than `vm2` and moves first. */
export const DEFINITIONS: ReadonlyMap<VmId, Definition> = new Map(
  [1, 2, 3].map((index) => [vmIdOf(`vm${index}`), define(index)]),
);

/** One image file of a disk, as the agent's record names it. */
export function diskLayer(layer: number, path: string): Chains[string][number] {
  return { layer, path, format: "qcow2" };
}

export function vmIdOf(name: string): VmId {
  return `0000000${name.slice(2)}-0000-4000-8000-000000000000` as VmId;
}

export function vmName(id: string): string {
  return `vm${Number.parseInt(id.slice(0, 8), 16)}`;
}

function define(index: number): Definition {
  const id = vmIdOf(`vm${index}`);
  const name = `vm${index}`;
  const memoryMiB = 512 - 64 * index;
  const boot = { disk: "disk0" };
  const path = `/images/${name}.raw`;
  const sizeBytes = 1_024 * MIB;
  const asked: GuestDefinition = {
    id,
    name,
    memoryMiB,
    vcpus: 1,
    boot,
    disks: [{ id: "disk0", path, format: "raw", sizeBytes }],
    network: [],
    channel: false,
  };
  const originFormat = "raw" as const;
  const disk = { id: "disk0", sizeBytes, originPath: path, originFormat, pciAddress: "02.0" };
  const frozen: FrozenDefinition = {
    id,
    name,
    machine: "pc-q35-7.2",
    cpu: "qemu64",
    accelerator: "tcg",
    qemuVersion: "7.2.0",
    memoryBytes: memoryMiB * MIB,
    vcpus: 1,
    boot,
    disks: [disk],
    network: [],
  };
  return { asked, frozen };
}

export function capacityOf(host: SimulatedHost): Capacity {
  let memoryUsedBytes = 0;
  for (const guest of host.guests.values()) {
    memoryUsedBytes += 2 * (DEFINITIONS.get(guest.vmId)?.frozen.memoryBytes ?? 0);
  }
  return { memoryBytes: HOST_BYTES, memoryUsedBytes, diskFreeBytes: 1_000_000 * MIB };
}

/** A message in a few words: what it is, of which VM and under which term. */
export function describe(message: Message): string {
  switch (message.type) {
    case "grant":
      return `grant ${vmName(message.vmId)} term=${message.term} ${message.start}`;
    case "prepare":
      return `prepare ${vmName(message.vmId)} term=${message.term}`;
    case "migrate-out":
      return `migrate-out ${vmName(message.vmId)} term=${message.term} to=${message.target}`;
    case "cancel-migration":
      return `cancel-migration ${vmName(message.vmId)} term=${message.toTerm}`;
    case "released":
      return `released ${vmName(message.vmId)} term=${message.toTerm} ${message.reason}`;
    case "hold-replica":
    case "seal-replica":
    case "drop-replica":
    case "burn":
    case "retire":
    case "stop-vm":
      return `${message.type} ${vmName(message.vmId)} term=${message.term}`;
    case "protect": {
      const hosts = message.secondaries.map((one) => one.hostId).join(" ") || "nobody";
      return `protect ${vmName(message.vmId)} term=${message.term} to ${hosts}`;
    }
    case "vm-report":
      return describeReport(message.report);
    case "migrate":
      return `migrate ${vmName(message.vmId)} to=${message.target}`;
    case "migration-result":
      return describeResult(message);
    case "host-vms":
      return `host-vms ${message.hostId}: ${message.vms.map((vm) => vm.name).join(" ") || "none"}`;
    case "identify-host":
      return `identify-host ${message.hostId}`;
    case "cordon":
      return `cordon ${message.hostId} ${message.cordoned}`;
    case "declare-off":
      return `declare-off ${message.hostId}: ${message.reason}`;
    case "fence":
      return `fence ${message.hostId}`;
    case "operation-result":
      return message.ok ? "operation-result ok" : `operation-result ${message.reason}`;
    default:
      return message.type;
  }
}

function describeReport(report: VmReport): string {
  const term = report.phase === "none" ? "" : ` term=${report.term}`;
  return `vm-report ${vmName(report.vmId)} ${report.phase}${term} ${report.guest}`;
}

function describeResult(message: Extract<Message, { type: "migration-result" }>): string {
  const lost = message.lost === undefined ? "" : `; lost: ${message.lost}`;
  return `migration-result ${vmName(message.vmId)} ${message.outcome}: ${message.reason}${lost}`;
}
