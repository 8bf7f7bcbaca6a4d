import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { RulesRecord } from "../../../../management/rules/record.ts";
import { recordOfRules } from "../../../../management/rules/standing.ts";
import type { Effect } from "../../../../management/state.ts";
import type { RuleSet } from "../../../../protocol/rules.ts";
import { ruleSet } from "../../../../protocol/rules.ts";
import { ACT, notes, operation, order, vm, vmId } from "../session.ts";
import { asked, COOL, heat, replica, replicated, settled, swaps, watched } from "./watched.ts";

const review = suite("rules review");
const HOT = heat({ alpha: 80, bravo: 50, charlie: 60 });
const CALM = heat({ alpha: 50, bravo: 50, charlie: 60 });

const saved = (effects: readonly Effect[]): RulesRecord[] =>
  effects.flatMap((effect) => (effect.type === "save-rules" ? [effect.record] : []));

review("a primary outside for long enough is swapped with the best secondary, once", () => {
  const at = settled();
  assert.equal(at.review(HOT, 10), []);
  const effects = at.review(HOT, 300);
  assert.equal(order(effects), ["save-rules", "note", "send switch-over"]);
  const [message] = asked(effects);
  assert.equal([message?.vmId, message?.target as string], [vmId(1), "bravo"]);
  assert.is(saved(effects)[0]?.swaps[0]?.operationId, message?.operationId);
  assert.equal(notes(effects), [
    "Swapping alpha and bravo: temperature of alpha is 80 celsius, outside [-, 70] for 10 s; " +
      "bravo is inside for 41 s, score 0.29",
  ]);
});

review("the roles are swapped back when they must, after dwelling and cooling down", () => {
  const at = settled();
  const [first] = asked(at.review(HOT, 11));
  at.fleet([replicated("bravo")]);
  const over = at.ends(first!.operationId, "moved");
  assert.equal(order(over), ["save-rules", "note"]);
  assert.equal(notes(over), ["bravo is the primary now: It moved"]);
  const back = heat({ alpha: 50, bravo: 80, charlie: 75 });
  assert.equal(swaps(at.review(back, 59)), []);
  assert.equal(swaps(at.review(back, 1)), ["alpha"]);
});

review("a swap that failed is told, cools down, and goes to another secondary next", () => {
  const at = settled();
  const [first] = asked(at.review(HOT, 11));
  assert.equal(notes(at.ends(first!.operationId, "failed")), ["failed, alpha stays: It failed"]);
  assert.equal(swaps(at.review(HOT, 59)), []);
  assert.equal(swaps(at.review(HOT, 1)), ["charlie"]);
});

review("a value in the hysteresis goes on being what it was", () => {
  const band = heat({ alpha: 67, bravo: 50, charlie: 60 });
  const at = settled();
  at.review(heat({ alpha: 71, bravo: 50, charlie: 60 }));
  assert.equal(swaps(at.review(band, 10)), ["bravo"]);
  assert.equal(swaps(settled().review(band, 100)), []);
});

review("a time that nobody looked at counts for nothing", () => {
  const at = settled();
  at.review(HOT, 5);
  at.pass(60_000);
  assert.equal(swaps(at.review(HOT, 10)), []);
  assert.equal(swaps(at.review(HOT, 1)), ["bravo"]);
});

review("a parameter that is back inside begins its time anew", () => {
  const at = settled();
  at.review(HOT, 10);
  at.review(CALM, 1);
  assert.equal(swaps(at.review(HOT, 10)), []);
});

review("a secondary is chosen once it was inside for long enough, and not before", () => {
  const at = settled();
  assert.equal(swaps(at.review(heat({ alpha: 80, bravo: 80, charlie: 80 }), 20)), []);
  assert.equal(swaps(at.review(HOT, 10)), []);
  assert.equal(swaps(at.review(HOT, 1)), ["bravo"]);
});

review("a replica that is behind now and then does not begin the time anew", () => {
  const at = settled();
  const behind = [replica("bravo", { state: "behind" }), replica("charlie", { state: "behind" })];
  at.fleet([replicated("alpha", { replicas: behind })]);
  assert.equal(swaps(at.review(HOT, 20)), []);
  at.fleet([replicated()]);
  assert.equal(swaps(at.review(HOT, 1)), ["bravo"]);
});

review("weights decide between secondaries", () => {
  const choose = (temperature: number, power: number) => {
    const parameters = {
      temperature: { range: [0, 100], weight: temperature },
      power: { range: [0, 100], weight: power },
    };
    const at = watched();
    at.take({ type: "coordinator-up" });
    at.fleet([replicated()]);
    at.set(ruleSet.parse({ ...COOL, parameters, dwellSeconds: 0 }));
    const values = {
      alpha: { temperature: 200, power: 50 },
      bravo: { temperature: 20, power: 80 },
      charlie: { temperature: 60, power: 10 },
    };
    return swaps(at.review(values, 20)).join();
  };
  assert.equal([choose(1, 0), choose(0, 1), choose(1, 1)], ["bravo", "charlie", "charlie"]);
});

