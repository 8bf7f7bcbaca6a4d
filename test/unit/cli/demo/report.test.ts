import { suite } from "uvu";
import * as assert from "uvu/assert";
import { demoReport, reportOf, type Seen } from "../../../../cli/demo/report.ts";
import type { GuestSeen } from "../../../../cli/demo/witness.ts";
import type { Move } from "../../../../management/state.ts";
import type { Status } from "../../../../management/status.ts";
import { hostId, operationId, vmId } from "../../../../protocol/ids.ts";
import type { Event } from "../../../../protocol/operator.ts";

const VM = vmId.parse("11111111-1111-4111-8111-111111111111");
const ALPHA = hostId.parse("alpha");
const SAGA = operationId.parse("evacuation-1-0-1");

const PREDICTION: Event = event(5, "prediction", "agent:alpha", "management", {
  detail: {
    type: "prediction",
    predictionId: "p-1",
    serverId: "alpha",
    source: "agent",
    component: "disk",
    device: "sda",
    probability: 0.5,
    horizonMs: 1_000,
    evidence: [{ signal: "smart-5", value: 8, threshold: 0, text: "Reallocated: 8" }],
  },
});

function event(
  id: number,
  message: string,
  from: string,
  to: string,
  more: Partial<Event> = {},
): Event {
  return { type: "event", id, wallTime: "", atMs: id * 10, message, from, to, ...more };
}

const PARTS = {
  stop: 1,
  scan: 1,
  state: 1,
  encode: 1,
  send: 1,
  apply: 1,
  release: 1,
  activate: 1,
};

function seenOf(guest: Partial<GuestSeen> = {}, move: Partial<Move> = {}): Seen {
  const progress = {
    type: "migration-progress",
    vmId: VM,
    sagaId: SAGA,
    round: 3,
    stage: "done",
    bytesRaw: 100,
    bytesSent: 60,
    memoryBytes: 100,
    doneBytes: 0,
    lastPauseMs: 9,
    pauseParts: PARTS,
  } as const;
  const status = { vms: [{ vmId: VM, term: 2 }], progress: { [VM]: progress } };
  const good = { before: 10, firstAfter: 11, after: 20, tornPages: 0, diskErrors: 0 };
  return {
    cause: "disk",
    tookMs: 1_234.5,
    predicted: PREDICTION,
    events: [
      event(4, "link-up", "agent:alpha", "management"),
      PREDICTION,
      event(6, "decision", "management", "management", { causedBy: "p-1" }),
      event(7, "identify-host", "management", "coordinator", { causedBy: "p-1" }),
      event(8, "link-up", "coordinator", "management"),
    ],
    status: status as unknown as Status,
    moves: [
      {
        vmId: VM,
        name: "linux",
        memoryBytes: 100,
        target: hostId.parse("bravo"),
        operationId: SAGA,
        attempts: 0,
        state: "moved",
        reason: "Moved",
        ...move,
      },
    ],
    from: ALPHA,
    guests: new Map([[VM, { ...good, ...guest }]]),
  };
}

const report = suite("reportOf");

report("is ok, and by its schema, when a guest moved and went on", () => {
  const made = reportOf(seenOf());
  assert.equal(demoReport.parse(made), made);
  assert.ok(made.ok);
  assert.not(Object.hasOwn(made, "reasons"));
  assert.is(made.tookMs, 1_235);
  const { evidence: _evidence, ...prediction } = made.prediction;
  assert.equal(prediction, {
    serverId: "alpha",
    source: "agent",
    component: "disk",
    probability: 0.5,
  });
  assert.equal(made.vms, [
    {
      vmId: VM,
      name: "linux",
      from: "alpha",
      to: "bravo",
      term: 2,
      rounds: 3,
      bytesRaw: 100,
      bytesSent: 60,
      lastPauseMs: 9,
      pauseParts: PARTS,
      counterBefore: 10,
      counterAfter: 20,
      tornPages: 0,
      diskErrors: 0,
    },
  ]);
});

report("tells messages between programs from the prediction on, each with its cause", () => {
  assert.equal(reportOf(seenOf()).messages, [
    { type: "prediction", from: "agent:alpha", to: "management", atMs: 50, causedBy: "disk:sda" },
    { type: "identify-host", from: "management", to: "coordinator", atMs: 70, causedBy: "p-1" },
  ]);
});

const faults: readonly [what: string, seen: Seen, words: RegExp][] = [
  ["a guest that stands still", seenOf({ after: 10 }), /does not count any more/],
  ["a guest that began anew", seenOf({ firstAfter: 1 }), /began anew at bravo/],
  ["a guest that never printed", seenOf({ firstAfter: undefined }), /began anew/],
  ["a torn page", seenOf({ tornPages: 1 }), /1 torn pages/],
  ["a disk error", seenOf({ diskErrors: 2 }), /2 disk errors/],
  ["a guest that stayed", seenOf({}, { state: "blocked", reason: "No agent" }), /No agent/],
  ["no guest at all", { ...seenOf(), moves: [] }, /No guest/],
  ["a prediction of the wrong source", { ...seenOf(), cause: "nic" }, /came from the agent/],
];

for (const [what, seen, words] of faults) {
  report(`is not ok for ${what}, and says so`, () => {
    const made = reportOf(seen);
    assert.is(made.ok, false);
    assert.match((made.reasons ?? []).join("\n"), words);
    assert.equal(demoReport.parse(made), made);
  });
}

report("takes no figures of an earlier attempt", () => {
  const later = operationId.parse("evacuation-1-0-2");
  const [vm] = reportOf(seenOf({}, { operationId: later })).vms;
  assert.equal([vm?.rounds, vm?.lastPauseMs], [0, null]);
});

report.run();
