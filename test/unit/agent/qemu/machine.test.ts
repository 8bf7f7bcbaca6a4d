import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type Event,
  initial,
  type Operation,
  type Phase,
  type State,
  step,
} from "../../../../agent/qemu/machine.ts";

const OPERATIONS: readonly Operation[] = [
  "start",
  "pause",
  "resume",
  "save-state",
  "load-state",
  "prepare-overlay",
  "snapshot",
];
const PHASES: readonly Phase[] = [
  "absent",
  "starting",
  "running",
  "paused",
  "postmigrate",
  "incoming",
  "gone",
];
/** Phase -> what it allows; everything else is refused. */
const ALLOWED: Readonly<Record<Phase, readonly Operation[]>> = {
  absent: ["start"],
  starting: [],
  running: ["pause", "resume", "prepare-overlay", "snapshot"],
  paused: ["pause", "resume", "save-state", "prepare-overlay", "snapshot"],
  postmigrate: ["resume"],
  incoming: ["load-state"],
  gone: [],
};
const machine = suite("machine");

function codeOf(state: State, operation: Operation): string {
  const [, [effect]] = step(state, { type: "ask", operation });
  if (effect?.type === "refuse") return effect.error.code;
  return effect?.type ?? "nothing";
}

machine("step() allows in each phase exactly what makes sense", () => {
  for (const phase of PHASES) {
    const allowed = OPERATIONS.filter(
      (operation) => codeOf({ phase, busy: undefined }, operation) === "perform",
    );
    assert.equal(allowed, ALLOWED[phase], phase);
  }
});

machine("step() refuses a second operation while one is under way", () => {
  for (const operation of OPERATIONS) {
    assert.is(codeOf({ phase: "paused", busy: "save-state" }, operation), "GUEST_BUSY");
  }
});

for (const [name, events, phase] of [
  [
    "a cut",
    [
      { type: "status", status: "running" },
      { type: "ask", operation: "pause" },
      { type: "status", status: "paused" },
      { type: "done", operation: "pause" },
      { type: "ask", operation: "save-state" },
      { type: "done", operation: "save-state" },
    ],
    "postmigrate",
  ],
  [
    "a target",
    [
      { type: "status", status: "inmigrate" },
      { type: "ask", operation: "load-state" },
      { type: "done", operation: "load-state" },
    ],
    "paused",
  ],
  [
    "a failed state save, by what QEMU says",
    [
      { type: "status", status: "paused" },
      { type: "ask", operation: "save-state" },
      { type: "failed", operation: "save-state" },
      { type: "status", status: "postmigrate" },
    ],
    "postmigrate",
  ],
  ["a status that is not known", [{ type: "status", status: "colo" }], "starting"],
] as const satisfies readonly (readonly [string, readonly Event[], Phase])[]) {
  machine(`step() follows ${name}`, () => {
    let state: State = { ...initial, phase: "starting" };
    for (const event of events) [state] = step(state, event);
    assert.is(state.phase, phase);
    assert.is(state.busy, undefined);
  });
}

machine("step() never leaves gone, whatever comes", () => {
  const event = fc.oneof(
    fc.record({
      type: fc.constantFrom("ask" as const, "done" as const, "failed" as const),
      operation: fc.constantFrom(...OPERATIONS),
    }),
    fc.record({
      type: fc.constant("status" as const),
      status: fc.constantFrom("running", "paused"),
    }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 20 }), (events) => {
      let [state] = step({ phase: "running", busy: "pause" }, { type: "exited" });
      for (const next of events) [state] = step(state, next);
      assert.is(state.phase, "gone");
    }),
    { seed: 1 },
  );
});

machine.run();
