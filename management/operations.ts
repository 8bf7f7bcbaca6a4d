/**
 * Operators' requests that wait for an answer, of the core or of the coordinator: each is answered
 * exactly once, by its deadline at the latest.
 * @module
 */
import type { MigrationResult, OperationResult } from "../protocol/evacuation.ts";
import type { OperationId } from "../protocol/ids.ts";
import type { Message } from "../protocol/message.ts";
import type { Response } from "../protocol/operator.ts";
import type { Link } from "../runtime/link.ts";

const WAITING_MAX = 256;

interface Waiting {
  readonly link: Link;
  readonly deadlineMs: number;
  /** Of the coordinator: it cannot come any more when its link is lost. */
  readonly relayed: boolean;
}

export interface Operations {
  /** False if the id is taken, or too many wait: the request was refused. */
  add(operationId: OperationId, waiting: Waiting): boolean;
  /** Answers, if somebody still waits for it. */
  answer(operationId: OperationId, result: unknown): boolean;
  answerError(operationId: OperationId, code: string, reason: string): boolean;
  drop(link: Link): void;
  tick(atMs: number): void;
  coordinatorDown(): void;
}

export function operations(): Operations {
  const waiting = new Map<OperationId, Waiting>();
  const settle = (operationId: OperationId, respond: (link: Link) => void): boolean => {
    const found = waiting.get(operationId);
    if (found === undefined) return false;
    waiting.delete(operationId);
    respond(found.link);
    return true;
  };
  const answerError = (operationId: OperationId, code: string, reason: string): boolean =>
    settle(operationId, (link) => refuse(link, operationId, code, reason));
  return {
    add(operationId, one) {
      if (waiting.has(operationId)) {
        refuse(one.link, operationId, "STATE_CONFLICT", "This operation id is in use");
        return false;
      }
      if (waiting.size >= WAITING_MAX) {
        refuse(one.link, operationId, "LINK_OVERFLOW", `${WAITING_MAX} requests wait already`);
        return false;
      }
      waiting.set(operationId, one);
      return true;
    },
    answer: (operationId, result) =>
      settle(operationId, (link) => respond(link, operationId, result)),
    answerError,
    drop(link) {
      for (const [id, one] of waiting) if (one.link === link) waiting.delete(id);
    },
    tick(atMs) {
      for (const [id, { deadlineMs }] of [...waiting]) {
        if (atMs >= deadlineMs) answerError(id, "TIMED_OUT", "No answer came in time");
      }
    },
    coordinatorDown() {
      const reason = "The link to the coordinator was lost: whether it was done is not known";
      for (const [id, { relayed }] of [...waiting]) {
        if (relayed) answerError(id, "LINK_CLOSED", reason);
      }
    },
  };
}

/** Answers a request; one that is too large for a message becomes an error. */
export function respond(link: Link, operationId: OperationId, result: unknown): void {
  const json = (result ?? null) as NonNullable<Response["result"]>;
  if (link.send({ type: "response", operationId, ok: true, result: json })) return;
  refuse(link, operationId, "MESSAGE_TOO_LARGE", "The answer does not fit a message");
}

export function refuse(link: Link, operationId: OperationId, code: string, reason: string): void {
  link.send({ type: "response", operationId, ok: false, code, reason });
}

/** What the coordinator answered, for whoever asked through the management server. */
export function takeRelayed(
  pending: Operations,
  message:
    | OperationResult
    | MigrationResult
    | Extract<Message, { type: "console-text" | "drill-result" }>,
): boolean {
  const { operationId } = message;
  if (message.type === "migration-result") {
    const { type: _type, operationId: _id, ...result } = message;
    return pending.answer(operationId, result);
  }
  if (message.type === "drill-result") {
    const { type: _type, operationId: _id, ...result } = message;
    return pending.answer(operationId, result);
  }
  if (message.type === "console-text") {
    const { offset, size, base64 } = message;
    return pending.answer(operationId, { offset, size, base64 });
  }
  if (message.ok) return pending.answer(operationId, message.detail ?? null);
  const { code = "STATE_CONFLICT", reason = "The coordinator refused" } = message;
  return pending.answerError(operationId, code, reason);
}
