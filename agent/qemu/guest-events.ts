/**
 * What a guest may announce by itself, out of QEMU's events.
 */
import * as z from "zod";
import type { SystemError } from "../../protocol/error.ts";
import type { Phase } from "./machine.ts";
import type { QmpEvent } from "./qmp-client.ts";

export type GuestEvent = Readonly<
  | { type: "phase"; phase: Phase }
  /** The guest powered itself off (`byGuest`) or was told to. QEMU ends after it. */
  | { type: "shutdown"; byGuest: boolean }
  | { type: "reset" }
  | { type: "panicked" }
  /** A disk of the host refused a read or a write of the guest. */
  | { type: "io-error"; node: string; operation: string }
  /** The host's memory lost something of the guest's. */
  | { type: "memory-failure"; fatal: boolean }
  /** The QMP connection is gone; the process may live. */
  | { type: "closed"; error: SystemError }
  | { type: "exited"; reason: string }
>;

const shutdown = z.object({ guest: z.boolean() });
const ioError = z.object({ "node-name": z.string().optional(), operation: z.string() });
const memoryFailure = z.object({ action: z.string() });

/** The event in our words; undefined when it is of no interest or not as documented. */
export function guestEventOf({ name, body }: QmpEvent): GuestEvent | undefined {
  switch (name) {
    case "SHUTDOWN":
      return { type: "shutdown", byGuest: shutdown.safeParse(body).data?.guest ?? false };
    case "RESET":
      return { type: "reset" };
    case "GUEST_PANICKED":
    case "GUEST_CRASHLOADED":
      return { type: "panicked" };
    case "BLOCK_IO_ERROR": {
      const parsed = ioError.safeParse(body).data;
      const node = parsed?.["node-name"] ?? "unknown";
      return { type: "io-error", node, operation: parsed?.operation ?? "unknown" };
    }
    case "MEMORY_FAILURE": {
      const action = memoryFailure.safeParse(body).data?.action;
      return { type: "memory-failure", fatal: action === "fatal" };
    }
  }
  return undefined;
}
