// `lifeboat predictor explain` and `acknowledge`, with an agent that the test plays.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { riskChange } from "../../../protocol/prediction.ts";
import type { End } from "../runtime/ends.ts";
import { until } from "../runtime/ports.ts";
import { deliver, openSite, predictionOf, type Site } from "./site.ts";
import { run } from "./terminal.ts";

interface Context {
  readonly site: Site;
  readonly agent: End;
}

const explain = suite<Context>("predictor explain");

function changeOf(from: string, to: string, value: number) {
  const { evidence, serverId, source, component, device } = predictionOf("p1", "alpha");
  const now = evidence.map((one) => ({ ...one, value, text: `Pending sectors: ${value}` }));
  const about = { serverId, source, component, device };
  return riskChange.parse({ type: "risk-change", ...about, from, to, evidence: now });
}

explain.before.each(async (context) => {
  const site = await openSite(["alpha"]);
  const agent = await site.agent("alpha");
  await deliver(agent, [
    changeOf("healthy", "suspect", 3),
    changeOf("suspect", "failing", 8),
    predictionOf("p1", "alpha"),
  ]);
  Object.assign(context, { site, agent });
});
explain.after.each(({ site }) => site.close());

explain("it says what, since when, by which rule, and where that is from", async ({ site }) => {
  const { out, code } = await run([...site.args, "predictor", "explain", "alpha", "disk/sda"]);
  assert.is(code, 0);
  for (const line of [
    /disk\/sda is failing since \S+, says the agent/,
    /prediction: p1 at \S+: 0\.55 within 60 days, measured/,
    /decision: +Mode is shadow/,
    /smart-197 is 8; the limit is 0/,
    /by rule two-of-five: 0\.55 within 60 days, measured on drives that failed/,
    /before: +suspect since \S+ \(smart-197 3\)/,
  ]) {
    assert.match(out, line);
  }
  const json = JSON.parse(
    (await run([...site.args, "predictor", "explain", "alpha", "-o", "json"])).out,
  );
  assert.equal([json.length, json[0].risk, json[0].reasons[0].rule], [1, "failing", "two-of-five"]);
  const other = await run([...site.args, "predictor", "explain", "alpha", "disk/sdb"]);
  assert.is(other.out, "Nothing is known against alpha\n");
});

explain("it forgets a device that is well again", async ({ site, agent }) => {
  agent.send({
    type: "deliver",
    spool: "aaaaaaaaaaaaaaaa",
    sequence: 1,
    body: changeOf("suspect", "healthy", 0),
  });
  await until(() => site.store.load().risks.length === 0, "the change");
  const { out } = await run([...site.args, "predictor", "explain", "alpha"]);
  assert.match(out, /disk\/sda is predicted to fail since/);
});

explain("acknowledge tells the agent, and shows whether it has it", async ({ site, agent }) => {
  assert.equal((await agent.take("baselines")).baselines, [], "at once, on a new link");
  const command = [...site.args, "predictor", "acknowledge", "alpha", "disk/sda"];
  const dry = await run([...command, "--dry-run"]);
  assert.match(dry.out, /alpha +disk\/sda +smart-197 +8/);
  assert.is(agent.count("baselines"), 1);
  await run([...command, "--note", "known"]);
  const { serverId, baselines } = await agent.take("baselines");
  assert.equal([baselines[0]?.signal, baselines[0]?.value], ["smart-197", 8]);
  const listed = [...site.args, "predictor", "acknowledged"];
  assert.match((await run(listed)).out, /smart-197 +8 +known +\S+ +waiting/);
  const taken = baselines.map(({ baselineId }) => baselineId);
  agent.send({ type: "baselines-taken", serverId, taken, lapsed: [] });
  await until(
    () => site.management.status().baselines[0]?.state === "in force",
    "the agent's word",
  );
  agent.send({ type: "baselines-taken", serverId, taken, lapsed: taken });
  await until(() => site.management.status().baselines[0]?.state === "lapsed", "another drive");
  await run([...site.args, "predictor", "unacknowledge", "alpha", "disk/sda"]);
  assert.equal((await agent.take("baselines")).baselines, []);
  assert.equal(site.store.load().baselines, []);
});

explain("acknowledge says what it cannot do", async ({ site }) => {
  const wrong = async (...args: string[]) =>
    run([...site.args, "predictor", "acknowledge", "alpha", ...args]);
  const none = await wrong("disk/sdb");
  assert.equal([none.code, /give --signal and --value/.test(none.err)], [4, true]);
  const alone = await wrong("disk/sda", "--value", "3");
  assert.equal([alone.code, /--value needs --signal/.test(alone.err)], [2, true]);
  const word = await wrong("disk/sda", "--signal", "smart-5", "--value", "three");
  assert.equal([word.code, /Want a number/.test(word.err)], [2, true]);
  const light = ["nic/eth0", "--signal", "rx-power", "--value=-9.5", "--dry-run"];
  assert.match((await wrong(...light)).out, /rx-power +-9\.5/);
});

explain.run();
