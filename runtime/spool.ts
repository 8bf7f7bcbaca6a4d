/**
 * The outbox of what is delivered at least once: on the disk before it is sent, and until the
 * receiver has it on its own. The receiver tells repeats by (sender, spool, sequence).
 * @module
 */
import { renameSync } from "node:fs";
import { z } from "zod";
import { SystemError } from "../protocol/error.ts";
import { type Deliver, type Reliable, reliable } from "../protocol/message.ts";
import { type Journal, openJournal } from "./journal.ts";
import type { Log } from "./log.ts";
import type { Random } from "./random.ts";

/** Messages kept while the receiver is away; then the oldest gives way. */
export const SPOOL_MESSAGES_MAX = 1_024;
/** Messages sent ahead of the receiver's acknowledgement. */
const WINDOW_MESSAGES = 64;

const spoolId = z.string().regex(/^[0-9a-f]{16}$/);
const record = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("opened"),
    spool: spoolId,
    /** The sequence given last, and how many messages gave way, before this record. */
    sequence: z.int().nonnegative(),
    dropped: z.int().nonnegative(),
  }),
  z.strictObject({ kind: z.literal("added"), sequence: z.int().positive(), body: reliable }),
  z.strictObject({ kind: z.literal("delivered"), sequence: z.int().positive() }),
  z.strictObject({ kind: z.literal("dropped"), sequence: z.int().positive() }),
]);
type SpoolRecord = z.infer<typeof record>;

export interface Spool {
  /** Random; another one after the disk was lost. */
  readonly id: string;
  /** Messages not yet acknowledged. */
  readonly pending: number;
  /** Messages that gave way unacknowledged, since the spool began. */
  readonly dropped: number;
  /** Durable when this returns; sent now or on a later link. @throws SystemError JOURNAL_FAILED */
  add(body: Reliable): void;
  /** A new link: sends what is not acknowledged, from the first. */
  linkUp(send: (message: Deliver) => boolean): void;
  linkDown(): void;
  /** The receiver's acknowledgement: everything up to `sequence` is durable there. */
  delivered(spool: string, sequence: number): void;
  close(): void;
}

export interface SpoolOptions {
  readonly path: string;
  readonly random: Random;
  readonly log: Log;
  /** Default: SPOOL_MESSAGES_MAX. */
  readonly messagesMax?: number;
}

/** @throws SystemError JOURNAL_FAILED */
export function openSpool(options: SpoolOptions): Spool {
  const { log, messagesMax = SPOOL_MESSAGES_MAX } = options;
  const journal = openOrRenew(options);
  const state = replay(journal.records) ?? begin(options.random.hex(8));
  const { spool: id, waiting } = state;
  let send: ((message: Deliver) => boolean) | undefined;
  /** The highest sequence sent on the present link. */
  let sent = 0;

  const compact = (): void => journal.rewrite(recordsOf(state));
  const write = (entry: SpoolRecord): void => {
    journal.append(entry);
    apply(state, entry);
    if (journal.count > waiting.length + messagesMax) compact();
  };
  const pump = (): void => {
    for (const { sequence, body } of waiting.slice(0, WINDOW_MESSAGES)) {
      if (sequence <= sent) continue;
      if (send?.({ type: "deliver", spool: id, sequence, body }) !== true) return;
      sent = sequence;
    }
  };
  compact();
  return {
    id,
    get pending() {
      return waiting.length;
    },
    get dropped() {
      return state.dropped;
    },
    add(body) {
      const oldest = waiting[0];
      if (oldest !== undefined && waiting.length >= messagesMax) {
        write({ kind: "dropped", sequence: oldest.sequence });
        log.warn("The spool is full: its oldest message gave way", { dropped: state.dropped });
      }
      write({ kind: "added", sequence: state.sequence + 1, body });
      pump();
    },
    linkUp(over) {
      send = over;
      sent = 0;
      pump();
    },
    linkDown() {
      send = undefined;
    },
    delivered(spool, sequence) {
      const oldest = waiting[0];
      // Of an earlier spool, a repeat, or of what was never added: nothing to learn from it.
      if (spool !== id || oldest === undefined || sequence < oldest.sequence) return;
      if (sequence > state.sequence) return;
      write({ kind: "delivered", sequence });
      // What an earlier link brought there need not be sent on this one.
      sent = Math.max(sent, sequence);
      pump();
    },
    close: () => journal.close(),
  };
}

interface Waiting {
  readonly sequence: number;
  readonly body: Reliable;
}

interface SpoolState {
  readonly spool: string;
  sequence: number;
  dropped: number;
  readonly waiting: Waiting[];
}

function begin(spool: string): SpoolState {
  return { spool, sequence: 0, dropped: 0, waiting: [] };
}

function replay(records: readonly SpoolRecord[]): SpoolState | undefined {
  const [first, ...rest] = records;
  if (first?.kind !== "opened") return undefined;
  const state = { ...begin(first.spool), sequence: first.sequence, dropped: first.dropped };
  for (const entry of rest) apply(state, entry);
  return state;
}

function apply(state: SpoolState, entry: SpoolRecord): void {
  const { waiting } = state;
  switch (entry.kind) {
    case "opened":
      return;
    case "added":
      state.sequence = Math.max(state.sequence, entry.sequence);
      waiting.push({ sequence: entry.sequence, body: entry.body });
      return;
    case "dropped":
      state.dropped++;
      waiting.shift();
      return;
    case "delivered":
      while (waiting[0] !== undefined && waiting[0].sequence <= entry.sequence) waiting.shift();
  }
}

function recordsOf(state: SpoolState): SpoolRecord[] {
  const { spool, sequence, dropped, waiting } = state;
  return [
    { kind: "opened", spool, sequence, dropped },
    ...waiting.map((one) => ({ kind: "added" as const, ...one })),
  ];
}

/** A damaged spool is put aside: what it held is lost, what comes is not. */
function openOrRenew({ path, log }: SpoolOptions): Journal<SpoolRecord> {
  try {
    return openJournal(path, record);
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== "JOURNAL_CORRUPT") throw error;
    const aside = `${path}.damaged`;
    log.error("The spool is damaged: it is put aside and begun anew", { error, aside });
    renameSync(path, aside);
    return openJournal(path, record);
  }
}
