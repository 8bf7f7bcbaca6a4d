/**
 * What a guest says: on its virtio-serial port after a question, or on its console.
 * @module
 */
import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import type { DrillCheck } from "../../protocol/replication.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { GuestPaths } from "../qemu/argv.ts";
import { connectUnix } from "../qemu/unix-socket.ts";

const LOOK_MS = 50;
/** The question is asked again: a guest may open its port late. */
const ASK_MS = 1_000;
/** Of what it says no more is looked at; the newest is. */
const HEARD_CHARACTERS_MAX = 65_536;

export interface Hearing {
  /** Resolves once it has said what it must, at once if it need not say anything. */
  readonly said: Promise<void>;
  /** Stops listening. */
  end(): void;
}

/** Listens from now on. `said` rejects with DRILL_FAILED after the check's time. */
export function hears(check: DrillCheck, paths: GuestPaths, clock: Clock): Hearing {
  const ear = { open: true };
  const said = check.expect === undefined ? Promise.resolve() : listen(check, paths, clock, ear);
  // Whoever waits for it sees the failure.
  said.catch(() => {});
  return {
    said,
    end: () => {
      ear.open = false;
    },
  };
}

async function listen(
  { send, expect = "", withinMs }: DrillCheck,
  paths: GuestPaths,
  clock: Clock,
  ear: { readonly open: boolean },
): Promise<void> {
  const untilMs = clock.nowMs() + withinMs;
  const port = send === undefined ? undefined : await openPort(paths);
  let askAtMs = clock.nowMs();
  try {
    while (ear.open && clock.nowMs() < untilMs) {
      if (port !== undefined && clock.nowMs() >= askAtMs) {
        port.socket.write(`${send}\n`);
        askAtMs += ASK_MS;
      }
      const printed = await readFile(paths.serial, "latin1").catch(() => "");
      if (printed.includes(expect) || port?.heard().includes(expect) === true) return;
      await clock.sleep(LOOK_MS);
    }
  } finally {
    port?.socket.destroy();
  }
  throw new SystemError("DRILL_FAILED", `It did not say "${expect}" within ${withinMs} ms`);
}

async function openPort(paths: GuestPaths): Promise<{ socket: Socket; heard: () => string }> {
  try {
    const socket = await connectUnix(paths.channel);
    let heard = "";
    socket.setEncoding("latin1");
    socket.on("data", (text) => {
      heard = (heard + String(text)).slice(-HEARD_CHARACTERS_MAX);
    });
    // A guest that ends takes its port with it: then it will not say anything more.
    socket.on("error", () => {});
    return { socket, heard: () => heard };
  } catch (thrown) {
    const why = `It has no virtio-serial port to be asked over: ${reasonOf(thrown)}`;
    throw new SystemError("DRILL_FAILED", why, { cause: thrown });
  }
}