review("of equally good secondaries the first by name is taken", () => {
  const guest = replicated("alpha", { replicas: [replica("charlie"), replica("bravo")] });
  const at = settled(COOL, guest);
  assert.equal(swaps(at.review(heat({ alpha: 80, bravo: 60, charlie: 60 }), 20)), ["bravo"]);
});

review("in shadow mode and disarmed the swap is told once, and not made", () => {
  for (const patch of [{ mode: "shadow" }, { disarmed: true }] as const) {
    const at = watched([], { ...ACT, ...patch });
    at.take({ type: "coordinator-up" });
    at.fleet([replicated()]);
    at.set({ ...COOL, dwellSeconds: 0 });
    const effects = at.review(HOT, 100);
    assert.equal(order(effects), ["note"]);
    assert.match(notes(effects)[0]!, /^Would swap alpha and bravo: .*\. (Mode is shadow|Disarmed)/);
    at.review(CALM);
    assert.is(notes(at.review(HOT, 12)).length, 1);
    for (const values of [CALM, HOT, CALM, HOT]) {
      assert.equal(notes(at.review(values, 12)), [], "not again before a swap could be made");
    }
  }
});

review("what was asked for is asked again, under the same id, when the coordinator is back", () => {
  const at = settled();
  const [first] = asked(at.review(HOT, 11));
  at.take({ type: "coordinator-down" });
  assert.equal(asked(at.take({ type: "coordinator-up" })), [first]);
  at.ends(first!.operationId, "moved");
  assert.equal(asked(at.take({ type: "coordinator-up" })), []);
});

review("a new life knows the swap that was under way, and how long ago it ended", () => {
  const at = settled();
  const [first] = asked(at.review(HOT, 11));
  const next = watched([recordOfRules(at.state.rules[vmId(1)]!, at.nowMs)]);
  assert.equal(asked(next.take({ type: "coordinator-up" })), [first]);
  next.fleet([replicated("bravo")]);
  next.ends(first!.operationId, "moved");
  next.review(CALM, 20);
  const third = watched([recordOfRules(next.state.rules[vmId(1)]!, next.nowMs)]);
  third.take({ type: "coordinator-up" });
  third.fleet([replicated("bravo")]);
  const hot = heat({ alpha: 50, bravo: 80, charlie: 80 });
  assert.equal(swaps(third.review(hot, 39)), [], "40 s of cooling down are left");
  assert.equal(swaps(third.review(hot, 1)), ["alpha"]);
});

review("the age of swaps is saved now and then", () => {
  const at = settled();
  const [first] = asked(at.review(HOT, 11));
  at.ends(first!.operationId, "failed");
  assert.equal(saved(at.review(CALM, 3_599)), []);
  const [record] = saved(at.review(CALM));
  assert.is(record?.swaps[0]?.ageMs, 3_600_000);
});

review("at most two VMs are swapped at once", () => {
  const numbers = [1, 2, 3];
  const at = watched();
  at.take({ type: "coordinator-up" });
  at.fleet(numbers.map((number) => ({ ...vm(number), replicas: [replica("bravo")] })));
  for (const number of numbers) {
    const rules: RuleSet = { ...COOL, dwellSeconds: 0 };
    const ask = { method: "rules-set", vmId: vmId(number), rules, dryRun: false } as const;
    const operationId = operation(`set-${number}`);
    at.take({ type: "rules", operationId, ask, wallTime: "now" });
  }
  const begun = asked(at.review(HOT, 100));
  assert.equal(
    begun.map((message) => message.vmId),
    [vmId(1), vmId(2)],
  );
  at.ends(begun[0]!.operationId, "failed");
  assert.is(asked(at.review(HOT))[0]?.vmId, vmId(3));
});

review("new rules look at everything anew, but count the swaps of the old ones", () => {
  const at = settled();
  const [first] = asked(at.review(HOT, 11));
  at.ends(first!.operationId, "failed");
  const effects = at.set({ ...COOL, swapsPerDay: 1, coolDownSeconds: 10 });
  assert.equal(order(effects), ["save-rules", "note", "answer"]);
  assert.equal(swaps(at.review(HOT, 1_000)), []);
  assert.equal(at.explain().waits, ["Its 1 swaps within 24 hours have been made"]);
});

review("the limit of a day is over after a day", () => {
  const at = settled({ ...COOL, swapsPerDay: 1 });
  const [first] = asked(at.review(HOT, 11));
  at.ends(first!.operationId, "failed");
  at.pass(86_400_000);
  assert.equal(swaps(at.review(HOT, 12)), ["bravo"]);
});

review("a result of something else is not its own", () => {
  const at = settled();
  at.review(HOT, 11);
  assert.equal(at.ends("op-9", "moved"), []);
  assert.is(at.state.rules[vmId(1)]?.swaps[0]?.outcome, "running");
});

review("rules that are not there cannot be removed", () => {
  const at = watched();
  const ask = { method: "rules-remove", vmId: vmId(1), dryRun: false } as const;
  const operationId = operation("remove");
  const [effect] = at.take({ type: "rules", operationId, ask, wallTime: "now" });
  assert.is(effect?.type === "answer-error" && effect.code, "RULES_UNKNOWN");
});

review.run();
