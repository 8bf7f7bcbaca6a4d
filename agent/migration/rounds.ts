/**
 * The rounds of one stream. A fuzzy round reads RAM while the guest runs; a cut is RAM, disks and
 * device state of one instant, sent once the guest goes on; in the last one it stays stopped.
 *
 * Rule 1: whatever fails in a pause, the guest is free again when the round has ended: nothing
 *         that was asked of it is still under way. Its caller then continues it.
 * Rule 2: what was read into the shadow is sent, or the stream ends (epochs/shadow.ts, rule 1).
 * @module
 */
import { encodeExtent, encodeState } from "../../epochs/extent.ts";
import { type Kernel, WINDOW_BYTES } from "../../epochs/kernel.ts";
import type { Scanned, Scanner } from "../../epochs/scanner.ts";
import type { ScanMode } from "../../epochs/shadow.ts";
import type { MigrateOut } from "../../protocol/authority.ts";
import type { EpochAck } from "../../protocol/epoch.ts";
import { type ErrorCode, SystemError } from "../../protocol/error.ts";
import type { Clock } from "../../runtime/clock.ts";
import { crashPoint } from "../../runtime/crash-point.ts";
import type { Event } from "../authority/state.ts";
import type { DiskCuts } from "../capture/disk-cuts.ts";
import type { Guest } from "../qemu/guest.ts";
import type { EpochWriter } from "./epoch-writer.ts";
import type { PauseGate } from "./gate.ts";
import type { Ledger } from "./ledger.ts";

/** A last pause that outlasts its limit by this is given up: the guest goes on here. */
const OVERRUN_MS = 2_000;
/** RAM read between two turns of the event loop while the guest is paused. */
const TURN_BYTES = 16 * WINDOW_BYTES;

/** What QEMU answers when it cannot save the state and goes on. */
const REFUSED: readonly ErrorCode[] = ["QMP_REFUSED", "QMP_TIMEOUT"];

/** What the rounds of one stream share. */
export interface Work {
  readonly command: MigrateOut;
  readonly clock: Clock;
  readonly guest: Guest;
  readonly memoryBytes: number;
  readonly ledger: Ledger;
  readonly writer: EpochWriter;
  readonly disks: DiskCuts;
  readonly scanner: Scanner;
  readonly kernel: Kernel;
  readonly dispatch: (event: Event) => void;
  /** Lets other work of the agent go on. */
  readonly breathe: () => Promise<void>;
  readonly gate: PauseGate;
  /** Throws what has ended the stream, if something has. */
  readonly assertGoing: () => void;
  /** Ends the stream from outside of its round. */
  readonly fail: (error: SystemError) => void;
  /** Ends the writer's epoch; resolves once the target has applied it. */
  readonly endEpoch: () => Promise<EpochAck>;
}

/** A round read while the guest runs: it makes the rest smaller, and restores nothing. */
export async function fuzzyRound(work: Work): Promise<void> {
  const { clock, guest, ledger, writer, disks, dispatch, memoryBytes } = work;
  const startedMs = clock.nowMs();
  const mode = ledger.rounds.length === 0 ? "full" : "delta";
  await disks.prepare(guest);
  work.assertGoing();
  dispatch({ type: "chains", vmId: work.command.vmId, chains: disks.planned() });
  await disks.snapshot(guest);
  await writer.begin({ content: mode, kind: "fuzzy", memoryBytes });
  const sent = await sendPages(work, mode);
  const changedBytes = sent.changedBytes + (await sendExtents(work));
  await work.endEpoch();
  ledger.note({ kind: "fuzzy", changedBytes, scanMs: sent.scanMs, startedMs });
}

/**
 * A cut. One that finds more than may be held is let go of half-way: the guest runs again, and
 * the rest is read while it does, so that the epoch is a fuzzy one. So is one whose device state
 * could not be saved: the guest goes on, and the next round tries again.
 */
export async function cutRound(work: Work): Promise<void> {
  const { clock, guest, ledger, writer, dispatch, memoryBytes } = work;
  const { vmId, stream } = work.command;
  const startedMs = clock.nowMs();
  await prepareCut(work);
  const { found, deviceState, pausedMs } = await work.gate.ahead(() => pausedCut(work));
  const fixedMs = pausedMs - found.scanMs;
  dispatch({ type: "cut-over", vmId });
  crashPoint("agent-cut-continue", guest.identity.pid);
  const whole = found.scannedBytes === memoryBytes && deviceState !== undefined;
  await writer.begin({ content: "delta", kind: whole ? "cut" : "fuzzy", memoryBytes });
  // What is aside, and what there was no room for.
  const sent = await sendPages(work, "delta");
  const changedBytes = sent.changedBytes + (await sendExtents(work));
  if (whole) await sendState(work, deviceState);
  await work.endEpoch();
  // A fuzzy epoch spoils the restore point before it.
  dispatch({ type: "epoch-acked", vmId, stream, epoch: whole ? writer.epoch : -1 });
  const scanMs = found.scanMs + sent.scanMs;
  const kind = deviceState === undefined ? "voided" : whole ? "cut" : "overflow";
  ledger.note({ kind, changedBytes, scanMs, fixedMs, startedMs });
}

/** What is done while the guest stands. */
async function pausedCut(work: Work): Promise<{
  readonly found: Scanned;
  readonly deviceState: Uint8Array | undefined;
  readonly pausedMs: number;
}> {
  const { clock, guest, disks } = work;
  const stoppedMs = clock.nowMs();
  await guest.pause();
  crashPoint("agent-cut-stopped", guest.identity.pid);
  await disks.snapshot(guest);
  const [found, deviceState] = await bothEnded(collect(work), stateOf(guest));
  crashPoint("agent-cut-state", guest.identity.pid);
  work.assertGoing();
  await guest.resume();
  return { found, deviceState, pausedMs: clock.nowMs() - stoppedMs };
}

