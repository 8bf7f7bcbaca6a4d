// Messages that the tests of programs have in common: a host, a VM, and how they are reported.
import type { Inventory, VmReport } from "../../../protocol/authority.ts";
import { frozenDefinition, guestDefinition } from "../../../protocol/definition.ts";
import {
  type BootId,
  type HostId,
  type OperationId,
  vmId as vmIdOf,
} from "../../../protocol/ids.ts";
import type { Message } from "../../../protocol/message.ts";

export const VM = vmIdOf.parse("6f1c2a44-1111-4222-8333-444455556666");
export const ALPHA = "alpha" as HostId;
export const BRAVO = "bravo" as HostId;
const BOOT = "0f0f0f0f-aaaa" as BootId;
const MIB = 1024 * 1024;

export const guest = guestDefinition.parse({
  id: VM,
  name: "counter",
  memoryMiB: 8,
  boot: { disk: "vda" },
  disks: [{ id: "vda", path: "/srv/counter.raw", format: "raw" }],
});

export const frozen = frozenDefinition.parse({
  id: VM,
  name: "counter",
  machine: "pc-i440fx-7.2",
  cpu: "qemu64",
  accelerator: "tcg",
  qemuVersion: "7.2.0",
  memoryBytes: 8 * MIB,
  vcpus: 1,
  boot: { disk: "vda" },
  disks: [
    {
      id: "vda",
      sizeBytes: MIB,
      originPath: "/srv/counter.raw",
      originFormat: "raw",
      pciAddress: "0c.0",
    },
  ],
  network: [],
});

export const capacity = {
  memoryBytes: 1024 * MIB,
  memoryUsedBytes: 0,
  diskFreeBytes: 1024 * MIB,
} as const;

const capabilities = {
  qemuVersion: "7.2.0",
  accelerator: "tcg",
  acceleratorReason: "chosen by a test",
  cpuFlags: [],
} as const;

/** What an agent says at each connection. */
export function inventoryOf(hostId: HostId, vms: readonly VmReport[] = []): Inventory {
  return {
    type: "inventory",
    hostId,
    serverId: hostId as string as Inventory["serverId"],
    bootId: BOOT,
    agentVersion: "0.1.0",
    capabilities: { ...capabilities, cpuFlags: [] },
    capacity,
    vms: [...vms],
  };
}

/** A VM that runs, seen to. */
export function runningAt(term: number, version: number, more: Partial<VmReport> = {}): VmReport {
  return {
    vmId: VM,
    version,
    phase: "active",
    term,
    termSeen: term,
    refusedTerm: 0,
    guest: "running",
    definition: frozen,
    verified: true,
    ...more,
  };
}

export function reportFrom(hostId: HostId, report: VmReport): Message {
  return { type: "vm-report", hostId, bootId: BOOT, capacity, report };
}

export function operation(name: string): OperationId {
  return name as OperationId;
}
