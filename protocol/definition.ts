/**
 * What a guest is: as an operator writes it, and as it is frozen at its first start.
 * @module
 */
import { z } from "zod";
import { vmId } from "./ids.ts";

const MIB = 1024 * 1024;

/** A name for people: never part of a path, an option or a command line. */
export const displayName = z.string().regex(/^[A-Za-z0-9 ._-]{1,63}$/);

/** An absolute path without anything that QEMU or a terminal could read as more than a path. */
export const filePath = z.string().regex(/^\/[A-Za-z0-9 ._/@+-]{1,1000}$/);

export const mac = z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);
const deviceName = z.string().regex(/^[a-z][a-z0-9]{0,15}$/);
const interfaceName = z.string().regex(/^[a-zA-Z0-9._-]{1,15}$/);
const kernelAppend = z
  .string()
  .max(1_024)
  .regex(/^[\x20-\x7e]*$/);

export const boot = z.union([
  z.strictObject({
    kernel: filePath,
    initrd: filePath.optional(),
    append: kernelAppend.default(""),
  }),
  z.strictObject({ disk: deviceName }),
]);

export const disk = z.strictObject({
  id: deviceName,
  path: filePath,
  format: z.enum(["raw", "qcow2"]),
  /** Size of the guest's disk; read from the image when absent. */
  sizeBytes: z.int().positive().multipleOf(512).optional(),
});

export const network = z.discriminatedUnion("mode", [
  z.strictObject({ mode: z.literal("tap"), interface: interfaceName, mac: mac.optional() }),
  z.strictObject({ mode: z.literal("bridge"), bridge: interfaceName, mac: mac.optional() }),
  z.strictObject({ mode: z.literal("user"), mac: mac.optional() }),
]);

/** A guest as an operator defines it. */
export const guestDefinition = z.strictObject({
  id: vmId,
  name: displayName,
  memoryMiB: z
    .int()
    .min(1)
    .max(4 * MIB),
  vcpus: z.int().min(1).max(255).default(1),
  boot,
  disks: z.array(disk).max(16).default([]),
  network: z.array(network).max(8).default([]),
  /** A virtio-serial port, org.lifeboat.channel.0, between the agent and the guest. */
  channel: z.boolean().default(false),
});
export type GuestDefinition = z.infer<typeof guestDefinition>;

const pciAddress = z.string().regex(/^[0-9a-f]{2}\.[0-7]$/);

export const frozenDisk = z.strictObject({
  id: deviceName,
  /** Size of the guest's disk; every target makes a flat image of exactly this. */
  sizeBytes: z.int().positive().multipleOf(512),
  /** Where the first host had it, and in which format. Other hosts make their own image. */
  originPath: filePath,
  originFormat: z.enum(["raw", "qcow2"]),
  pciAddress,
});
export type FrozenDisk = z.infer<typeof frozenDisk>;

export const frozenNetwork = z.strictObject({
  id: deviceName,
  mac,
  backend: network,
  pciAddress,
});
export type FrozenNetwork = z.infer<typeof frozenNetwork>;

/** The exact machine, frozen at first start; it travels with the VM and never changes. */
export const frozenDefinition = z.strictObject({
  id: vmId,
  name: displayName,
  machine: z.string().regex(/^[a-z0-9.-]{1,40}$/),
  cpu: z.string().regex(/^[A-Za-z0-9._-]{1,40}$/),
  accelerator: z.enum(["tcg", "kvm"]),
  /** The QEMU that first started it; a target's must not be older. */
  qemuVersion: z.string().max(32),
  memoryBytes: z.int().positive().multipleOf(MIB),
  vcpus: z.int().min(1).max(255),
  boot,
  disks: z.array(frozenDisk).max(16),
  network: z.array(frozenNetwork).max(8),
  channel: z.strictObject({ pciAddress }).optional(),
});
export type FrozenDefinition = z.infer<typeof frozenDefinition>;
