import { suite } from "uvu";
import * as assert from "uvu/assert";
import { alarmRecord, outcomeOf } from "../../../management/alarm.ts";
import { outcomesOf } from "../../../management/outcomes.ts";
import { DEFAULTS, predictionRecord } from "../../../management/state.ts";
import { statusOf } from "../../../management/status.ts";
import type { Ask } from "../../../protocol/operator.ts";
import {
  ACT,
  armed,
  hostId,
  migrations,
  NOON,
  notes,
  operation,
  order,
  type Session,
  sent,
  session,
  vm,
} from "./session.ts";

const alarms = suite("alarms");

const all = ({ state }: Session) => Object.values(state.alarms);
const outcomes = (at: Session) => all(at).map((one) => `${one.alarmId} ${outcomeOf(one)}`);

type WordAsk = Extract<Ask, { method: "outcome" | "failure" }>;
const say = (at: Session, ask: WordAsk, id = "op") =>
  at.take({ type: "word", operationId: operation(id), ask, wallTime: NOON });
const outcome = (predictionId: string, told: "failed" | "healthy" | "replaced" | "unknown") =>
  ({ method: "outcome", predictionId: operation(predictionId), outcome: told }) as const;
const failure = (at?: string) =>
  ({ method: "failure", hostId: hostId("alpha"), component: "disk", device: "sda", at }) as const;

alarms("step() opens an alarm, and later predictions of the device join it", () => {
  const at = armed();
  const evidence = (rule: string) => [{ signal: "s", value: 1, threshold: 0, text: "t", rule }];
  at.predicts("p1", "alpha", { probability: 0.5, evidence: evidence("two-of-five") });
  at.predicts("p2", "alpha", { probability: 0.9, evidence: evidence("health") });
  at.predicts("p3", "alpha", { device: "sdb" });
  assert.equal(outcomes(at), ["p1 open", "p3 open"]);
  const [first] = all(at);
  assert.equal([first?.joined, first?.probability], [["p2"], 0.9]);
  assert.equal(first?.rules, ["two-of-five", "health"]);
  for (const one of all(at)) assert.equal(alarmRecord.parse(one), one);
});

alarms("step() ends an alarm as cleared, and a clear that comes again changes nothing", () => {
  const at = armed();
  at.predicts("p1", "bravo");
  const effects = at.clears("p1", "bravo");
  assert.equal(order(effects).slice(0, 3), ["save-prediction", "save-alarm", "note"]);
  assert.match(notes(effects)[0]!, /healed: It is well again; nothing is predicted/);
  assert.equal(order(at.clears("p1", "bravo")), []);
  assert.equal(outcomes(at), ["p1 cleared"]);
  assert.equal(order(armed().clears("p9", "bravo")), [], "of what was never told");
});

alarms("step() places guests on a server again once nothing stands of it", () => {
  const at = session({ ...ACT, mode: "shadow" });
  at.take({ type: "coordinator-up" });
  at.fleet();
  const target = (id: string) => {
    at.ask(id, { method: "evacuate", hostId: hostId("alpha"), dryRun: true });
    at.names(id, [vm(1)]);
    return at.state.evacuations[operation(id)]?.moves[0]?.target;
  };
  assert.is(target("e1"), "bravo");
  at.predicts("p1", "bravo");
  at.predicts("p2", "bravo", { device: "sdb" });
  assert.is(target("e2"), "charlie");
  at.clears("p1", "bravo");
  assert.is(target("e3"), "charlie", "the other disk's stands");
  at.clears("p2", "bravo", { device: "sdb" });
  assert.is(target("e4"), "bravo");
});

alarms("step() acts on nothing that was cleared while its host was unknown", () => {
  const at = session();
  at.take({ type: "coordinator-up" });
  at.predicts("p1");
  at.clears("p1");
  assert.equal(sent(at.fleet()), []);
});

alarms("step() cancels what is queued when it was cleared, and not what is under way", () => {
  const at = armed();
  at.take({ type: "coordinator-down" });
  at.predicts("p1");
  at.clears("p1");
  assert.is(at.evacuations[0]?.outcome, "cancelled");
  const other = armed();
  other.predicts("p1");
  other.clears("p1");
  assert.equal(migrations(other.names("evacuation-p1", [vm(1)])).length, 1);
});

