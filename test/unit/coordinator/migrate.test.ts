import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { VmReport } from "../../../protocol/authority.ts";
import type { HostId, ServerId } from "../../../protocol/ids.ts";
import {
  type HostName,
  operation,
  order,
  running,
  type Session,
  sent,
  told,
  VM,
} from "./session.ts";

const saga = suite("migrate");
const ADDRESS = "127.0.0.1:7000";

/** Reports in the order of a move that goes well. */
const WAY: readonly (readonly [HostName, Partial<VmReport>])[] = [
  ["bravo", { phase: "incoming", term: 2, address: ADDRESS }],
  ["alpha", { outgoingTerm: 2 }],
  ["alpha", { phase: "released", toTerm: 2, releaseReason: "moved", epoch: 3, guest: "paused" }],
  ["bravo", { term: 2, guest: "paused" }],
  ["bravo", { term: 2, verified: true }],
  ["alpha", { phase: "none", term: 0, termSeen: 2 }],
];

/** A move to bravo that has come as far as `steps` of the way. */
function moved(steps: number): Session {
  const at = running();
  at.migrate("move-1");
  for (const [host, patch] of WAY.slice(0, steps)) at.reports(host, patch);
  return at;
}

const phase = (at: Session): string | undefined => at.state.sagas[operation("move-1")]?.phase;

saga("step() goes the whole way of a move, and asks each party only for its part", () => {
  const at = running();
  const asked = [sent(at.migrate("move-1"))];
  const phases = [phase(at)];
  for (const [host, patch] of WAY) {
    asked.push(sent(at.reports(host, patch)));
    phases.push(phase(at));
  }
  assert.equal(asked, [
    ["bravo prepare 2"],
    ["alpha migrate-out 1>2"],
    [],
    [],
    [],
    ["alpha retire 2"],
    [],
  ]);
  const [preparing, moving, ...rest] = phases;
  assert.equal([preparing, moving], ["preparing", "moving"]);
  assert.equal(rest, ["moving", "moving", "verifying", "retiring", "done"]);
  assert.is(at.state.vms[VM]?.hostId, "bravo");
  assert.is(at.state.vms[VM]?.term, 2);
});

saga("step() makes term and saga durable before anybody hears of them", () => {
  const asked = order(running().migrate("move-1"));
  assert.equal(asked, ["save-vm", "save-saga", "agent prepare"]);
});

saga(
  "step() makes the VM's new host durable before it verifies, and the end before the result",
  () => {
    const at = moved(3);
    assert.equal(order(at.reports(...WAY[3]!)).slice(0, 2), ["save-vm", "save-saga"]);
    at.reports(...WAY[4]!);
    const end = order(at.reports(...WAY[5]!));
    assert.equal(end, ["save-saga", "note", "management migration-result"]);
  },
);

/** The target's agent goes away, then an operator says that its server is off. */
function bravoIsOff(at: Session) {
  const hostId = "bravo" as HostId;
  at.take({ type: "agent-down", hostId });
  const said = { serverId: "server-bravo" as ServerId, reason: "It burns" };
  return at.take({ type: "declare-off", operationId: operation("off-1"), hostId, ...said });
}

saga("step() gives a released VM back once its target's server is said to be off", () => {
  const at = moved(3);
  assert.equal(sent(bravoIsOff(at)), ["alpha grant 3"]);
  assert.is(phase(at), "recovering");
  const end = told(at.reports("alpha", { term: 3 }));
  assert.is(phase(at), "done");
  const [result] = end.filter((message) => message.type === "migration-result");
  assert.is(result?.lost, "What the guest may have done on bravo");
  assert.match(result?.reason ?? "", /went back to alpha: bravo is off: It burns/);
});

saga("step() gives an active VM back that was not verified when its server went off", () => {
  const at = moved(4);
  assert.is(phase(at), "verifying");
  assert.equal(sent(bravoIsOff(at)), ["alpha grant 3"]);
});

const STAYS: readonly (readonly [string, number, Partial<VmReport>?])[] = [
  ["was verified there", 5],
  ["has no guest at its source any more", 4, { ...WAY[2]![1], guest: "absent" }],
];

for (const [what, steps, source] of STAYS) {
  saga(`step() leaves a VM at a target that is off if it ${what}`, () => {
    const at = moved(steps);
    if (source !== undefined) at.reports("alpha", source);
    assert.equal(
      sent(bravoIsOff(at)).filter((line) => line.includes("grant")),
      [],
    );
    assert.is(at.state.vms[VM]?.hostId, "bravo");
  });
}

saga("step() tells the outcome of an operation that is asked for again, and moves once", () => {
  const at = moved(WAY.length);
  const again = at.migrate("move-1");
  assert.equal(sent(again), []);
  const [result] = told(again);
  assert.is(result?.type === "migration-result" && result.outcome, "moved");
  assert.is(at.state.vms[VM]?.termMax, 2);
});

saga("step() changes nothing when a move that runs is asked for again", () => {
  for (let steps = 0; steps < WAY.length; steps++) {
    const at = moved(steps);
    const before = at.state.sagas;
    assert.equal(order(at.migrate("move-1")), [], `after ${steps} steps`);
    assert.is(at.state.sagas, before);
  }
});

