/**
 * Names of things that cross a process boundary. Display names are never ids, paths or arguments.
 * @module
 */
import { z } from "zod";

/** A host, server, site or disk: safe in a path, in a URL and as a command argument. */
export const name = z.string().regex(/^[a-z0-9-]{1,63}$/, "must match [a-z0-9-]{1,63}");

export const hostId = name.brand("HostId");
export type HostId = z.infer<typeof hostId>;

export const serverId = name.brand("ServerId");
export type ServerId = z.infer<typeof serverId>;

/** A VM's UUID, in lower case. */
export const vmId = z
  .string()
  .regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/, "must be a UUID")
  .brand("VmId");
export type VmId = z.infer<typeof vmId>;

/** A fencing token of a VM: grows with every change of authority, never used twice. 0 is none. */
export const term = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
export type Term = number;

/** A stream: the random 128-bit id of one full epoch and its successors, 32 hexadecimal digits. */
export const streamId = z
  .string()
  .regex(/^[0-9a-f]{32}$/)
  .brand("StreamId");
export type StreamId = z.infer<typeof streamId>;

/** One saga, operation or prediction, chosen by whoever asks; repeating it changes nothing. */
export const operationId = z
  .string()
  .regex(/^[a-z0-9-]{1,63}$/)
  .brand("OperationId");
export type OperationId = z.infer<typeof operationId>;

/** The kernel's boot id: a new one after each boot of a host. */
export const bootId = z
  .string()
  .regex(/^[0-9a-f-]{8,64}$/)
  .brand("BootId");
export type BootId = z.infer<typeof bootId>;

/** A one-use 256-bit secret, 64 hexadecimal digits. */
export const token = z.string().regex(/^[0-9a-f]{64}$/);

/** `host:port` of a data listener; the host is a name or an address, IPv6 in brackets. */
export const address = z
  .string()
  .max(255)
  .regex(/^(\[[0-9a-f:]+\]|[A-Za-z0-9.-]+):\d{1,5}$/);

/** Text for people: bounded, and without control characters that could forge a log line. */
export const text = z
  .string()
  .max(1_024)
  .transform((value) => value.replaceAll(/[\p{Cc}\p{Cf}]/gu, " "));

/** Who speaks on a link: the role, and for agents and NIC firmware whose. */
export const principal = z.union([
  z.templateLiteral(["agent:", z.string().regex(/^[a-z0-9-]{1,63}$/)]),
  z.templateLiteral(["nic:", z.string().regex(/^[a-z0-9-]{1,63}$/)]),
  z.literal(["management", "coordinator", "operator"]),
]);
export type Principal = z.infer<typeof principal>;

export type Role = "agent" | "nic" | "management" | "coordinator" | "operator";

export function roleOf(who: Principal): Role {
  return who.split(":")[0] as Role;
}

/** The host or server a principal speaks for; undefined for the others, who speak for none. */
export function subjectOf(who: Principal): string | undefined {
  return who.split(":")[1];
}
