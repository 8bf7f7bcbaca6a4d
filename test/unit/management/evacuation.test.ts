import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Effect, EvacuationRecord } from "../../../management/state.ts";
import {
  ACT,
  armed,
  FLEET,
  host,
  hostId,
  MIB,
  migrations,
  notes,
  order,
  type Session,
  sent,
  session,
  vm,
  vmId,
} from "./session.ts";

const evacuation = suite("evacuation");

const VMS = [1, 2, 3].map((number) => vm(number));

function byHand(at: Session, id = "e1", name = "alpha", dryRun = false): readonly Effect[] {
  return at.ask(id, { method: "evacuate", hostId: hostId(name), dryRun });
}

/** An evacuation of alpha whose VMs are named. */
function begun(vms = VMS): { readonly at: Session; readonly asked: readonly Effect[] } {
  const at = armed(vms);
  byHand(at);
  return { at, asked: at.names("e1", vms) };
}

const states = (at: Session) => at.evacuations[0]?.moves.map((move) => move.state);
const outcome = (at: Session) => at.evacuations[0]?.outcome;
const types = (effects: readonly Effect[]) => sent(effects).map((message) => message.type);
const cancel = (at: Session) => at.ask("c1", { method: "cancel", hostId: hostId("alpha") });

evacuation("step() gives every VM an operation of its own, however alike their ids are", () => {
  const { at, asked } = begun();
  const rest = at.result("e1-0-1", "moved");
  const ids = [...migrations(asked), ...migrations(rest)].map((line) => line.split(" ")[0]);
  assert.equal(ids, ["e1-0-1", "e1-1-1", "e1-2-1"]);
  assert.equal(states(at), ["moved", "running", "running"]);
});

evacuation("step() keeps operations apart and valid when ids are as long as they may be", () => {
  const ids = ["1", "2"].map((end) => "e".repeat(62) + end);
  const operations = ids.map((id) => {
    const at = armed();
    byHand(at, id);
    return migrations(at.names(id, [vm(1)]))[0]?.split(" ")[0] ?? "";
  });
  assert.is.not(operations[0], operations[1]);
  for (const id of operations) assert.match(id, /^[a-z0-9-]{1,63}$/);
});

evacuation("step() moves at most two streams at once, the largest first", () => {
  const sizes = [64, 256, 128].map((size, at) => vm(at + 1, { memoryBytes: size * MIB }));
  const { at, asked } = begun(sizes);
  assert.equal(
    migrations(asked).map((line) => line.split(" ")[1]),
    ["2", "3"],
  );
  assert.equal(migrations(at.wait(10_000)), []);
  assert.is(migrations(at.result("e1-0-1", "moved")).length, 1);
});

evacuation(
  "step() evacuates one host at a time; the next follows when the first is through",
  () => {
    const at = armed([vm(1)]);
    byHand(at, "e1", "alpha");
    assert.equal(types(byHand(at, "e2", "bravo")), []);
    at.names("e1", [vm(1)]);
    assert.equal(types(at.wait(60_000)), []);
    assert.equal(types(at.result("e1-0-1", "moved")), ["identify-host"]);
  },
);

evacuation("step() lets a host that waits hold up no other, nor join in beside it", () => {
  const vms = [vm(1), vm(2, { hostId: hostId("bravo") })];
  const at = armed(vms);
  byHand(at, "e1", "alpha");
  at.fleet([host("alpha", { connected: false }), ...FLEET.slice(1)], vms);
  at.names("e1", [vm(1)]);
  assert.equal(types(byHand(at, "e2", "bravo")), ["identify-host"]);
  assert.equal(migrations(at.names("e2", vms.slice(1), "bravo")), ["e2-0-1 2 charlie"]);
  at.fleet(FLEET, vms);
  assert.equal(migrations(at.wait(10_000)), []);
  const next = at.result("e2-0-1", "moved");
  assert.equal(migrations(next), ["e1-0-1 1 bravo"]);
});

evacuation(
  "step() says that guests cannot move without an agent, and goes on when it is back",
  () => {
    const away = [host("alpha", { connected: false }), ...FLEET.slice(1)];
    const at = armed();
    at.fleet(away);
    at.predicts("p1");
    assert.equal(migrations(at.names("evacuation-p1", [vm(1)])), []);
    const [move] = at.evacuations[0]!.moves;
    assert.is(move?.state, "blocked");
    assert.match(
      move?.reason ?? "",
      /agent of alpha.*cannot be moved without an agent or a replica/,
    );
    assert.is(at.evacuations[0]?.phase, "moving");
    at.fleet(FLEET);
    assert.equal(migrations(at.wait(2_000)), ["evacuation-p1-0-1 1 bravo"]);
  },
);

