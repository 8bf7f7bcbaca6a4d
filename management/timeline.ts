/**
 * The time line: each message of P1's exchange and each decision, as an event for people and for
 * scripts.
 * @module
 */
import type { MigrationProgress } from "../protocol/authority.ts";
import type { OperationResult, Trace } from "../protocol/evacuation.ts";
import type { Principal } from "../protocol/ids.ts";
import type { Deliver, Message } from "../protocol/message.ts";
import type { Evidence } from "../protocol/prediction.ts";
import type { NewEvent } from "./store.ts";

/** What happened; the shell adds when. */
export type Happening = Omit<NewEvent, "atMs" | "wallTime">;

const TEXT_LENGTH_MAX = 1_000;
/** One event of progress a VM within this, but for the end, which is always told. */
export const PROGRESS_EVENT_MS = 1_000;
const PROGRESS_KEPT = 10_000;

export function ofDelivery(from: Principal, { body }: Deliver): Happening {
  const base = { message: body.type, from, to: "management", subject: body.serverId };
  return { ...base, text: cut(textOf(body)), detail: body };
}

function textOf(body: Deliver["body"]): string {
  switch (body.type) {
    case "sensor-fault":
      return `${body.sensor} is ${body.status}: ${body.reason}`;
    case "prediction": {
      const { component, device, probability, evidence } = body;
      return `${component} ${device}: probability ${probability} (${textsOf(evidence)})`;
    }
    case "prediction-cleared":
      return `${body.component} ${body.device}: ${body.cause}: ${body.reason}`;
    case "risk-change": {
      const { component, device, from, to, evidence } = body;
      const why = evidence.length === 0 ? "" : ` (${textsOf(evidence)})`;
      return `${component} ${device}: ${from} -> ${to}${why}`;
    }
  }
}

function textsOf(evidence: readonly Evidence[]): string {
  return evidence.map(({ text }) => text).join("; ");
}

export function ofTrace({ type: _type, vmId, detail, ...trace }: Trace): Happening {
  return {
    ...trace,
    ...(vmId === undefined ? {} : { subject: vmId }),
    ...(detail === undefined ? {} : { detail }),
  };
}

/** A message to the coordinator; undefined for what is asked too often to be told. */
export function ofSent(message: Message, causedBy?: string): Happening | undefined {
  if (message.type === "read-console" || message.type === "nic-links") return undefined;
  return {
    message: message.type,
    from: "management",
    to: "coordinator",
    ...(causedBy === undefined ? {} : { causedBy }),
    ...subjectOf(message),
    ...("operationId" in message ? { detail: { operationId: message.operationId } } : {}),
  };
}

/** An answer of the coordinator that is part of P1's exchange. */
export function ofAnswer(
  message: Extract<
    Message,
    { type: "host-vms" | "migration-result" | "operation-result" | "drill-result" }
  >,
): Happening {
  const base = {
    message: message.type,
    from: "coordinator",
    to: "management",
    causedBy: message.operationId,
    ...subjectOf(message),
  };
  switch (message.type) {
    case "host-vms": {
      const vmIds = message.vms.map((vm) => vm.vmId);
      const text = message.known ? `${vmIds.length} VMs` : "The host is unknown";
      return { ...base, text, detail: { vmIds: vmIds.slice(0, 1_000) } };
    }
    case "migration-result": {
      const { outcome, reason, from, to, term, lost } = message;
      const lossText = lost === undefined ? "" : `; lost: ${lost}`;
      const text = cut(`${outcome}, ${from} -> ${to} at term ${term}: ${reason}${lossText}`);
      return { ...base, text, detail: { outcome, source: from, target: to, term } };
    }
    case "drill-result": {
      const { ok, hostId, point, reason = "" } = message;
      const at = point === undefined ? "" : ` at cut ${point.cut}`;
      const text = cut(`replica on ${hostId}${at}: ${ok ? "the guest runs" : reason}`);
      return { ...base, text, detail: { ok, hostId } };
    }
    case "operation-result": {
      const { ok, code = "", reason = "" } = message;
      return { ...base, text: cut(ok ? endText(message.detail) : `${code}: ${reason}`) };
    }
  }
}

/** A failover that was asked for says how it ended, and what was lost. */
function endText(detail: OperationResult["detail"]): string {
  const { outcome, reason, from, to, lost } = detail ?? {};
  if (typeof outcome !== "string") return "done";
  const lossText = typeof lost === "string" ? `; lost: ${lost}` : "";
  return `${outcome}, ${from} -> ${to}: ${reason}${lossText}`;
}

function subjectOf(message: Message): { subject?: string } {
  if ("vmId" in message && message.vmId !== undefined) return { subject: message.vmId };
  if ("hostId" in message && message.hostId !== undefined) return { subject: message.hostId };
  return {};
}

function cut(text: string): string {
  return text.slice(0, TEXT_LENGTH_MAX);
}

/** The newest progress of each VM, and which of it is worth an event. */
export interface ProgressBoard {
  take(progress: MigrationProgress, atMs: number): Happening | undefined;
  newest(): { readonly [vmId: string]: MigrationProgress };
}

export function progressBoard(): ProgressBoard {
  const board = new Map<string, { progress: MigrationProgress; toldAtMs: number }>();
  return {
    take(progress, atMs) {
      const { vmId, sagaId, stage } = progress;
      const known = board.get(vmId);
      const told = known?.progress.sagaId === sagaId ? known.toldAtMs : Number.NEGATIVE_INFINITY;
      const due = stage === "done" || atMs - told >= PROGRESS_EVENT_MS;
      board.delete(vmId);
      board.set(vmId, { progress, toldAtMs: due ? atMs : told });
      const [oldest] = board.keys();
      if (board.size > PROGRESS_KEPT && oldest !== undefined) board.delete(oldest);
      return due ? ofProgress(progress) : undefined;
    },
    newest: () => Object.fromEntries([...board].map(([vmId, { progress }]) => [vmId, progress])),
  };
}

function ofProgress(progress: MigrationProgress): Happening {
  const { type: message, vmId, sagaId, stage, round, bytesSent, lastPauseMs } = progress;
  const pause = lastPauseMs === undefined ? "" : `, last pause ${lastPauseMs.toFixed(1)} ms`;
  return {
    message,
    from: "coordinator",
    to: "management",
    causedBy: sagaId,
    subject: vmId,
    text: `${stage}, round ${round}, ${bytesSent} bytes sent${pause}`,
    detail: progress,
  };
}
