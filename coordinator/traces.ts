/**
 * What the coordinator tells the management server for its time line: every message that it
 * exchanges with agents, and what it notes by the way.
 * @module
 */
import type { Trace } from "../protocol/evacuation.ts";
import type { HostId, VmId } from "../protocol/ids.ts";
import type { Message, MessageType } from "../protocol/message.ts";

/** Traces kept while the management server is away; then the oldest gives way. */
export const TRACES_MAX = 1_000;

/** Said so often that they would drown the rest: progress is relayed itself, text is asked for. */
const UNTRACED: readonly MessageType[] = [
  "migration-progress",
  "read-console",
  "console-text",
  "observe",
  "observed",
  "replica-status",
  "protection-status",
];

export interface Traces {
  say(trace: Trace): void;
  /** The management server is there again. */
  flush(): void;
}

/** `send` says whether it was sent. */
export function tracesTo(send: (trace: Trace) => boolean): Traces {
  const waiting: Trace[] = [];
  let dropped = 0;
  return {
    say(trace) {
      if (waiting.length === 0 && send(trace)) return;
      waiting.push(trace);
      if (waiting.length <= TRACES_MAX) return;
      waiting.shift();
      dropped++;
    },
    flush() {
      if (dropped > 0 && send(noteOf(`${dropped} traces were dropped meanwhile`))) dropped = 0;
      while (waiting[0] !== undefined && send(waiting[0])) waiting.shift();
    },
  };
}

/** The trace of a message to (`sent`) or from an agent; undefined for what is not traced. */
export function traceOf(
  message: Message,
  hostId: HostId,
  way: "sent" | "taken",
  causedBy: Trace["causedBy"],
): Trace | undefined {
  if (UNTRACED.includes(message.type)) return undefined;
  const agent = `agent:${hostId}`;
  const vmId = vmOf(message);
  const text = textOf(message);
  return {
    type: "trace",
    message: message.type,
    from: way === "sent" ? "coordinator" : agent,
    to: way === "sent" ? agent : "coordinator",
    ...(causedBy === undefined ? {} : { causedBy }),
    ...(vmId === undefined ? {} : { vmId }),
    ...(text === undefined ? {} : { text }),
  };
}

/** Something the coordinator did or noticed on its own. */
export function noteOf(
  text: string,
  about: Pick<Trace, "vmId" | "causedBy" | "detail"> = {},
): Trace {
  return { type: "trace", message: "note", from: "coordinator", to: "coordinator", text, ...about };
}

export function vmOf(message: Message): VmId | undefined {
  if (message.type === "vm-report") return message.report.vmId;
  return "vmId" in message ? message.vmId : undefined;
}

function textOf(message: Message): string | undefined {
  switch (message.type) {
    case "vm-report": {
      const { phase, term, guest, reason } = message.report;
      const why = reason === undefined ? "" : `: ${reason}`;
      return `${phase} at term ${term}, guest ${guest}${why}`.slice(0, 1_000);
    }
    case "refusal":
      return `${message.command} refused: ${message.reason}`.slice(0, 1_000);
    case "inventory":
      return `${message.vms.length} VMs in its journal`;
    case "grant":
    case "prepare":
    case "retire":
    case "burn":
    case "seal-replica":
    case "drop-replica":
      return `term ${message.term}`;
    case "hold-replica":
      return `term ${message.term}, filled by ${message.primary}`;
    case "protect": {
      const hosts = message.secondaries.map(({ hostId }) => hostId).join(", ");
      return `version ${message.version} to ${hosts || "nobody"}`;
    }
    case "migrate-out":
    case "released":
    case "cancel-migration":
      return `term ${message.term} to ${message.toTerm}`;
  }
  return undefined;
}
