/**
 * What a receiver makes of the frames of one stream, as a pure state machine (docs/authority.md,
 * section 2).
 *
 *   between --begin--> inside --pages, extent, state--> inside --end, root agrees--> between
 *   any of them --abort, a violation--> over        any of them --released--> released
 *
 * Rule 1: an epoch is (vm, term, stream, epoch) and names its parent by root hash. A frame of
 *         another stream or term is dropped; one out of order ends the stream, for good.
 * Rule 2: epoch 0 goes straight to its place; a delta is set aside until it is whole.
 * Rule 3: nothing is acknowledged here: the effect `complete` asks for the epoch to be applied.
 * Rule 4: after RELEASED the newest whole epoch is what the guest resumes from: whatever a source
 *         still sends of a later one is dropped.
 */
import {
  abortRecord,
  type EpochBegin,
  epochBegin,
  epochEnd,
  NO_PARENT,
  releasedRecord,
} from "../protocol/epoch.ts";
import { reasonOf } from "../protocol/error.ts";
import type { Frame, FrameKind } from "../protocol/frame.ts";
import type { StreamId, Term, VmId } from "../protocol/ids.ts";
import { parseWith } from "../protocol/message.ts";
import { rootAdd, rootBegin } from "./root.ts";

/** Records are small; a longer one is not one of ours. */
const RECORD_BYTES_MAX = 4_096;

export interface Identity {
  readonly vmId: VmId;
  readonly term: Term;
  readonly stream: StreamId;
  readonly memoryBytes: number;
}

export interface Receiving extends Identity {
  /** The number of the next epoch, and the root of the last whole one. */
  readonly nextEpoch: number;
  readonly root: string;
  readonly open: OpenEpoch | undefined;
  readonly lastSeen: boolean;
  /** Nothing but RELEASED once more, or nothing at all, is taken any more. */
  readonly closed: "released" | "over" | undefined;
  readonly dropped: number;
}

interface OpenEpoch {
  readonly begin: EpochBegin;
  readonly sequence: number;
  readonly root: string;
  readonly stateSeen: boolean;
}

export type Effect = Readonly<
  /** Content: to its place at once, or aside until the epoch is whole. */
  | { type: "content"; kind: "pages" | "extent" | "state"; payload: Uint8Array; aside: boolean }
  | { type: "begin"; epoch: number; begin: EpochBegin }
  | { type: "complete"; epoch: number; kind: EpochBegin["kind"]; root: string }
  | { type: "released"; reason: "moved" | "died"; epoch: number; term: Term }
  | { type: "ended"; reason: string }
>;

export type Step = readonly [state: Receiving, effects: readonly Effect[]];

export function startReceiving(identity: Identity): Receiving {
  return {
    ...identity,
    nextEpoch: 0,
    root: NO_PARENT,
    open: undefined,
    lastSeen: false,
    closed: undefined,
    dropped: 0,
  };
}

/** RELEASED was heard from elsewhere: no later epoch is begun or completed (rule 4). */
export function stopReceiving(state: Receiving): Receiving {
  return { ...state, open: undefined, closed: state.closed ?? "released" };
}

export function step(state: Receiving, frame: Frame): Step {
  const foreign = frame.vmId !== state.vmId || frame.stream !== state.stream;
  const late =
    state.closed === "over" || (state.closed === "released" && frame.kind !== "released");
  if (foreign || frame.term !== state.term || late) {
    return [{ ...state, dropped: state.dropped + 1 }, []];
  }
  switch (frame.kind) {
    case "begin":
      return begin(state, frame);
    case "pages":
    case "extent":
    case "state":
      return content(state, frame, frame.kind);
    case "end":
      return end(state, frame);
    case "released":
      return released(state, frame);
    case "abort":
      return aborted(state, frame);
    case "ack":
    case "active":
    case "credit":
    case "resume":
    case "pulse":
      return refuse(state, `A source does not send ${frame.kind}`);
  }
}