alarms("step() counts what was cleared for the stampede until the window is over", () => {
  const at = armed();
  for (const server of ["bravo", "charlie"]) {
    at.predicts(`of-${server}`, server);
    at.clears(`of-${server}`, server);
  }
  assert.equal(order(at.wait(DEFAULTS.stampedeWindowMs - 1)), []);
  assert.match(notes(at.predicts("p1")).at(-1)!, /taken for a fault of the sensors/);
  const later = armed();
  for (const server of ["bravo", "charlie"]) {
    later.predicts(`of-${server}`, server);
    later.clears(`of-${server}`, server);
  }
  const gone = later.wait(DEFAULTS.stampedeWindowMs);
  assert.equal(order(gone), ["forget-prediction", "forget-prediction"]);
  assert.equal(notes(later.predicts("p1")), ["Evacuating alpha"]);
});

alarms("step() calls unknown what guests were moved away for, unless an operator knows", () => {
  const at = armed();
  at.predicts("p1");
  at.predicts("p2", "bravo");
  at.names("evacuation-p1", [vm(1)]);
  assert.equal(outcomes(at)[0], "p1 open");
  assert.ok(order(at.result("evacuation-p1-0-1", "moved")).includes("save-alarm"));
  at.clears("p1");
  assert.equal(outcomes(at), ["p1 acted-on", "p2 open"]);
  say(at, outcome("p1", "failed"));
  assert.equal(outcomes(at)[0], "p1 failed");
});

alarms("step() leaves an alarm open when no guest was moved", () => {
  const at = armed();
  at.predicts("p1");
  at.names("evacuation-p1", [vm(1)]);
  at.result("evacuation-p1-0-1", "failed");
  assert.equal(outcomes(at), ["p1 open"]);
});

alarms("step() ends an alarm without an outcome when its host is put back", () => {
  const at = armed();
  at.predicts("p1");
  at.take({ type: "uncordoned", hostId: hostId("alpha"), wallTime: NOON });
  assert.equal(outcomes(at), ["p1 unknown"]);
});

alarms("takeWord() takes any id of an alarm, and refuses one that nobody knows", () => {
  const at = armed();
  at.predicts("p1");
  at.predicts("p2");
  const [saved, answer] = say(at, outcome("p2", "replaced"));
  assert.equal([saved?.type, answer?.type], ["save-alarm", "answer"]);
  assert.equal(outcomes(at), ["p1 replaced"]);
  const [refused] = say(at, outcome("p9", "failed"));
  assert.is(refused?.type === "answer-error" && refused.code, "PREDICTION_UNKNOWN");
});

alarms("takeWord() tells a failure that was predicted from one that was missed", () => {
  const at = armed();
  at.predicts("p1");
  const [early] = say(at, failure("2025-12-31T00:00:00Z"), "f1");
  assert.is(early?.type, "save-failure", "it failed before anything was told");
  say(at, failure(), "f2");
  assert.equal(outcomes(at), ["p1 failed"]);
  assert.is(all(at)[0]?.word?.failedAt, NOON);
  const [again] = say(at, failure(), "f2");
  assert.is(again?.type, "save-alarm", "said twice it is the same failure");
  const [third] = say(at, failure("2026-02-01T00:00:00Z"), "f3");
  assert.is(third?.type, "save-failure", "another failure was not told");
  const [unknown] = say(at, { ...failure(), hostId: hostId("zulu") });
  assert.is(unknown?.type === "answer-error" && unknown.code, "HOST_UNKNOWN");
});

alarms("outcomesOf() gives precision over what is known only", () => {
  const at = armed();
  for (const [at_, device] of ["a", "b", "c", "d"].entries()) {
    at.predicts(`p${at_}`, "alpha", { device });
  }
  assert.is(outcomesOf(all(at), []).precision.precision, undefined);
  say(at, outcome("p0", "failed"));
  say(at, outcome("p1", "healthy"));
  say(at, outcome("p2", "unknown"));
  const { precision, counts } = outcomesOf(all(at), []);
  assert.equal([precision.known, precision.unknown, precision.precision], [2, 2, 0.5]);
  assert.equal(counts, { failed: 1, healthy: 1, unknown: 1, open: 1 });
});

alarms("statusOf() shows what was cleared as such", () => {
  const at = armed();
  at.predicts("p1", "bravo");
  at.clears("p1", "bravo");
  const seen = {
    connected: [],
    progress: {},
    sensorFaults: [],
    drills: [],
    telemetry: {},
    insecure: false,
    baselinesTaken: new Map(),
  };
  const [shown] = statusOf(at.state, seen).predictions;
  assert.is(shown?.cleared?.cause, "healed");
  assert.equal(predictionRecord.parse(shown), shown);
});

alarms.run();
