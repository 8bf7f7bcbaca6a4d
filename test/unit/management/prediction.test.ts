import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { EvacuationRecord, PredictionRecord } from "../../../management/state.ts";
import {
  ACT,
  armed,
  FLEET,
  host,
  hostId,
  migrations,
  NOON,
  notes,
  order,
  sent,
  session,
  vm,
} from "./session.ts";

const predictions = suite("prediction");
const EVACUATION = "evacuation-p1";

predictions("step() goes P1's way message by message, each after what it follows from", () => {
  const at = armed();
  assert.equal(order(at.predicts("p1")), [
    "save-prediction",
    "save-alarm",
    "save-evacuation",
    "note",
    "save-prediction",
    "save-evacuation",
    "send identify-host",
  ]);
  const planned = at.names(EVACUATION, [vm(1)]);
  assert.equal(order(planned).slice(0, 2), ["save-evacuation", "send cordon"]);
  assert.equal(migrations(planned), [`${EVACUATION}-0-1 1 bravo`]);
  const kinds = order(planned);
  assert.ok(kinds.lastIndexOf("save-evacuation") < kinds.indexOf("send migrate"));
  const end = at.result(`${EVACUATION}-0-1`, "moved");
  assert.equal(sent(end), []);
  assert.equal(notes(end), ["evacuated: 1 of 1 moved"]);
});

predictions("step() names the prediction as the cause of the first question", () => {
  const [question] = armed()
    .predicts("p1")
    .filter((one) => one.type === "send-coordinator");
  assert.is(question?.causedBy, "p1");
});

const ANYWHERE: readonly (readonly [string, () => ReturnType<typeof armed>])[] = [
  ["acting", armed],
  ["in shadow mode", () => session({ ...ACT, mode: "shadow" })],
  ["disarmed", () => session({ ...ACT, disarmed: true })],
  ["without a coordinator", () => session()],
];

for (const [what, make] of ANYWHERE) {
  predictions(`step() makes a prediction durable before anything else, ${what}`, () => {
    const at = make();
    assert.is(order(at.predicts("p1"))[0], "save-prediction");
    assert.equal(order(at.predicts("p1")), ["save-prediction"], "the second time nothing else");
  });
}

predictions("step() forgets what was predicted of a server whose host is put back", () => {
  const at = armed();
  at.predicts("p1");
  const others = order(at.take({ type: "uncordoned", hostId: hostId("bravo"), wallTime: NOON }));
  assert.equal(others, [], "of another host nothing is forgotten");
  const effects = at.take({ type: "uncordoned", hostId: hostId("alpha"), wallTime: NOON });
  assert.equal(order(effects), ["save-alarm", "forget-prediction", "note"]);
  assert.equal(Object.keys(at.state.predictions), []);
});

predictions("step() keeps the decision when a prediction is delivered again", () => {
  const at = armed();
  at.predicts("p1");
  const [again] = at.predicts("p1");
  assert.is(again?.type === "save-prediction" && again.record.decision, "Evacuating alpha");
});

predictions("step() holds a prediction of an unknown server until the fleet names its host", () => {
  const at = session();
  at.take({ type: "coordinator-up" });
  assert.match(notes(at.predicts("p1"))[0] ?? "", /held until one is/);
  assert.equal(sent(at.fleet([host("bravo")])), []);
  const asked = at.fleet();
  assert.is(order(asked)[0], "save-settings");
  assert.equal(
    sent(asked).map((message) => message.type),
    ["identify-host"],
  );
  assert.equal(sent(at.fleet()), []);
});

predictions("step() queues while the coordinator is away, and goes on when it is back", () => {
  const at = armed();
  at.take({ type: "coordinator-down" });
  assert.equal(sent(at.predicts("p1")), []);
  assert.is(at.evacuations[0]?.phase, "queued");
  const [question] = sent(at.take({ type: "coordinator-up" }));
  assert.is(question?.type, "identify-host");
});

predictions("step() only plans in shadow mode, and cordons and moves nothing", () => {
  const at = session({ ...ACT, mode: "shadow" });
  at.take({ type: "coordinator-up" });
  at.fleet();
  at.predicts("p1");
  const planned = at.names(EVACUATION, [vm(1)]);
  assert.equal(sent(planned), []);
  assert.is(at.evacuations[0]?.outcome, "planned");
  assert.is(at.evacuations[0]?.moves[0]?.target, "bravo");
});

predictions("step() carries no old plan out when the mode changes to act", () => {
  const at = session({ ...ACT, mode: "shadow" });
  at.fleet();
  at.predicts("p1");
  at.ask("mode-1", { method: "mode", mode: "act" });
  at.take({ type: "coordinator-up" });
  at.fleet([...FLEET, host("delta")]);
  assert.equal(sent(at.names(EVACUATION, [vm(1)])), []);
  assert.is(at.evacuations[0]?.outcome, "planned");
  assert.is(at.evacuations.length, 1);
});

