import { suite } from "uvu";
import * as assert from "uvu/assert";
import { historyOf } from "../../../management/history.ts";
import { openManagementStore } from "../../../management/store.ts";
import { type RiskChange, riskChange, serverComponents } from "../../../protocol/prediction.ts";

const history = suite("historyOf");

/** A history on a store; what it writes is durable at once. */
function begin(store = openManagementStore(":memory:")) {
  const made = historyOf(store.load(), store, (task) => task());
  return { ...made, store };
}

function change(from: string, to: string, value = 0): RiskChange {
  return riskChange.parse({
    type: "risk-change",
    serverId: "alpha",
    source: "agent",
    component: "disk",
    device: "sda",
    from,
    to,
    evidence: [{ signal: "smart-5", value, threshold: 0, text: "Reallocated" }],
  });
}

history("a device that is unwell is kept with how it came there, until it is well", () => {
  const at = begin();
  at.take(change("healthy", "suspect", 1), "t1");
  at.take(change("suspect", "failing", 9), "t2");
  const [seen] = begin(at.store).risks();
  assert.equal([seen?.change.to, seen?.wallTime], ["failing", "t2"]);
  assert.equal(seen?.earlier, [{ to: "suspect", wallTime: "t1", values: { "smart-5": 1 } }]);
  at.take(change("suspect", "healthy"), "t3");
  assert.equal([at.risks(), begin(at.store).risks()], [[], []]);
});

history("a device that comes and goes is kept with its newest steps only", () => {
  const at = begin();
  for (let n = 0; n < 20; n++) at.take(change("suspect", n % 2 ? "suspect" : "failing"), `t${n}`);
  assert.is(at.risks()[0]?.earlier.length, 8);
  assert.is(begin(at.store).risks().length, 1, "it can be read back");
});

history("time counts while a server's agent or firmware is linked, once", () => {
  const at = begin();
  at.watch(["agent:alpha", "nic:alpha", "operator"], 0);
  at.watch(["agent:alpha", "nic:alpha", "agent:bravo"], 10_000);
  assert.is(at.watchedMs(), 20_000);
  at.watch([], 20_000);
  at.watch(["agent:alpha"], 10_000_000);
  assert.is(at.watchedMs(), 80_000, "a program that stood still watched for a minute at most");
  assert.is(begin(at.store).watchedMs(), 80_000);
});

history("what a server is made of is written when it changes", () => {
  const at = begin();
  const one = (model: string) =>
    serverComponents.parse({ type: "server-components", serverId: "alpha", model, disks: [] });
  let writes = 0;
  const store = { ...at.store, saveComponents: () => void writes++ };
  const counted = historyOf(at.store.load(), store, (task) => task());
  for (const model of ["X1", "X1", "X2"]) counted.takeComponents(one(model));
  assert.equal([writes, counted.components().map(({ model }) => model)], [2, ["X2"]]);
});

history.run();
