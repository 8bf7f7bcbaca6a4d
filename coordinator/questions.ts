/**
 * Questions on their way to the agent that can answer, and its answers to whoever asked: console
 * text of a VM where it runs, a drill where a replica of it is kept. The coordinator's state does
 * not change by them.
 * @module
 */
import type { OperationResult } from "../protocol/evacuation.ts";
import type { HostId, OperationId, StreamId, Term } from "../protocol/ids.ts";
import type { Message } from "../protocol/message.ts";
import type { RestorePoint } from "../protocol/replication.ts";
import type { State } from "./state.ts";

type Of<Type extends Message["type"]> = Extract<Message, { type: Type }>;
type Question = Of<"read-console" | "drill">;
type Answer = Of<"console-text" | "drill-result" | "operation-result">;

const ASKED_MAX = 256;
const ANSWER_MS = 30_000;
/** Memory and disks are copied before a drill begins, and others may come first. */
const DRILL_ANSWER_MS = 3_000_000;

export interface Questions {
  /** Passes a question on, or says why it cannot. */
  ask(state: State, question: Question, atMs: number): OperationResult | undefined;
  /** Whether the host was asked for this: then its answer is passed on, once. */
  answers(hostId: HostId, answer: Answer): boolean;
  /** Forgets what was not answered in time. */
  tick(atMs: number): void;
}

/** Whom to ask what, or why nobody can answer. */
type Way = { readonly hostId: HostId; readonly message: Message } | OperationResult;

/** `send` says whether the agent could be told. */
export function questions(send: (hostId: HostId, message: Message) => boolean): Questions {
  const asked = new Map<OperationId, { hostId: HostId; untilMs: number }>();
  return {
    ask(state, question, atMs) {
      const { operationId } = question;
      if (asked.size >= ASKED_MAX) {
        return fail(operationId, "LINK_OVERFLOW", `${ASKED_MAX} questions wait already`);
      }
      const way = question.type === "drill" ? drillOf(state, question) : consoleOf(state, question);
      if (!("message" in way)) return way;
      if (!send(way.hostId, way.message)) {
        return fail(operationId, "UNREACHABLE", `The agent of ${way.hostId} is not connected`);
      }
      const answerMs = question.type === "drill" ? DRILL_ANSWER_MS : ANSWER_MS;
      asked.set(operationId, { hostId: way.hostId, untilMs: atMs + answerMs });
      return undefined;
    },
    answers(hostId, { operationId }) {
      return asked.get(operationId)?.hostId === hostId && asked.delete(operationId);
    },
    tick(atMs) {
      for (const [id, { untilMs }] of asked) if (atMs >= untilMs) asked.delete(id);
    },
  };
}

function consoleOf(state: State, message: Of<"read-console">): Way {
  const vm = state.vms[message.vmId];
  if (vm === undefined) return unknownVm(message);
  return { hostId: vm.hostId, message };
}

/** The replica on that host, or the newest of all. */
function drillOf(state: State, question: Of<"drill">): Way {
  const { operationId, vmId, hostId, check } = question;
  if (state.vms[vmId] === undefined) return unknownVm(question);
  const kept = restorable(state, question);
  const newest = kept.toSorted((a, b) => a.term - b.term || a.newest.cut - b.newest.cut).at(-1);
  if (newest === undefined) {
    const where = hostId === undefined ? "on any connected host" : `on ${hostId}`;
    const reason = `No replica of the VM that can be restored is kept ${where}`;
    return fail(operationId, "STATE_CONFLICT", reason);
  }
  const { stream } = newest;
  const message = { type: "drill-replica", operationId, vmId, stream, check } as const;
  return { hostId: newest.hostId, message };
}

interface Restorable {
  readonly hostId: HostId;
  readonly stream: StreamId;
  readonly term: Term;
  readonly newest: RestorePoint;
}

function restorable(state: State, { vmId, hostId }: Of<"drill">): Restorable[] {
  const hosts = Object.values(state.hosts).filter(
    (host) => host.connected && (hostId ?? host.hostId) === host.hostId,
  );
  return hosts.flatMap((host) =>
    (host.reports[vmId]?.replicas ?? []).flatMap(({ stream, term, newest, state: found }) =>
      found === "ready" && newest !== undefined
        ? [{ hostId: host.hostId, stream, term, newest }]
        : [],
    ),
  );
}

function unknownVm({ operationId }: Question): OperationResult {
  return fail(operationId, "GUEST_NOT_FOUND", "The VM is unknown");
}

function fail(operationId: OperationId, code: string, reason: string): OperationResult {
  return { type: "operation-result", operationId, ok: false, code, reason };
}
