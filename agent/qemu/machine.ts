/**
 * What one QEMU process may be asked for in the state it is in, as a pure state machine.
 *
 *   absent --start--> starting --ready--> paused <--pause/resume--> running
 *                        |                   |
 *                        |              save-state
 *                        |                   v
 *                        |               postmigrate --resume--> running
 *                        +--ready--> incoming --load-state--> paused
 *
 * Any of them ends in gone, and nothing leads back from there: a VM that starts again is another
 * process and another machine. A machine starts paused: nothing runs before `resume`, and whether
 * that may be asked for is decided elsewhere (agent/authority.ts).
 *
 * Rule 1: one operation at a time; a second one is refused, not queued.
 * Rule 2: layers are cut while the images are active, so never in postmigrate. Only a cut in the
 *         pause belongs to an epoch; one of a running guest freezes what a fuzzy round sends.
 * Rule 3: what QEMU reports wins: after a failed operation the phase is what its status says.
 */
import { SystemError } from "../../protocol/error.ts";

export type Phase =
  | "absent"
  | "starting"
  | "running"
  | "paused"
  | "postmigrate"
  | "incoming"
  | "gone";

export type Operation =
  | "start"
  | "pause"
  | "resume"
  | "save-state"
  | "load-state"
  | "prepare-overlay"
  | "snapshot";

export type State = Readonly<{ phase: Phase; busy: Operation | undefined }>;

export type Event = Readonly<
  | { type: "ask"; operation: Operation }
  | { type: "done"; operation: Operation }
  /** QEMU's run state, asked for or implied by an event of its own. */
  | { type: "status"; status: string }
  | { type: "failed"; operation: Operation }
  | { type: "exited" }
>;

export type Effect = Readonly<
  | { type: "perform"; operation: Operation }
  | { type: "refuse"; error: SystemError }
  | { type: "announce"; phase: Phase }
>;

export type Step = readonly [state: State, effects: readonly Effect[]];

export const initial: State = { phase: "absent", busy: undefined };

const ALLOWED: Readonly<Record<Operation, readonly Phase[]>> = {
  start: ["absent"],
  pause: ["running", "paused"],
  resume: ["running", "paused", "postmigrate"],
  "save-state": ["paused"],
  "load-state": ["incoming"],
  "prepare-overlay": ["running", "paused"],
  snapshot: ["running", "paused"],
};

/** Where an operation leads; the others leave the phase to what QEMU reports. */
const RESULT: Partial<Record<Operation, Phase>> = {
  pause: "paused",
  resume: "running",
  "save-state": "postmigrate",
  "load-state": "paused",
};

/** QEMU's run states (qapi/run-state.json) by what may be asked in them. */
const STATUS: Readonly<Record<string, Phase>> = {
  running: "running",
  prelaunch: "paused",
  paused: "paused",
  suspended: "paused",
  "io-error": "paused",
  "internal-error": "paused",
  "guest-panicked": "paused",
  shutdown: "paused",
  postmigrate: "postmigrate",
  "finish-migrate": "postmigrate",
  inmigrate: "incoming",
};

/** Takes one event; what must be done, or said, follows. */
export function step(state: State, event: Event): Step {
  if (state.phase === "gone" && event.type !== "ask") return [state, []];
  switch (event.type) {
    case "ask":
      return ask(state, event.operation);
    case "done":
      return done(state, event.operation);
    case "failed":
      return [{ ...state, busy: undefined }, []];
    case "status":
      return enter(state, STATUS[event.status] ?? state.phase);
    case "exited":
      return [{ phase: "gone", busy: undefined }, [{ type: "announce", phase: "gone" }]];
  }
}

function ask(state: State, operation: Operation): Step {
  if (state.busy !== undefined) {
    const message = `Cannot ${operation}: the guest is busy with ${state.busy}`;
    return [state, [{ type: "refuse", error: new SystemError("GUEST_BUSY", message) }]];
  }
  if (!ALLOWED[operation].includes(state.phase)) {
    const message = `Cannot ${operation}: the guest is ${state.phase}`;
    return [state, [{ type: "refuse", error: new SystemError("STATE_CONFLICT", message) }]];
  }
  const phase = operation === "start" ? "starting" : state.phase;
  return [{ phase, busy: operation }, [{ type: "perform", operation }]];
}

function done(state: State, operation: Operation): Step {
  if (state.busy !== operation) return [state, []];
  return enter({ ...state, busy: undefined }, RESULT[operation] ?? state.phase);
}

function enter(state: State, phase: Phase): Step {
  if (phase === state.phase) return [state, []];
  return [{ ...state, phase }, [{ type: "announce", phase }]];
}
