/**
 * What the work on one protected VM shares, from the first look at its RAM on.
 * @module
 */
import type { Kernel } from "../../epochs/kernel.ts";
import type { Geometry, Parts } from "../../epochs/parts.ts";
import { payloadDigest } from "../../epochs/root.ts";
import type { Scanner } from "../../epochs/scanner.ts";
import type { FrozenDefinition } from "../../protocol/definition.ts";
import type { HostId, StreamId } from "../../protocol/ids.ts";
import type { Message } from "../../protocol/message.ts";
import type { Secondary } from "../../protocol/replication.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { AcceptData, DataLink } from "../../runtime/data-link.ts";
import type { Log } from "../../runtime/log.ts";
import type { Random } from "../../runtime/random.ts";
import type { StartThread } from "../../runtime/threads.ts";
import type { Chains, Event } from "../authority/state.ts";
import type { DiskCutPorts } from "../capture/disk-cuts.ts";
import type { PauseGate } from "../migration/gate.ts";
import type { Guest } from "../qemu/guest.ts";
import type { FrozenDisks } from "./frozen.ts";
import type { Payload, SecondaryLink } from "./secondary-link.ts";

/** The VM as its authority core has it, asked at the moment it matters. */
export interface Standing {
  chains(): Chains;
  /** Of the newest cut that was journalled. */
  cut(): number;
  /** Stopped by a cut, and not known to be continued since. */
  stoppedByAgent(): boolean;
  mayRun(): boolean;
}

/** Merging of this guest's layers. */
export interface MergingPorts {
  begin(): void;
  idle(): Promise<void>;
  stop(): Promise<void>;
}

export interface EnginePorts {
  readonly hostId: HostId;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly guest: Guest;
  readonly definition: FrozenDefinition;
  readonly standing: Standing;
  readonly merges: MergingPorts;
  readonly ramPath: string;
  readonly disks: DiskCutPorts;
  readonly module: WebAssembly.Module;
  readonly dial: (secondary: Secondary, accept: AcceptData) => Promise<DataLink>;
  readonly dispatch: (event: Event) => void;
  readonly send: (message: Message) => void;
  readonly breathe: () => Promise<void>;
  readonly gate: PauseGate;
  readonly scanThreads: number;
  readonly startThread: StartThread;
  readonly stagingBytesMax: number;
  /** Sees what each cut came to. */
  readonly measured?: (cut: MeasuredCut) => void;
}

/** One cut, or what it became. Milliseconds of this host's clock. */
export interface MeasuredCut {
  readonly kind: "cut" | "overflow" | "voided";
  readonly pauseMs: number;
  /** Of the pause: until the disks were frozen; RAM; device state, beside RAM; going on. */
  readonly stopMs: number;
  readonly scanMs: number;
  readonly stateMs: number;
  readonly continueMs: number;
  /** While the guest ran again: encoding RAM alone, and all until the last payload was queued. */
  readonly encodeMs: number;
  readonly carryMs: number;
  readonly changedBytes: number;
  readonly encodedBytes: number;
}

/** Of the cut whose RAM the shadow is, and whose disks are frozen. */
export interface HeldCut {
  readonly cut: number;
  readonly state: readonly Payload[];
}

export interface Session {
  readonly ports: EnginePorts;
  readonly geometry: Geometry;
  readonly scanner: Scanner;
  readonly kernel: Kernel;
  readonly frozen: FrozenDisks;
  /** What RAM and disks hold, or held once, besides zeros. */
  readonly touched: Parts;
  readonly links: Map<StreamId, SecondaryLink>;
  /** Undefined: the shadow is of no one instant. */
  held: HeldCut | undefined;
  /** Does what stops or continues the guest, after who is at it. */
  readonly alone: <Value>(work: () => Promise<Value>) => Promise<Value>;
  /** Throws what ended the work, if something has. */
  readonly assertGoing: () => void;
}

export function payloadOf(kind: Payload["kind"], bytes: Uint8Array): Payload {
  return { kind, bytes, digest: payloadDigest(bytes) };
}

/** Both have ended, well or not, before the failure of either goes on. */
export async function bothEnded<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([a, b]);
  return Promise.all([a, b]);
}
