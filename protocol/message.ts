/**
 * The control-plane vocabulary: every message two programs may exchange, parsed once at the edge.
 * @module
 */
import { z } from "zod";
import * as authority from "./authority.ts";
import { SystemError } from "./error.ts";
import * as evacuation from "./evacuation.ts";
import { fence, nicLinks } from "./fence.ts";
import { observe, observed } from "./observe.ts";
import * as operator from "./operator.ts";
import {
  baselines,
  baselinesTaken,
  prediction,
  predictionCleared,
  riskChange,
  sensorFault,
  serverComponents,
  telemetry,
} from "./prediction.ts";
import * as replication from "./replication.ts";

/** Largest text of one message; a fleet of thousands fits, a bomb does not. */
export const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;
const DEPTH_MAX = 16;

/** What is delivered at least once: spooled on disk by its sender until acknowledged. */
export const reliable = z.discriminatedUnion("type", [
  prediction,
  predictionCleared,
  riskChange,
  sensorFault,
]);
export type Reliable = z.infer<typeof reliable>;

/** One spooled message; (sender, spool, sequence) is its identity for ever. */
export const deliver = z.strictObject({
  type: z.literal("deliver"),
  /** The spool's own random id: a sender that lost its disk starts a new one. */
  spool: z.string().regex(/^[0-9a-f]{16}$/),
  sequence: z.int().positive(),
  body: reliable,
});
export type Deliver = z.infer<typeof deliver>;

/** Everything of the spool up to `sequence` is durable at the receiver. */
export const delivered = z.strictObject({
  type: z.literal("delivered"),
  spool: z.string().regex(/^[0-9a-f]{16}$/),
  sequence: z.int().nonnegative(),
});

export const message = z.discriminatedUnion("type", [
  deliver,
  delivered,
  telemetry,
  baselines,
  baselinesTaken,
  serverComponents,
  authority.inventory,
  authority.vmReportMessage,
  authority.refusal,
  authority.freeze,
  authority.frozen,
  authority.grant,
  authority.prepare,
  authority.migrateOut,
  authority.cancelMigration,
  authority.released,
  authority.burn,
  authority.retire,
  authority.stopVm,
  authority.migrationProgress,
  replication.holdReplica,
  replication.sealReplica,
  replication.dropReplica,
  replication.protect,
  replication.replicaStatus,
  replication.protectionStatus,
  replication.protectVm,
  replication.failover,
  replication.switchOver,
  replication.drill,
  replication.drillReplica,
  replication.drillResult,
  observe,
  observed,
  evacuation.identifyHost,
  evacuation.hostVms,
  evacuation.migrate,
  evacuation.cancelSaga,
  evacuation.migrationResult,
  evacuation.cordon,
  evacuation.declareOff,
  fence,
  nicLinks,
  evacuation.runVm,
  evacuation.endVm,
  evacuation.readConsole,
  evacuation.consoleText,
  evacuation.operationResult,
  evacuation.fleet,
  evacuation.trace,
  operator.request,
  operator.response,
  operator.event,
]);
export type Message = z.infer<typeof message>;
export type MessageType = Message["type"];

/**
 * Parses one text frame, at the edge. Inside the edge a `Message` is trusted.
 * @throws SystemError MESSAGE_TOO_LARGE or MESSAGE_INVALID; never anything else.
 */
export function parseMessage(text: string): Message {
  return parseWith(message, text);
}

/** Parses one text frame by a schema of the protocol, with the same refusals. */
export function parseWith<Schema extends z.ZodType>(schema: Schema, text: string): z.infer<Schema> {
  if (text.length > MESSAGE_BYTES_MAX) {
    throw new SystemError("MESSAGE_TOO_LARGE", `Cannot parse message: ${text.length} characters`);
  }
  refuseDepth(text);
  let json: unknown;
  try {
    json = JSON.parse(text, refuseProto);
  } catch (cause) {
    if (cause instanceof SystemError) throw cause;
    throw new SystemError("MESSAGE_INVALID", "Cannot parse message: not JSON", { cause });
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const reason = z.prettifyError(result.error).slice(0, 2_000);
  throw new SystemError("MESSAGE_INVALID", `Cannot parse message: ${reason}`);
}

/** Deep nesting parses, but kills whoever serialises it again: refuse before parsing. */
function refuseDepth(text: string): void {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (quoted) {
      if (code === 0x5c) at++;
      else if (code === 0x22) quoted = false;
    } else if (code === 0x22) quoted = true;
    else if (code === 0x5b || code === 0x7b) {
      if (++depth > DEPTH_MAX) {
        throw new SystemError("MESSAGE_INVALID", `Cannot parse message: nested over ${DEPTH_MAX}`);
      }
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
}

function refuseProto(key: string, value: unknown): unknown {
  if (key === "__proto__") {
    throw new SystemError("MESSAGE_INVALID", "Cannot parse message: a key is __proto__");
  }
  return value;
}
