// `lifeboat predictor outcomes|outcome|failure` against a management server that agents told of.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { PredictionCleared } from "../../../protocol/prediction.ts";
import { deliver, openSite, predictionOf, type Site } from "./site.ts";
import { run } from "./terminal.ts";

const outcomes = suite<{ site: Site }>("predictor outcomes");

outcomes.before.each(async (context) => {
  const site = await openSite(["alpha", "bravo"]);
  const {
    evidence: _e,
    probability: _p,
    horizonMs: _h,
    basis: _b,
    ...about
  } = predictionOf("p2", "alpha", { device: "sdb" });
  const cleared = {
    ...about,
    type: "prediction-cleared",
    cause: "healed",
    reason: "well",
  } as const;
  await deliver(await site.agent("alpha"), [
    predictionOf("p1", "alpha"),
    predictionOf("p2", "alpha", { device: "sdb" }),
    cleared satisfies PredictionCleared,
  ]);
  context.site = site;
});
outcomes.after.each(({ site }) => site.close());

outcomes("a listing says what is known, and of how many it is not", async ({ site }) => {
  const { out, code } = await run([...site.args, "predictor", "outcomes"]);
  assert.is(code, 0);
  assert.match(out, /p1 +alpha +disk\/sda +0\.55 +open/);
  assert.match(out, /p2 +alpha +disk\/sdb +0\.55 +cleared +well/);
  assert.match(out, /Precision 0 % \(95 %: 0 % to 98 %\): 0 of 1 known came true; of 1 it is not/);
});

outcomes("an operator's word is kept, and counted", async ({ site }) => {
  const word = ["predictor", "outcome", "p1", "failed", "--at", "2030-01-01T00:00:00Z"];
  const said = await run([...site.args, ...word, "--note", "it clicks"]);
  assert.equal([said.out, said.code], ["p1: failed\n", 0]);
  const { out } = await run([...site.args, "predictor", "outcomes", "-o", "json"]);
  const { alarms, precision, counts } = JSON.parse(out);
  assert.equal(counts, { failed: 1, cleared: 1 });
  assert.equal([precision.known, precision.cameTrue, precision.precision], [2, 1, 0.5]);
  assert.equal(alarms[0].word.note, "it clicks");
  assert.is(site.store.load().alarms[0]?.word?.outcome, "failed");
});

outcomes("a failure that nothing told of is kept as missed", async ({ site }) => {
  const command = [...site.args, "predictor", "failure", "bravo"];
  const missed = await run([...command, "fan/board/fan1", "--note", "stuck"]);
  assert.equal(missed.out, "Kept as a failure that nothing had told of\n");
  const { out } = await run([...site.args, "predictor", "outcomes"]);
  assert.match(out, /Failures without a prediction\n.*\n.*bravo +fan\/board\/fan1 +stuck/);
  const told = await run([...site.args, "predictor", "failure", "alpha", "disk/sda"]);
  assert.is(told.out, "Prediction p1 came true\n");
});

const WRONG: readonly (readonly [string, readonly string[], number, RegExp])[] = [
  ["no such prediction", ["outcome", "p9", "failed"], 3, /PREDICTION_UNKNOWN/],
  ["no such outcome", ["outcome", "p1", "exploded"], 2, /Allowed choices/],
  ["no time", ["outcome", "p1", "failed", "--at", "noon"], 2, /must be a time in UTC/],
  ["no device", ["failure", "alpha", "disk"], 2, /Want COMPONENT\/DEVICE/],
  ["no component", ["failure", "alpha", "flux/capacitor"], 2, /Want COMPONENT\/DEVICE/],
  ["no such host", ["failure", "zulu", "disk/sda"], 3, /HOST_UNKNOWN/],
];

for (const [what, args, code, says] of WRONG) {
  outcomes(`${what}: a sentence and an exit status`, async ({ site }) => {
    const ended = await run([...site.args, "predictor", ...args]);
    assert.is(ended.code, code, ended.err);
    assert.match(ended.err, says);
  });
}

outcomes.run();
