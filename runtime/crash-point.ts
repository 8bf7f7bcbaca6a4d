/**
 * Named moments at which a test may end this process or its guest, as a power loss would.
 * LIFEBOAT_CRASH_AT=NAME ends the process, LIFEBOAT_CRASH_AT=guest@NAME the guest; with
 * LIFEBOAT_CRASH_ONCE=PATH only if that file does not exist yet.
 * @module
 */
import { existsSync } from "node:fs";
import { SystemError } from "../protocol/error.ts";
import { createFile } from "./durable.ts";

/** Each is reached right after what it names was done. */
export const CRASH_POINTS = [
  "agent-journal-outgoing",
  "agent-journal-incoming",
  "agent-cut-journal",
  "agent-cut-stopped",
  "agent-cut-state",
  "agent-cut-continue",
  "agent-last-stopped",
  "agent-last-sent",
  "agent-last-acked",
  "agent-released-journal",
  "agent-released-sent",
  "agent-target-begin",
  "agent-target-applied",
  "agent-target-loaded",
  "agent-target-acked",
  "agent-target-last-acked",
  "agent-active-journal",
  "agent-active-continued",
  "agent-verified",
  "agent-retired",
  "agent-replica-log",
  "agent-replica-manifest",
  "agent-replica-acked",
  "agent-replica-sealed",
  "agent-replica-restored",
  "coordinator-saga-journal",
  "coordinator-prepare-sent",
  "coordinator-migrate-out-sent",
  "coordinator-active-journal",
  "coordinator-retire-sent",
  "management-prediction-journal",
  "management-identify-sent",
  "management-plan-journal",
  "management-migrate-sent",
] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];

interface Armed {
  readonly name: CrashPoint;
  readonly victim: "process" | "guest";
}

const armed = parseArmed(process.env["LIFEBOAT_CRASH_AT"]);

/** Does nothing unless armed for `name`; does not return when it ends this process. */
export function crashPoint(name: CrashPoint, guestPid?: number): void {
  if (armed === undefined || armed.name !== name) return;
  const victim = armed.victim === "process" ? process.pid : guestPid;
  if (victim === undefined || !firstTime(process.env["LIFEBOAT_CRASH_ONCE"])) return;
  try {
    process.kill(victim, "SIGKILL");
  } catch {
    // The guest is gone already.
  }
  // A signal to oneself may arrive a moment later; nothing may be done in between.
  if (armed.victim === "process") for (;;);
}

function parseArmed(text: string | undefined): Armed | undefined {
  if (text === undefined || text === "") return undefined;
  const [, guest, name] = /^(guest@)?(.*)$/.exec(text)!;
  const known = CRASH_POINTS.find((point) => point === name);
  if (known === undefined) {
    throw new SystemError("USAGE", `LIFEBOAT_CRASH_AT names no crash point: ${text}`);
  }
  return { name: known, victim: guest === undefined ? "process" : "guest" };
}

function firstTime(marker: string | undefined): boolean {
  if (marker === undefined || marker === "") return true;
  return !existsSync(marker) && createFile(marker, "crashed\n");
}
