/**
 * What the demo shows, as one document: from the time line, the status and the guests' consoles.
 * @module
 */
import { z } from "zod";
import type { Move } from "../../management/state.ts";
import type { Status } from "../../management/status.ts";
import { pauseParts } from "../../protocol/authority.ts";
import { hostId, serverId, term, vmId } from "../../protocol/ids.ts";
import type { Event } from "../../protocol/operator.ts";
import { component, evidence, prediction } from "../../protocol/prediction.ts";
import type { GuestSeen } from "./witness.ts";

export const cause = z.enum(["disk", "nic"]);
export type Cause = z.infer<typeof cause>;

const count = z.int().nonnegative();

/** A guest that was not moved has no target, no pause, and its counter goes on where it is. */
const vm = z.strictObject({
  vmId,
  name: z.string(),
  from: hostId,
  to: hostId.nullable(),
  /** The one now in force. */
  term,
  rounds: count,
  bytesRaw: count,
  bytesSent: count,
  lastPauseMs: z.number().nonnegative().nullable(),
  pauseParts: pauseParts.nullable(),
  /** The last one seen at the source before it was handed over, and the newest one seen. */
  counterBefore: count,
  counterAfter: count,
  /** Pages that did not hold what they must, as the guest itself found. */
  tornPages: count,
  diskErrors: count,
});
export type VmOutcome = z.infer<typeof vm>;

export const demoReport = z.strictObject({
  ok: z.boolean(),
  cause,
  /** From the demo's start to this report. */
  tookMs: z.number().nonnegative(),
  prediction: z.strictObject({
    serverId,
    source: prediction.shape.source,
    component,
    probability: z.number(),
    evidence: z.array(evidence),
  }),
  /** P1's exchange in the order in which the management server saw it. */
  messages: z.array(
    z.strictObject({
      type: z.string(),
      from: z.string(),
      to: z.string(),
      /** Since the management server's start. */
      atMs: z.number().nonnegative(),
      /** The operation or prediction it belongs to; of a prediction, the device. */
      causedBy: z.string(),
    }),
  ),
  vms: z.array(vm),
  /** Only if not ok: what is wrong, a sentence each. */
  reasons: z.array(z.string()).optional(),
});
export type DemoReport = z.infer<typeof demoReport>;

/** What the demo has seen by its end. */
export interface Seen {
  readonly cause: Cause;
  readonly tookMs: number;
  /** The event of the first prediction for the failing server that is acted upon. */
  readonly predicted: Event;
  /** The whole time line, oldest first. */
  readonly events: readonly Event[];
  readonly status: Status;
  readonly moves: readonly Move[];
  readonly from: z.infer<typeof hostId>;
  readonly guests: ReadonlyMap<string, GuestSeen>;
}

export function reportOf(seen: Seen): DemoReport {
  const told = predictionOf(seen.predicted);
  const { serverId: server, source, component: part, probability } = told;
  const vms = seen.moves.map((move) => outcomeOf(move, seen));
  const reasons = [
    ...(source === sourceOf(seen.cause) ? [] : [`The prediction came from the ${source}`]),
    ...(vms.length === 0 ? ["No guest was to be moved"] : []),
    ...seen.moves.flatMap((move, at) => faultsOf(move, vms[at]!, seen)),
  ];
  return {
    ok: reasons.length === 0,
    cause: seen.cause,
    tookMs: Math.round(seen.tookMs),
    prediction: {
      serverId: server,
      source,
      component: part,
      probability,
      evidence: told.evidence,
    },
    messages: messagesOf(seen),
    vms,
    ...(reasons.length === 0 ? {} : { reasons }),
  };
}

/** Who must be first to see a device fail: the demo is built so. */
export function sourceOf(failing: Cause): "agent" | "nic" {
  return failing === "disk" ? "agent" : "nic";
}

/** The prediction that an event of the time line is about. */
export function predictionOf({ detail }: Event): z.infer<typeof prediction> {
  return prediction.parse(detail);
}

function outcomeOf(move: Move, { status, guests, from }: Seen): VmOutcome {
  const { vmId: id, name, target, operationId, state } = move;
  const progress = status.progress[id];
  const own = progress?.sagaId === operationId ? progress : undefined;
  const found = status.vms.find((one) => one.vmId === id);
  const guest = guests.get(id);
  return {
    vmId: id,
    name,
    from,
    to: state === "moved" ? (target ?? null) : null,
    term: found?.term ?? 0,
    rounds: own?.round ?? 0,
    bytesRaw: own?.bytesRaw ?? 0,
    bytesSent: own?.bytesSent ?? 0,
    lastPauseMs: own?.lastPauseMs ?? null,
    pauseParts: own?.pauseParts ?? null,
    counterBefore: guest?.before ?? 0,
    counterAfter: guest?.after ?? 0,
    tornPages: guest?.tornPages ?? 0,
    diskErrors: guest?.diskErrors ?? 0,
  };
}

function faultsOf(move: Move, outcome: VmOutcome, { guests }: Seen): string[] {
  const { name, counterBefore, counterAfter, tornPages, diskErrors, to } = outcome;
  const first = guests.get(move.vmId)?.firstAfter;
  const faults: string[] = [];
  if (to === null) faults.push(`${name} was not moved: ${move.reason}`);
  else if (first === undefined || first < counterBefore) {
    faults.push(`${name} began anew at ${to} instead of going on from ${counterBefore}`);
  }
  if (counterAfter <= counterBefore) faults.push(`${name} does not count any more`);
  if (tornPages > 0) faults.push(`${name} found ${tornPages} torn pages`);
  if (diskErrors > 0) faults.push(`${name} found ${diskErrors} disk errors`);
  return faults;
}

/** Messages between programs from the prediction on, each with its cause; not links going up. */
function messagesOf({ predicted, events }: Seen): DemoReport["messages"] {
  return events
    .filter(({ id, from, to }) => id >= predicted.id && from !== to)
    .flatMap((event) => {
      const { message: type, from, to, atMs } = event;
      const causedBy = event.causedBy ?? (type === "prediction" ? deviceOf(event) : undefined);
      return causedBy === undefined ? [] : [{ type, from, to, atMs: Math.round(atMs), causedBy }];
    });
}

function deviceOf(event: Event): string {
  const { component: part, device } = predictionOf(event);
  return `${part}:${device}`;
}
