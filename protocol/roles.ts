/**
 * Who may say what to whom. Both ends of every link enforce this table: a message that is not in
 * it is neither sent nor taken.
 * @module
 */
import { SystemError } from "./error.ts";
import { type Principal, type Role, roleOf, subjectOf } from "./ids.ts";
import type { Message, MessageType } from "./message.ts";

type Pair = `${Role}>${Role}`;

/** sender>receiver -> messages. A pair that is absent may say nothing. */
export const MAY_SAY: Readonly<Partial<Record<Pair, readonly MessageType[]>>> = {
  "agent>management": ["deliver", "telemetry", "baselines-taken", "server-components"],
  "nic>management": ["deliver", "telemetry"],
  "management>agent": ["delivered", "baselines"],
  "management>nic": ["delivered", "baselines"],
  "agent>coordinator": [
    "inventory",
    "vm-report",
    "refusal",
    "frozen",
    "migration-progress",
    "replica-status",
    "protection-status",
    "drill-result",
    "console-text",
    "operation-result",
    "observed",
  ],
  "coordinator>agent": [
    "freeze",
    "grant",
    "prepare",
    "migrate-out",
    "cancel-migration",
    "released",
    "burn",
    "retire",
    "stop-vm",
    "hold-replica",
    "seal-replica",
    "drop-replica",
    "protect",
    "drill-replica",
    "read-console",
    "observe",
  ],
  "management>coordinator": [
    "identify-host",
    "migrate",
    "cancel-saga",
    "cordon",
    "declare-off",
    "fence",
    "nic-links",
    "run-vm",
    "end-vm",
    "protect-vm",
    "failover",
    "switch-over",
    "drill",
    "read-console",
  ],
  "coordinator>management": [
    "host-vms",
    "migration-progress",
    "migration-result",
    "drill-result",
    "operation-result",
    "console-text",
    "fleet",
    "trace",
  ],
  "operator>management": ["request"],
  "management>operator": ["response", "event"],
};

/**
 * Refuses a message that `from` may not send to `to`, or in which it speaks for another.
 * @throws SystemError NOT_AUTHORISED
 */
export function authorise(message: Message, from: Principal, to: Principal): void {
  const allowed = MAY_SAY[`${roleOf(from)}>${roleOf(to)}`];
  if (!allowed?.includes(message.type)) {
    throw new SystemError("NOT_AUTHORISED", `${from} may not send ${message.type} to ${to}`);
  }
  const subject = spokenFor(message);
  const self = subjectOf(from);
  if (self !== undefined && subject !== undefined && subject !== self) {
    throw new SystemError("NOT_AUTHORISED", `${from} may not speak for ${subject}`);
  }
  if (message.type !== "deliver" || !("source" in message.body)) return;
  if (message.body.source !== roleOf(from)) {
    throw new SystemError("NOT_AUTHORISED", `${from} may not speak as ${message.body.source}`);
  }
}

/** The host or server a message is about, where its sender may only mean itself. */
function spokenFor(message: Message): string | undefined {
  switch (message.type) {
    case "inventory":
    case "vm-report":
    case "refusal":
    case "replica-status":
    case "protection-status":
    case "drill-result":
      return message.hostId;
    case "telemetry":
    case "baselines-taken":
    case "server-components":
      return message.serverId;
    case "deliver":
      return message.body.serverId;
    default:
      return undefined;
  }
}