saga("step() starts no second saga beside one that runs, whatever its phase", () => {
  for (let steps = 0; steps < WAY.length; steps++) {
    const at = moved(steps);
    const asked = at.migrate("move-2", "charlie");
    const [result] = told(asked);
    assert.equal(sent(asked), []);
    assert.is(result?.type === "migration-result" && result.outcome, "failed");
    assert.is(at.state.sagas[operation("move-2")], undefined);
  }
});

const REFUSALS: readonly (readonly [string, (at: Session) => HostName, RegExp])[] = [
  ["to the host it is on", () => "alpha", /on alpha already/],
  ["to an unknown host", () => "delta" as HostName, /delta is unknown/],
  ["to a cordoned host", cordoned, /bravo is cordoned/],
  ["to a host whose agent is away", (at) => away(at, "bravo"), /agent of bravo is not connected/],
  [
    "from a host whose agent is away",
    (at) => away(at, "alpha"),
    /alpha is not connected: it cannot/,
  ],
  ["when its guest does not run", paused, /does not run on alpha/],
];

function cordoned(at: Session): HostName {
  const hostId = "bravo" as HostId;
  at.take({ type: "cordon", operationId: operation("cordon-1"), hostId, cordoned: true });
  return "bravo";
}

function away(at: Session, host: HostName): HostName {
  at.take({ type: "agent-down", hostId: host as string as HostId });
  return "bravo";
}

function paused(at: Session): HostName {
  at.reports("alpha", { guest: "paused" });
  return "bravo";
}

for (const [what, prepare, why] of REFUSALS) {
  saga(`step() refuses a move ${what}, with the reason`, () => {
    const at = running();
    const asked = at.migrate("move-1", prepare(at));
    const [result] = told(asked);
    assert.equal(sent(asked), []);
    assert.match(result?.type === "migration-result" ? result.reason : "", why);
    assert.is(phase(at), undefined);
  });
}

saga("step() sends an unanswered command again, and not before its time", () => {
  const at = running();
  at.migrate("move-1");
  assert.equal(sent(at.wait(1_999)), []);
  assert.equal(sent(at.wait(1)), ["bravo prepare 2"]);
  at.reports(...WAY[0]!);
  assert.equal(sent(at.wait(2_000)), ["alpha migrate-out 1>2"]);
  at.reports(...WAY[1]!);
  assert.equal(sent(at.wait(2_000)), []);
  // The source tells the target itself; the coordinator only relays what may have been lost.
  assert.equal(sent(at.reports(...WAY[2]!)), ["bravo released 1>2"]);
});

saga("step() sends what is owed at once when the agent's link is new", () => {
  const at = moved(3);
  at.take({ type: "agent-down", hostId: "bravo" as HostId });
  assert.equal(sent(at.wait(10_000)), []);
  assert.equal(sent(at.take({ type: "agent-up", hostId: "bravo" as HostId })), []);
  // What it said over the last link may be out of date: its inventory comes first.
  assert.equal(sent(at.connects("bravo", [WAY[0]![1]])), ["bravo released 1>2"]);
});

saga("step() aborts a target that is not ready in time, then burns its term", () => {
  const at = running();
  at.migrate("move-1");
  assert.equal(sent(at.wait(60_000)), ["alpha cancel-migration 1>2"]);
  const asked = at.reports("alpha", { refusedTerm: 2 });
  assert.equal(sent(asked), ["bravo burn 2"]);
  const [result] = told(asked);
  assert.match(result?.type === "migration-result" ? result.reason : "", /not get ready in time/);
});

saga("step() aborts a stream that does not move; progress and new standings keep it", () => {
  const at = moved(2);
  at.wait(59_999);
  at.reports("bravo", { ...WAY[0]![1], epoch: 0 });
  assert.equal(sent(at.wait(59_999)), []);
  assert.equal(sent(at.wait(1)), ["alpha cancel-migration 1>2"]);
});

saga("step() is not kept from its deadline by a refusal that is told again and again", () => {
  const at = moved(1);
  let asked: string[] = [];
  for (let ms = 0; ms < 60_000; ms += 2_000) {
    at.reports("alpha", { reason: "The guest is paused" });
    asked = sent(at.wait(2_000));
  }
  assert.is(phase(at), "aborting");
  assert.equal(asked, ["alpha cancel-migration 1>2"]);
});

saga("step() takes progress from the source of that saga only", () => {
  const at = moved(2);
  const progress = {
    type: "migration-progress",
    vmId: VM,
    round: 1,
    stage: "round",
    bytesRaw: 1,
    bytesSent: 1,
    memoryBytes: 1,
    doneBytes: 1,
  } as const;
  const say = (host: HostName, id: string) =>
    told(at.take({ ...progress, sagaId: operation(id), hostId: host as string as HostId }));
  assert.is(say("alpha", "move-1").length, 1);
  assert.is(say("bravo", "move-1").length, 0);
  assert.is(say("alpha", "move-2").length, 0);
});

saga.run();