predictions("step() starts nothing while disarmed, whatever was decided before", () => {
  const at = armed();
  at.take({ type: "coordinator-down" });
  at.predicts("p1");
  at.ask("disarm-1", { method: "disarm", disarmed: true });
  assert.equal(sent(at.take({ type: "coordinator-up" })), []);
  assert.match(notes(at.predicts("p2", "bravo"))[0] ?? "", /Disarmed/);
  assert.is(at.evacuations.length, 1);
  assert.equal(
    sent(at.ask("arm-1", { method: "disarm", disarmed: false })).map((message) => message.type),
    ["identify-host"],
  );
});

predictions("step() starts no further move once disarmed, and leaves those that run", () => {
  const vms = [1, 2, 3].map((number) => vm(number));
  const at = armed(vms);
  at.predicts("p1");
  assert.is(migrations(at.names(EVACUATION, vms)).length, 2);
  at.ask("disarm-1", { method: "disarm", disarmed: true });
  assert.equal(sent(at.result(`${EVACUATION}-0-1`, "moved")), []);
  assert.equal(sent(at.wait(10_000)), []);
  assert.is(migrations(at.ask("arm-1", { method: "disarm", disarmed: false })).length, 1);
});

predictions("step() shows a prediction below the threshold and does nothing", () => {
  for (const [probability, evacuations] of [
    [0.29, 0],
    [0.3, 1],
  ] as const) {
    const at = armed();
    at.predicts("p1", "alpha", { probability });
    assert.is(at.evacuations.length, evacuations);
  }
});

predictions(
  "step() takes many servers at once for a sensor fault, and drops what is queued",
  () => {
    const at = armed();
    at.predicts("p1", "alpha");
    at.predicts("p2", "bravo");
    assert.match(notes(at.predicts("p3", "charlie")).join(), /3 servers.*fault of the sensors/);
    assert.equal(
      at.evacuations.map((one) => [one.evacuationId, one.phase, one.outcome]),
      [
        ["evacuation-p1", "identifying", undefined],
        ["evacuation-p2", "done", "cancelled"],
      ],
    );
  },
);

predictions("step() takes the same servers spread over time for what they are", () => {
  const at = armed();
  for (const [id, server] of [
    ["p1", "alpha"],
    ["p2", "bravo"],
    ["p3", "charlie"],
  ] as const) {
    at.predicts(id, server);
    at.names(`evacuation-${id}`, [], server);
    at.wait(600_000);
  }
  assert.equal(
    at.evacuations.map((one) => one.outcome),
    ["nothing", "nothing", "nothing"],
  );
});

predictions(
  "step() lets an operator evacuate by hand in shadow mode, disarmed, in a stampede",
  () => {
    const at = session({ mode: "shadow", disarmed: true, hosts: {} });
    at.take({ type: "coordinator-up" });
    at.fleet();
    for (const server of ["alpha", "bravo", "charlie"]) at.predicts(`p-${server}`, server);
    const asked = at.ask("by-hand", {
      method: "evacuate",
      hostId: FLEET[0]!.hostId,
      dryRun: false,
    });
    assert.ok(sent(asked).some((message) => message.type === "identify-host"));
  },
);

predictions("start() counts no prediction for a stampede whose evacuation is over", () => {
  const before = armed();
  const records: PredictionRecord[] = [];
  const evacuations: EvacuationRecord[] = [];
  for (const server of ["alpha", "bravo", "charlie"]) {
    before.wait(600_000);
    for (const effect of [
      ...before.predicts(`p-${server}`, server),
      ...before.names(`evacuation-p-${server}`, [], server),
    ]) {
      if (effect.type === "save-prediction") records.push(effect.record);
      if (effect.type === "save-evacuation") evacuations.push(effect.evacuation);
    }
  }
  const at = session(ACT, records, evacuations);
  at.take({ type: "coordinator-up" });
  at.fleet();
  assert.ok(sent(at.predicts("p4", "alpha")).length > 0);
});

predictions("step() decides what a crash left durable but undecided, and that once", () => {
  const at = armed();
  const first = at.predicts("p1")[0];
  if (first?.type !== "save-prediction") throw new Error("not durable first");
  const hosts = at.state.settings.hosts;
  const after = session({ ...ACT, hosts }, [first.record]);
  after.take({ type: "coordinator-up" });
  assert.is(sent(after.fleet()).length, 1);
  assert.equal(sent(after.fleet()), []);
});

predictions("step() does not come back to what it decided when a host joins the fleet", () => {
  const at = armed();
  at.ask("disarm-1", { method: "disarm", disarmed: true });
  at.predicts("p1");
  at.ask("arm-1", { method: "disarm", disarmed: false });
  const asked = at.fleet([...FLEET, host("delta")]);
  assert.equal(notes(asked), []);
  assert.equal(sent(asked), []);
});

predictions("step() starts no second evacuation of a host for another component", () => {
  const at = armed();
  at.predicts("p1");
  const asked = at.predicts("p2", "alpha", { component: "nic", device: "eth0" });
  assert.match(notes(asked)[0] ?? "", /evacuation-p1 is under way/);
  assert.is(at.evacuations.length, 1);
});

predictions.run();
