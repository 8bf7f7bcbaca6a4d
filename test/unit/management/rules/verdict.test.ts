import { suite } from "uvu";
import * as assert from "uvu/assert";
import { comfort, type Judged, judge, worstOf } from "../../../../management/rules/verdict.ts";
import { parameterRule } from "../../../../protocol/rules.ts";

const verdict = suite("verdict");
type Values = readonly (number | undefined)[];

/** The verdicts on values that come one after the other, and since when each holds. */
function judgeAll(rule: object, values: Values): [verdict: string, since: number][] {
  let judged: Judged | undefined;
  return values.map((value, at) => {
    judged = judge(parameterRule.parse(rule), value, at, judged);
    return [judged.verdict, judged.sinceMs];
  });
}

const SHORT: Readonly<Record<string, string>> = { inside: "in", outside: "out", unknown: "?" };
const words = (rule: object, values: Values) => judgeAll(rule, values).map(([word]) => SHORT[word]);

const MAX = { range: [null, 70], hysteresis: 5 };
const BOTH = { range: [10, 20], hysteresis: 1 };
const GAP = undefined;
const CASES: readonly (readonly [string, object, Values, string])[] = [
  ["a limit itself is inside", { range: [1, 2] }, [1, 2, 0.999, 2.001], "in in out out"],
  ["one bound is enough", { range: [5, null] }, [4, 5, 1e300], "out in in"],
  ["outside holds within the hysteresis", MAX, [71, 70, 66, 65, 70], "out out out in in"],
  ["the same at the lower limit", BOTH, [9, 10.5, 11, 10, 9.9], "out out in in out"],
  ["at first, within the hysteresis, it is neither", MAX, [68, 60, 68], "? in in"],
  ["no value is unknown, never inside", MAX, [60, GAP, 60], "in ? in"],
  ["what was outside stays so over a gap", MAX, [71, GAP, 68, 64], "out ? out in"],
  ["what was inside stays so over a gap", MAX, [60, GAP, 68], "in ? in"],
];

for (const [what, rule, values, expected] of CASES) {
  verdict(`judge(): ${what}`, () => assert.equal(words(rule, values), expected.split(" ")));
}

verdict("judge() tells since when, and a gap begins anew", () => {
  assert.equal(judgeAll(MAX, [60, 61, 71, 72, GAP, GAP, 72]), [
    ["inside", 0],
    ["inside", 0],
    ["outside", 2],
    ["outside", 2],
    ["unknown", 4],
    ["unknown", 4],
    ["outside", 6],
  ]);
});

const COMFORTS: readonly (readonly [string, object, number, number])[] = [
  ["temperature", { range: [0, 80] }, 20, 0.75],
  ["temperature", { range: [0, 80] }, 90, 0],
  ["temperature", { range: [null, 80] }, 20, 0.75],
  ["temperature", { range: [null, 80] }, -20, 1],
  ["temperature", { range: [10, null] }, 15, 0.5],
  ["network-reachable", { range: [0, 4] }, 1, 0.25],
  ["network-reachable", { range: [1, null] }, 2, 1],
  ["network-reachable", { range: [null, 4] }, 3, 0.75],
  ["temperature", { range: [0, 80], better: "higher" }, 20, 0.25],
  ["fed", { range: [5, 5] }, 5, 0],
  ["fed", { range: [null, 0] }, -1, 1],
];

for (const [name, rule, value, expected] of COMFORTS) {
  verdict(`comfort() of ${name} ${value} in ${JSON.stringify(rule)} is ${expected}`, () =>
    assert.is(comfort(name, parameterRule.parse(rule), value), expected),
  );
}

verdict("worstOf() is inside only when all are, and outside when one is", () => {
  assert.is(worstOf(["inside", "inside"]), "inside");
  assert.is(worstOf(["inside", "unknown"]), "unknown");
  assert.is(worstOf(["unknown", "outside", "inside"]), "outside");
});

verdict.run();