function begin(state: Receiving, frame: Frame): Step {
  if (state.open !== undefined) return refuse(state, "An epoch begins inside another");
  if (state.lastSeen) return refuse(state, "An epoch begins after the last");
  if (frame.epoch !== state.nextEpoch || frame.sequence !== 0) {
    return refuse(state, `Epoch ${frame.epoch} begins where ${state.nextEpoch} was due`);
  }
  const record = parseRecord(epochBegin, frame);
  if (typeof record === "string") return refuse(state, record);
  if (record.parent !== state.root) return refuse(state, "The epoch has another parent");
  if (record.memoryBytes !== state.memoryBytes) return refuse(state, "The guest's RAM differs");
  const first = frame.epoch === 0;
  if (first !== (record.content === "full")) return refuse(state, "Only epoch 0 is a full one");
  const root = rootAdd(rootBegin(record.parent, frame), frame, frame.payload);
  const open: OpenEpoch = { begin: record, sequence: 0, root, stateSeen: false };
  return [{ ...state, open }, [{ type: "begin", epoch: frame.epoch, begin: record }]];
}

function content(state: Receiving, frame: Frame, kind: "pages" | "extent" | "state"): Step {
  const { open } = state;
  if (open === undefined || frame.epoch !== state.nextEpoch) {
    return refuse(state, `A ${kind} frame outside of its epoch`);
  }
  if (frame.sequence !== open.sequence + 1) {
    return refuse(state, `Frame ${frame.sequence} came where ${open.sequence + 1} was due`);
  }
  if (kind === "state" && open.begin.kind === "fuzzy") {
    return refuse(state, "Device state in an epoch that is no cut");
  }
  const next: OpenEpoch = {
    ...open,
    sequence: frame.sequence,
    root: rootAdd(open.root, frame, frame.payload),
    stateSeen: open.stateSeen || kind === "state",
  };
  const aside = open.begin.content === "delta" || kind === "state";
  return [{ ...state, open: next }, [{ type: "content", kind, payload: frame.payload, aside }]];
}

function end(state: Receiving, frame: Frame): Step {
  const { open } = state;
  if (open === undefined || frame.epoch !== state.nextEpoch) {
    return refuse(state, "An epoch ends that did not begin");
  }
  const record = parseRecord(epochEnd, frame);
  if (typeof record === "string") return refuse(state, record);
  if (record.frames !== open.sequence || frame.sequence !== open.sequence + 1) {
    return refuse(state, `The epoch has ${open.sequence} frames, not ${record.frames}`);
  }
  if (record.root !== open.root) return refuse(state, "The epoch's root hash differs");
  const { kind } = open.begin;
  if (kind !== "fuzzy" && !open.stateSeen) return refuse(state, "A cut without device state");
  const next: Receiving = {
    ...state,
    open: undefined,
    nextEpoch: state.nextEpoch + 1,
    root: record.root,
    lastSeen: kind === "last",
  };
  return [next, [{ type: "complete", epoch: frame.epoch, kind, root: record.root }]];
}

function released(state: Receiving, frame: Frame): Step {
  const record = parseRecord(releasedRecord, frame);
  if (typeof record === "string") return refuse(state, record);
  const { reason } = record;
  return [
    stopReceiving(state),
    [{ type: "released", reason, epoch: frame.epoch, term: frame.term }],
  ];
}

function aborted(state: Receiving, frame: Frame): Step {
  const record = parseRecord(abortRecord, frame);
  const reason = typeof record === "string" ? record : record.reason;
  return refuse(state, reason);
}

function refuse(state: Receiving, reason: string): Step {
  return [{ ...state, open: undefined, closed: "over" }, [{ type: "ended", reason }]];
}

type Schema = typeof epochBegin | typeof epochEnd | typeof releasedRecord | typeof abortRecord;

/** The record of a frame, or why there is none. */
function parseRecord<One extends Schema>(
  schema: One,
  frame: { readonly kind: FrameKind; readonly payload: Uint8Array },
): ReturnType<One["parse"]> | string {
  if (frame.payload.length > RECORD_BYTES_MAX) return `A ${frame.kind} record is too long`;
  try {
    const text = Buffer.from(frame.payload).toString("utf8");
    return parseWith(schema, text) as ReturnType<One["parse"]>;
  } catch (thrown) {
    return reasonOf(thrown);
  }
}