evacuation("step() tries another target after a failure, and gives up after three", () => {
  const { at, asked } = begun([vm(1)]);
  const tried = [migrations(asked)];
  for (let attempt = 1; attempt <= 3; attempt++) {
    at.result(`e1-0-${attempt}`, "failed");
    tried.push(migrations(at.wait(2_000)));
  }
  assert.equal(tried, [["e1-0-1 1 bravo"], ["e1-0-2 1 charlie"], ["e1-0-3 1 bravo"], []]);
  assert.is(outcome(at), "failed");
});

evacuation("step() retries only what still runs on the host", () => {
  for (const now of [[], [vm(1, { phase: "stopped" })], [vm(1, { hostId: hostId("bravo") })]]) {
    const { at } = begun([vm(1)]);
    at.fleet(FLEET, now);
    at.result("e1-0-1", "failed");
    assert.equal(migrations(at.wait(2_000)), []);
    assert.is(outcome(at), "failed");
  }
});

evacuation("step() promises the same memory to one VM only when it plans anew", () => {
  const small = { memoryBytes: 300 * MIB, memoryUsedBytes: 0, diskFreeBytes: MIB };
  const hosts = (connected: boolean) => [
    host("alpha", { connected }),
    host("bravo", { capacity: small }),
  ];
  const vms = VMS.slice(0, 2);
  const at = armed(vms);
  byHand(at);
  at.fleet(hosts(false), vms);
  at.names("e1", vms);
  at.fleet(hosts(true), vms);
  assert.equal(migrations(at.wait(2_000)), ["e1-0-1 1 bravo"]);
  assert.match(at.evacuations[0]?.moves[1]?.reason ?? "", /too little memory/);
});

evacuation("step() counts the memory of moves that wait when it plans others anew", () => {
  const capacity = { memoryBytes: 300 * MIB, memoryUsedBytes: 0, diskFreeBytes: MIB };
  const vms = VMS.slice(0, 2);
  const at = armed(vms);
  at.fleet([host("alpha"), host("bravo", { capacity })], vms);
  at.predicts("p1");
  at.ask("disarm-1", { method: "disarm", disarmed: true });
  at.names("evacuation-p1", vms);
  at.wait(2_000);
  assert.equal(states(at), ["pending", "blocked"]);
});

evacuation("step() tells the part that moved, and that nothing ran", () => {
  const { at } = begun([vm(1), vm(2, { phase: "stopped" })]);
  assert.equal(notes(at.result("e1-0-1", "moved")), ["partial: 1 of 2 moved"]);
  const empty = begun([]).at;
  assert.is(outcome(empty), "nothing");
});

evacuation("step() cordons a host without VMs, so that none comes to it", () => {
  const at = armed([]);
  at.ask("e1", { method: "evacuate", hostId: hostId("alpha"), dryRun: false });
  assert.equal(
    sent(at.names("e1", [])).map(({ type }) => type),
    ["cordon"],
  );
});

evacuation("step() takes an empty selection for nothing, never for everything", () => {
  const at = armed(VMS);
  at.ask("e1", { method: "evacuate", hostId: hostId("alpha"), dryRun: false, vmIds: [] });
  assert.equal(sent(at.names("e1", VMS)), []);
  assert.is(outcome(at), "nothing");
});

evacuation("step() moves the selected VMs to the chosen target", () => {
  const at = armed(VMS);
  const chosen = { vmIds: [vmId(2)], target: hostId("charlie") };
  at.ask("e1", { method: "evacuate", hostId: hostId("alpha"), dryRun: false, ...chosen });
  assert.equal(migrations(at.names("e1", VMS)), ["e1-0-1 2 charlie"]);
});

