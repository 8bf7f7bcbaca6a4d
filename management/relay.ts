/**
 * Operators' requests that only the coordinator can answer, as the messages to it.
 * @module
 */
import type { OperationId } from "../protocol/ids.ts";
import type { Message } from "../protocol/message.ts";
import type { Ask } from "../protocol/operator.ts";

/** How long the coordinator may take to answer. */
const ANSWER_MS = 15_000;
/** A new VM's images are looked at by its host first. */
const RUN_ANSWER_MS = 60_000;
/** Longer than the coordinator's own deadlines may be: it says how a fence or a swap has ended. */
const ENDED_ANSWER_MS = 3_700_000;

export type RelayedAsk = Extract<
  Ask,
  {
    method:
      | "cordon"
      | "declare-off"
      | "fence"
      | "vm-run"
      | "vm-stop"
      | "vm-console"
      | "protect"
      | "failover"
      | "drill"
      | "switch-over";
  }
>;

/** Answered when it has ended. */
const ENDED: readonly RelayedAsk["method"][] = ["fence", "failover", "switch-over", "drill"];

/** How long to wait for the coordinator's answer. */
export function answerMsOf({ method }: RelayedAsk): number {
  if (ENDED.includes(method)) return ENDED_ANSWER_MS;
  return method === "vm-run" ? RUN_ANSWER_MS : ANSWER_MS;
}

/** The message that asks it of the coordinator. */
export function relayedOf(operationId: OperationId, ask: RelayedAsk): Message {
  switch (ask.method) {
    case "cordon":
      return { type: "cordon", operationId, hostId: ask.hostId, cordoned: ask.cordoned };
    case "declare-off": {
      const { hostId, serverId, reason } = ask;
      return { type: "declare-off", operationId, hostId, serverId, reason };
    }
    case "fence": {
      const { method: _method, ...rest } = ask;
      return { type: "fence", operationId, ...rest };
    }
    case "protect": {
      const { method: _method, ...rest } = ask;
      return { type: "protect-vm", operationId, ...rest };
    }
    case "failover": {
      const { method: _method, ...rest } = ask;
      return { type: "failover", operationId, ...rest };
    }
    case "drill": {
      const { method: _method, ...rest } = ask;
      return { type: "drill", operationId, ...rest };
    }
    case "switch-over":
      return { type: "switch-over", operationId, vmId: ask.vmId, target: ask.target };
    case "vm-run":
      return { type: "run-vm", operationId, hostId: ask.hostId, definition: ask.definition };
    case "vm-stop":
      return { type: "end-vm", operationId, vmId: ask.vmId };
    case "vm-console":
      return { type: "read-console", operationId, vmId: ask.vmId, offset: ask.offset };
  }
}
