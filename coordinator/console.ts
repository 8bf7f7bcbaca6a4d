/**
 * Console text on its way from an agent to whoever asked: the coordinator knows which host runs
 * the VM, and changes nothing by it.
 * @module
 */
import type { OperationResult } from "../protocol/evacuation.ts";
import type { HostId, OperationId } from "../protocol/ids.ts";
import type { Message } from "../protocol/message.ts";
import type { State } from "./state.ts";

type Of<Type extends Message["type"]> = Extract<Message, { type: Type }>;

const ASKED_MAX = 256;
const ANSWER_MS = 30_000;

export interface ConsoleRelay {
  /** Passes a question on, or says why it cannot. */
  ask(state: State, message: Of<"read-console">, atMs: number): OperationResult | undefined;
  /** Whether the host was asked for this: then its answer is passed on, once. */
  answers(hostId: HostId, message: Of<"console-text" | "operation-result">): boolean;
  /** Forgets what was not answered in time. */
  tick(atMs: number): void;
}

/** `send` says whether the agent could be told. */
export function consoleRelay(send: (hostId: HostId, message: Message) => boolean): ConsoleRelay {
  const asked = new Map<OperationId, { hostId: HostId; atMs: number }>();
  return {
    ask(state, message, atMs) {
      const { operationId, vmId } = message;
      const vm = state.vms[vmId];
      if (vm === undefined) return fail(operationId, "GUEST_NOT_FOUND", "The VM is unknown");
      if (asked.size >= ASKED_MAX) {
        return fail(operationId, "LINK_OVERFLOW", `${ASKED_MAX} consoles are being read already`);
      }
      if (!send(vm.hostId, message)) {
        return fail(operationId, "UNREACHABLE", `The agent of ${vm.hostId} is not connected`);
      }
      asked.set(operationId, { hostId: vm.hostId, atMs });
      return undefined;
    },
    answers(hostId, { operationId }) {
      return asked.get(operationId)?.hostId === hostId && asked.delete(operationId);
    },
    tick(atMs) {
      for (const [id, { atMs: sinceMs }] of asked) {
        if (atMs - sinceMs >= ANSWER_MS) asked.delete(id);
      }
    },
  };
}

function fail(operationId: OperationId, code: string, reason: string): OperationResult {
  return { type: "operation-result", operationId, ok: false, code, reason };
}
