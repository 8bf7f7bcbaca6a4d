import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type AcknowledgeAsk, baselineRecord } from "../../../management/baseline.ts";
import { baselinesOf } from "../../../management/baselines.ts";
import { BASELINES_MAX, type Component, type Evidence } from "../../../protocol/prediction.ts";
import { armed, hostId, NOON, operation, order, type Session } from "./session.ts";

const acknowledge = suite("takeAcknowledge");
const SDA = { hostId: hostId("alpha"), component: "disk", device: "sda" } as const;

function fact(signal: string, value: number): Evidence {
  return { signal, value, threshold: 0, text: `${signal} ${value}` };
}

function say(
  at: Session,
  id: string,
  ask: Partial<AcknowledgeAsk> = {},
  evidence: readonly Evidence[] = [fact("smart-5", 3), fact("smart-197", 8)],
) {
  const full = { method: "acknowledge", ...SDA, dryRun: false, ...ask } as AcknowledgeAsk;
  const operationId = operation(id);
  return at.take({ type: "acknowledge", operationId, ask: full, evidence, wallTime: NOON });
}

const values = (at: Session) =>
  baselinesOf(at.state, "server-alpha").map(({ signal, value }) => `${signal} ${value}`);

acknowledge("what was told is durable, then told to the agent, then answered", () => {
  const at = armed();
  const effects = say(at, "a1");
  assert.equal(order(effects), ["save-baseline", "save-baseline", "send-baselines", "answer"]);
  assert.equal(values(at), ["smart-5 3", "smart-197 8"]);
  for (const one of Object.values(at.state.baselines)) assert.equal(baselineRecord.parse(one), one);
  assert.equal(baselinesOf(at.state, "server-bravo"), []);
});

acknowledge("a value that is said counts, and a newer word takes the place of an older", () => {
  const at = armed();
  say(at, "a1");
  const effects = say(at, "a2", { signal: "smart-5", value: 10 });
  const kinds = ["forget-baseline", "save-baseline", "send-baselines", "answer"];
  assert.equal(order(effects), kinds);
  assert.equal(values(at), ["smart-197 8", "smart-5 10"]);
});

acknowledge("of a measure the worst that was told counts, below its limit too", () => {
  const at = armed();
  const volts = (value: number): Evidence => ({ ...fact("voltage", value), threshold: 11.4 });
  const alarm = fact("power-alarm", 1);
  say(at, "a1", { component: "power", device: "in0" }, [volts(11.2), volts(11.1), alarm]);
  assert.equal(values(at), ["voltage 11.1"]);
  say(at, "a2", { component: "nic", device: "eth0", signal: "rx-power", value: -9.5 });
  assert.equal(values(at), ["voltage 11.1", "rx-power -9.5"]);
});

acknowledge("a dry run changes nothing", () => {
  const at = armed();
  assert.equal(order(say(at, "a1", { dryRun: true })), ["answer"]);
  assert.equal(values(at), []);
});

acknowledge("taking back is durable, and told", () => {
  const at = armed();
  say(at, "a1");
  const effects = say(at, "a2", { method: "unacknowledge", signal: "smart-5" });
  assert.equal(order(effects), ["forget-baseline", "send-baselines", "answer"]);
  assert.equal(values(at), ["smart-197 8"]);
});

const REFUSED: readonly (readonly [
  string,
  Partial<AcknowledgeAsk>,
  readonly Evidence[],
  RegExp,
])[] = [
  ["nothing was told", {}, [], /Nothing that can be acknowledged was told/],
  ["only others were told", {}, [fact("health", 1)], /Nothing that can be acknowledged/],
  ["it cannot be", { signal: "health", value: 1 }, [], /cannot be acknowledged; these can: smart/],
  ["no rule heeds it", { component: "cpu" as Component }, [], /signals: none/],
  [
    "only its rate was told",
    { component: "memory" },
    [fact("corrected-errors", 30)],
    /told as a rate: give --signal corrected-errors and --value/,
  ],
  [
    "only a day's was told",
    { component: "pcie" },
    [fact("nonfatal-errors", 3)],
    /told as a rate: give --signal nonfatal-errors and --value/,
  ],
  ["there is nothing to take back", { method: "unacknowledge" }, [], /Nothing of disk\/sda is/],
  ["the host is unknown", { hostId: hostId("zulu") }, [], /Host zulu is unknown/],
];

for (const [why, ask, evidence, says] of REFUSED) {
  acknowledge(`it is refused when ${why}`, () => {
    const [refusal] = say(armed(), "a1", ask, evidence);
    assert.match(refusal?.type === "answer-error" ? refusal.reason : "", says);
  });
}

acknowledge("a server has no more than its agent takes", () => {
  const at = armed();
  for (let n = 0; n < BASELINES_MAX; n++) {
    say(at, `a${n}`, { device: `sd${n}`, signal: "smart-5", value: 1 });
  }
  const [refusal] = say(at, "more");
  assert.match(refusal?.type === "answer-error" ? refusal.reason : "", /256 baselines/);
});

acknowledge.run();
