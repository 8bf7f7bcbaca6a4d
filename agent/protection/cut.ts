/**
 * One cut of a protected guest: what its pause is made of.
 *
 * Rule 1: the cut is journalled before the guest is stopped, so that whoever finds it stopped lets
 *         it go on.
 * Rule 2: whatever fails, the guest goes on, if it still may; nothing that was asked of it is then
 *         under way.
 */
import type { Scanned } from "../../epochs/scanner.ts";
import { type ErrorCode, reasonOf, SystemError } from "../../protocol/error.ts";
import { crashPoint } from "../../runtime/crash-point.ts";
import { DiskCuts } from "../capture/disk-cuts.ts";
import type { Guest } from "../qemu/guest.ts";
import { bothEnded, type Session } from "./session.ts";

/** What QEMU answers when it cannot save the state and goes on. */
const REFUSED: readonly ErrorCode[] = ["QMP_REFUSED", "QMP_TIMEOUT"];
/** RAM read between two turns of the event loop while the guest is paused. */
const TURN_BYTES = 16 * 1024 * 1024;

export interface Paused {
  readonly cut: number;
  /** When the guest was asked to stop. */
  readonly stoppedMs: number;
  readonly disks: DiskCuts;
  readonly found: Scanned;
  /** Undefined: QEMU could not save it. */
  readonly deviceState: Uint8Array | undefined;
  readonly stopMs: number;
  readonly stateMs: number;
  readonly continueMs: number;
  readonly pauseMs: number;
}

/** Overlays, and the record of the cut; the guest still runs. Undefined: it may not be cut. */
export async function prepareCut(
  { ports, links }: Session,
  options: { readonly first: boolean; readonly early: boolean },
): Promise<{ disks: DiskCuts; cut: number } | undefined> {
  const { guest, standing, definition, dispatch } = ports;
  const { id: vmId } = definition;
  const disks = new DiskCuts(definition, standing.chains(), ports.disks, options);
  await disks.prepare(guest);
  const before = standing.cut();
  dispatch({ type: "cut", vmId, chains: disks.planned() });
  const cut = standing.cut();
  if (cut === before) return undefined;
  crashPoint("agent-cut-journal", guest.identity.pid);
  for (const link of links.values()) link.cutBegins(cut);
  return { disks, cut };
}

/**
 * Takes one. @returns why there is none, when RAM was not looked at; undefined: it may not be cut
 * @throws whatever leaves open what the shadow is
 */
export async function pausedCut(
  session: Session,
  first: boolean,
): Promise<Paused | string | undefined> {
  const { gate, dispatch, definition, guest } = session.ports;
  await letGo(session);
  if (guest.phase() !== "running") return `The guest is ${guest.phase()}`;
  const prepared = await attempt(() => prepareCut(session, { first, early: false }));
  if (typeof prepared === "string" || prepared === undefined) return prepared;
  try {
    return await gate.ahead(() => pause(session, prepared));
  } finally {
    await letGo(session);
    if (guest.phase() === "running") {
      dispatch({ type: "cut-over", vmId: definition.id });
      crashPoint("agent-cut-continue", guest.identity.pid);
    }
  }
}

/** A guest that a cut has stopped goes on, if it still may. */
async function letGo({ ports }: Session): Promise<void> {
  const { guest, standing, log } = ports;
  const stands = guest.phase() === "paused" || guest.phase() === "postmigrate";
  if (!stands || !standing.stoppedByAgent() || !standing.mayRun()) return;
  try {
    await guest.resume();
  } catch (thrown) {
    // It is tried again before the next cut, and by the next life of this agent.
    log.error("A guest does not go on", { vmId: guest.vm, reason: reasonOf(thrown) });
  }
}

async function pause(
  session: Session,
  { disks, cut }: { readonly disks: DiskCuts; readonly cut: number },
): Promise<Paused | string> {
  const { clock, guest, standing } = session.ports;
  const stoppedMs = clock.nowMs();
  const frozen = await attempt(async () => {
    await guest.pause();
    crashPoint("agent-cut-stopped", guest.identity.pid);
    await disks.snapshot(guest);
    return disks;
  });
  if (typeof frozen === "string") return frozen;
  const frozenMs = clock.nowMs();
  let savedMs = frozenMs;
  const state = stateOf(guest).finally(() => {
    savedMs = clock.nowMs();
  });
  const [found, deviceState] = await bothEnded(collect(session), state);
  crashPoint("agent-cut-state", guest.identity.pid);
  if (!standing.mayRun()) throw new SystemError("CANCELLED", "The guest may not run any more");
  const foundMs = clock.nowMs();
  await guest.resume();
  const nowMs = clock.nowMs();
  return {
    cut,
    stoppedMs,
    disks,
    found,
    deviceState,
    stopMs: frozenMs - stoppedMs,
    stateMs: savedMs - frozenMs,
    continueMs: nowMs - foundMs,
    pauseMs: nowMs - stoppedMs,
  };
}

/** The result, or why there is none; a guest that is gone is no reason but the end. */
async function attempt<Result>(work: () => Promise<Result>): Promise<Result | string> {
  try {
    return await work();
  } catch (thrown) {
    if (!(thrown instanceof SystemError)) throw thrown;
    if (thrown.code === "QEMU_EXITED" || thrown.code === "QMP_CLOSED") throw thrown;
    return reasonOf(thrown);
  }
}

/** The device state of a paused guest; undefined when QEMU could not save it and lives on. */
export async function stateOf(guest: Guest): Promise<Uint8Array | undefined> {
  try {
    return await guest.migrateState();
  } catch (thrown) {
    const refused = thrown instanceof SystemError && REFUSED.includes(thrown.code);
    if (refused && guest.phase() !== "gone") return undefined;
    throw thrown;
  }
}

/** Sets aside what changed; the device state arrives meanwhile, and must not wait for its end. */
function collect({ scanner, ports }: Session): Promise<Scanned> {
  let nextBytes = 0;
  return scanner.setAside({
    async after(scannedBytes) {
      if (scannedBytes < nextBytes) return;
      nextBytes = scannedBytes + TURN_BYTES;
      await ports.breathe();
    },
  });
}
