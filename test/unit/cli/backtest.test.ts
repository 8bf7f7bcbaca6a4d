// `lifeboat predictor backtest` and `fleet`, over what agents told and operators said.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { serverComponents } from "../../../protocol/prediction.ts";
import { makeFolder } from "../runtime/folder.ts";
import { until } from "../runtime/ports.ts";
import { deliver, openSite, predictionOf, type Site } from "./site.ts";
import { run } from "./terminal.ts";

const record = suite<{ site: Site }>("predictor backtest");

record.before.each(async (context) => {
  const site = await openSite(["alpha", "bravo"]);
  const agent = await site.agent("alpha");
  await deliver(agent, [
    predictionOf("p1", "alpha"),
    predictionOf("p2", "alpha", { device: "sdb" }),
    predictionOf("p3", "alpha", { device: "sdc" }),
  ]);
  agent.send(
    serverComponents.parse({
      type: "server-components",
      serverId: "alpha",
      model: "X1",
      disks: ["sda", "sdb", "sdc", "sdd"].map((device) => ({ device, model: "ST4000" })),
    }),
  );
  await until(() => site.store.load().components.length === 1, "what alpha is made of");
  const said = [...site.args, "predictor"];
  await run([...said, "outcome", "p1", "failed", "--at", "2040-01-01T00:00:00Z"]);
  await run([...said, "outcome", "p2", "healthy"]);
  await run([...said, "failure", "bravo", "fan/fan1"]);
  context.site = site;
});
record.after.each(({ site }) => site.close());

record("it prints precision, recall and what is not known", async ({ site }) => {
  const { out, code } = await run([...site.args, "predictor", "backtest"]);
  assert.is(code, 0);
  assert.match(out, /host-years watched, predictions since 20/);
  assert.match(out, /all +3 +1 +50 % \(1 of 2; 1 to 99 %\) +50 % \(1 of 2; 1 to 99 %\) +median/);
  assert.match(out, /two-of-five +3 +1 +50 %/);
});

record("it answers scripts, and draws what it says", async ({ site }) => {
  const path = join(makeFolder(), "backtest.svg");
  const args = [...site.args, "predictor", "backtest", "-o", "json", "--svg", path];
  const { all, byComponent } = JSON.parse((await run(args)).out);
  assert.equal([all.precision.hits, all.recall.all, byComponent.length], [1, 2, 2]);
  const svg = readFileSync(path, "utf8");
  assert.match(svg, /^<svg [^>]*viewBox="0 0 720 \d+"/);
  assert.match(svg, /prefers-color-scheme: dark/);
  assert.match(svg, />two-of-five</);
  assert.not.match(svg, /NaN|Infinity|undefined/);
  const lost = await run([...site.args, "predictor", "backtest", "--svg", "/nonexistent/a.svg"]);
  assert.equal([lost.code, /Cannot write/.test(lost.err)], [1, true]);
});

record("a site without a record is drawn as well", async () => {
  const empty = await openSite(["alpha"]);
  const path = join(makeFolder(), "empty.svg");
  const { out } = await run([...empty.args, "predictor", "backtest", "--svg", path]);
  assert.match(out, /no prediction yet/);
  assert.not.match(readFileSync(path, "utf8"), /NaN|Infinity|undefined/);
  await empty.close();
});

record("fleet compares models", async ({ site }) => {
  const { out, code } = await run([...site.args, "predictor", "fleet"]);
  assert.is(code, 0);
  assert.match(out, /^4 disks of 1 servers, predictions of 30 days/);
  assert.match(
    out,
    /disk model +ST4000 +3 of 4 +75 % +- +0 +1\.000 +no +3 disks within 10 minutes/,
  );
  assert.is((await run([...site.args, "predictor", "fleet", "--days", "0"])).code, 2);
});

record.run();