/** The device state of a paused guest; undefined when QEMU could not save it and lives on. */
async function stateOf(guest: Guest): Promise<Uint8Array | undefined> {
  try {
    return await guest.migrateState();
  } catch (thrown) {
    const refused = thrown instanceof SystemError && REFUSED.includes(thrown.code);
    if (refused && guest.phase() !== "gone") return undefined;
    throw thrown;
  }
}

/** The last epoch: the guest stays stopped, and everything is sent as it is found. */
export async function lastEpoch(work: Work, expectedPauseMs: number): Promise<void> {
  const { clock, ledger, command } = work;
  await prepareCut(work);
  ledger.at("last", 0, expectedPauseMs);
  const overrun = clock.after(command.limits.pauseMsMax + OVERRUN_MS, () => {
    work.fail(new SystemError("TIMED_OUT", "The last pause took far longer than expected"));
  });
  try {
    await work.gate.ahead(() => pausedLast(work));
  } finally {
    overrun.cancel();
  }
}

/** From the guest's stop to RELEASED. */
async function pausedLast(work: Work): Promise<void> {
  const { clock, guest, ledger, command } = work;
  const startedMs = clock.nowMs();
  ledger.pauseBegins();
  await guest.pause();
  await work.disks.snapshot(guest);
  ledger.parts.stop = clock.nowMs() - startedMs;
  crashPoint("agent-last-stopped", guest.identity.pid);
  await carryLast(work);
  const { vmId, stream } = command;
  ledger.ackedNow();
  work.dispatch({ type: "last-acked", vmId, stream, epoch: work.writer.epoch });
}

/** Records the overlays of a cut before anything is stopped. */
async function prepareCut({ disks, guest, assertGoing, dispatch, command }: Work): Promise<void> {
  await disks.prepare(guest);
  // After this the core may not expect a cut any more.
  assertGoing();
  dispatch({ type: "cut", vmId: command.vmId, chains: disks.planned() });
  crashPoint("agent-cut-journal", guest.identity.pid);
  assertGoing();
}

async function carryLast(work: Work): Promise<void> {
  const { clock, guest, ledger, writer, memoryBytes } = work;
  const { parts } = ledger;
  let carriedMs = 0;
  const carry = async (): Promise<void> => {
    await writer.begin({ content: "delta", kind: "last", memoryBytes });
    const { changedBytes } = await sendPages(work, "delta", parts);
    carriedMs = clock.nowMs();
    ledger.lastCarried(changedBytes + (await sendExtents(work)));
  };
  const [, deviceState] = await bothEnded(carry(), guest.migrateState());
  parts.state = clock.nowMs() - carriedMs;
  const encodedMs = clock.nowMs();
  await sendState(work, deviceState);
  parts.encode += clock.nowMs() - encodedMs;
  crashPoint("agent-last-sent", guest.identity.pid);
  const sentMs = clock.nowMs();
  const { applyMs } = await work.endEpoch();
  parts.apply = applyMs;
  parts.send += Math.max(0, clock.nowMs() - sentMs - applyMs);
  crashPoint("agent-last-acked", guest.identity.pid);
  work.assertGoing();
}

/**
 * Sends what is aside, and what changed in the RAM that was not looked at. With `parts` the guest
 * is paused, and its times are added to them: of sending, what scan and encoding did not hide.
 */
async function sendPages(
  work: Work,
  mode: ScanMode,
  parts?: { scan: number; encode: number; send: number },
): Promise<Scanned> {
  const { clock, ledger, writer, scanner } = work;
  const startedMs = clock.nowMs();
  const breathe = breather(work);
  let sendMs = 0;
  const scanned = await scanner.encode(mode, {
    before: () => (parts === undefined ? work.gate.pass() : Promise.resolve()),
    async payload(payload) {
      const beforeMs = clock.nowMs();
      await writer.content("pages", payload);
      sendMs += clock.nowMs() - beforeMs;
    },
    async after(scannedBytes) {
      if (parts === undefined) ledger.at(mode === "full" ? "full" : "round", scannedBytes);
      await (parts === undefined ? work.breathe() : breathe(scannedBytes));
      work.assertGoing();
    },
  });
  if (parts !== undefined) {
    const { scanMs, encodeMs } = scanned;
    parts.scan += scanMs;
    parts.encode += encodeMs;
    const restMs = clock.nowMs() - startedMs - scanMs - encodeMs;
    parts.send += Math.max(0, Math.min(sendMs, restMs));
  }
  return scanned;
}

/** Sets aside what changed, as much of it as may be held. */
function collect(work: Work): Promise<Scanned> {
  return work.scanner.setAside({ after: breather(work) });
}

/** In a pause the device state arrives meanwhile: its sender must not wait for the scan's end. */
function breather(work: Work): (scannedBytes: number) => Promise<void> {
  let nextBytes = 0;
  return async (scannedBytes) => {
    if (scannedBytes < nextBytes) return;
    nextBytes = scannedBytes + TURN_BYTES;
    await work.breathe();
  };
}

async function sendExtents({ writer, kernel, disks, assertGoing }: Work): Promise<number> {
  let bytes = 0;
  for await (const extent of disks.extents()) {
    bytes += extent.bytes?.length ?? 0;
    await writer.content("extent", encodeExtent(kernel, extent));
    assertGoing();
  }
  return bytes;
}

async function sendState({ writer, kernel }: Work, deviceState: Uint8Array): Promise<void> {
  for (const piece of encodeState(kernel, deviceState)) await writer.content("state", piece);
}

/** Both have ended, well or not, before the failure of either goes on. */
async function bothEnded<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([a, b]);
  return Promise.all([a, b]);
}
