/**
 * What a simulated server may be told over its control socket: JSON, one line each way.
 * @module
 */
import { z } from "zod";
import { name } from "../protocol/ids.ts";

const device = z.string().regex(/^[a-z0-9]{1,32}$/);

export const diskFault = z.enum(["dying", "failed", "asleep", "hanging", "garbage", "gone"]);
export const nicFault = z.enum([
  "crc-errors",
  "symbol-errors",
  "fec-errors",
  "fec-corrected",
  "flapping",
  "unplugged",
]);
export const boardFault = z.enum([
  "overheating",
  "fan-failed",
  "fan-slow",
  "voltage-low",
  "memory-corrected",
  "memory-uncorrected",
]);

/** What its service processor may be like; `reset` makes it honest again. */
export const processorFault = z.enum(["slow", "lying", "dead", "wrong-machine"]);

export const controlRequest = z.discriminatedUnion("type", [
  /** Without `device` the first of its kind. */
  z.strictObject({ type: z.literal("disk"), device: device.optional(), fault: diskFault }),
  z.strictObject({ type: z.literal("nic"), device: device.optional(), fault: nicFault }),
  z.strictObject({ type: z.literal("board"), device: device.optional(), fault: boardFault }),
  z.strictObject({
    type: z.literal("service-processor"),
    /** There is one. */
    device: z.undefined().optional(),
    fault: processorFault,
  }),
  /** Mends every device. */
  z.strictObject({ type: z.literal("reset") }),
  z.strictObject({ type: z.literal("status") }),
]);
export type ControlRequest = z.infer<typeof controlRequest>;

const deviceStatus = z.strictObject({ name: z.string(), fault: z.string() });

/** The server's devices as they are after the request. */
export const serverStatus = z.strictObject({
  ok: z.literal(true),
  serverId: name,
  disks: z.array(deviceStatus),
  adapters: z.array(deviceStatus),
  boards: z.array(deviceStatus),
  serviceProcessor: z
    .strictObject({
      url: z.string(),
      fingerprint: z.string(),
      power: z.string(),
      fault: z.string(),
    })
    .optional(),
  nicFirmware: z.strictObject({
    /** Absent while it is not running. */
    pid: z.int().positive().optional(),
    restarts: z.int().nonnegative(),
  }),
});
export type ServerStatus = z.infer<typeof serverStatus>;

export const controlRefusal = z.strictObject({
  ok: z.literal(false),
  code: z.enum(["MESSAGE_INVALID", "USAGE", "FILE_FAILED"]),
  reason: z.string(),
});

export const controlAnswer = z.discriminatedUnion("ok", [serverStatus, controlRefusal]);
export type ControlAnswer = z.infer<typeof controlAnswer>;