evacuation("step() answers a dry run with the plan, and does nothing", () => {
  const at = armed();
  assert.equal(order(byHand(at, "e1", "alpha", true)).includes("answer"), false);
  const asked = at.names("e1", [vm(1)]);
  assert.equal(sent(asked), []);
  const answer = asked.find((effect) => effect.type === "answer");
  const result = answer?.type === "answer" ? (answer.result as EvacuationRecord) : undefined;
  assert.is(result?.outcome, "planned");
  assert.is(result?.moves[0]?.target, "bravo");
  assert.match(result?.moves[0]?.reason ?? "", /another server/);
});

evacuation("step() answers the same operation with what it started, and starts it once", () => {
  const { at } = begun([vm(1)]);
  at.result("e1-0-1", "moved");
  assert.equal(order(byHand(at)), ["answer"]);
  assert.is(outcome(at), "evacuated");
});

const REFUSED: readonly (readonly [string, string, (at: Session) => readonly Effect[]])[] = [
  ["of an unknown host", "HOST_UNKNOWN", (at) => byHand(at, "e2", "delta")],
  [
    "without a coordinator",
    "UNREACHABLE",
    (at) => {
      at.take({ type: "coordinator-down" });
      return byHand(at, "e2");
    },
  ],
  [
    "of a host being evacuated",
    "STATE_CONFLICT",
    (at) => {
      byHand(at);
      return byHand(at, "e2");
    },
  ],
];

for (const [what, code, ask] of REFUSED) {
  evacuation(`step() refuses an evacuation ${what}`, () => {
    const [refusal] = ask(armed());
    assert.is(refusal?.type === "answer-error" && refusal.code, code);
  });
}

evacuation("step() asks again after the link was lost, under the same operations", () => {
  const at = armed();
  byHand(at);
  at.take({ type: "coordinator-down" });
  assert.equal(types(at.take({ type: "coordinator-up" })), ["identify-host"]);
  const asked = at.names("e1", [vm(1)]);
  at.take({ type: "coordinator-down" });
  const again = at.take({ type: "coordinator-up" });
  assert.equal(migrations(again), migrations(asked));
  assert.equal(types(again), ["cordon", "migrate"]);
});

evacuation(
  "start() resumes each phase from its records, and ends nothing before a fleet came",
  () => {
    const { at } = begun([vm(1)]);
    at.result("e1-0-1", "failed");
    const { retryAtMs: _retry, askedBy: _asked, ...record } = at.evacuations[0]!;
    const after = session({ ...ACT, hosts: at.state.settings.hosts }, [], [record]);
    after.take({ type: "coordinator-up" });
    assert.is(outcome(after), undefined);
    after.fleet();
    assert.equal(migrations(after.wait(2_000)), ["e1-0-2 1 charlie"]);
  },
);

evacuation("step() cancels what waits, asks what runs to stop, and retries nothing", () => {
  const { at } = begun();
  const asked = cancel(at);
  assert.equal(types(asked), ["cancel-saga", "cancel-saga"]);
  assert.equal(states(at), ["running", "running", "cancelled"]);
  at.result("e1-0-1", "moved");
  at.result("e1-1-1", "failed");
  assert.equal(states(at), ["moved", "failed", "cancelled"]);
  assert.is(outcome(at), "cancelled");
  assert.equal(migrations(at.wait(60_000)), []);
});

evacuation("step() remembers a cancel that the coordinator was not there to hear", () => {
  const { at } = begun([vm(1)]);
  at.take({ type: "coordinator-down" });
  cancel(at);
  const { retryAtMs: _retry, askedBy: _asked, ...record } = at.evacuations[0]!;
  const after = session(ACT, [], [record]);
  assert.equal(types(after.take({ type: "coordinator-up" })), ["cordon", "migrate", "cancel-saga"]);
  after.result("e1-0-1", "cancelled");
  assert.is(outcome(after), "cancelled");
});

evacuation("step() cancels a queued evacuation at once, and tells when there is none", () => {
  const at = armed();
  byHand(at, "e0", "bravo");
  byHand(at);
  cancel(at);
  assert.is(at.evacuations[1]?.outcome, "cancelled");
  const [refusal] = cancel(at);
  assert.is(refusal?.type === "answer-error" && refusal.code, "STATE_CONFLICT");
});

evacuation("step() takes a result once, and none of an unknown operation", () => {
  const { at } = begun([vm(1), vm(2)]);
  at.result("e1-0-1", "moved");
  at.result("e1-0-1", "failed");
  at.result("e9-0-1", "failed");
  assert.equal(states(at), ["moved", "running"]);
});

evacuation.run();
