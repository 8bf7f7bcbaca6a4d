// `lifeboat rules` and `lifeboat parameter` against a management server; agents are the test's.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Explained } from "../../../management/rules/explain.ts";
import type { VmSummary } from "../../../protocol/evacuation.ts";
import type { HostId, ServerId } from "../../../protocol/ids.ts";
import { realClock } from "../../../runtime/clock.ts";
import { replica } from "../management/rules/watched.ts";
import { makeFolder } from "../runtime/folder.ts";
import { until } from "../runtime/ports.ts";
import { frozen, VM } from "../runtime/samples.ts";
import { openSite, type Site } from "./site.ts";
import { run } from "./terminal.ts";

const rules = suite<{ site: Site }>("rules and parameter");
/** A file is read before anybody is asked. */
const refusals = suite("rules set");
const FOLDER = makeFolder();
let files = 0;

function write(text: string): string {
  const path = join(FOLDER, `rules-${++files}.yaml`);
  writeFileSync(path, text);
  return path;
}

/** At once: a test does not wait. */
const QUICK = `
parameters:
  temperature: { range: [null, 70], hysteresis: 5 }
outsideSeconds: 0
insideSeconds: 0
dwellSeconds: 0
`;

const GUEST: VmSummary = {
  vmId: VM,
  name: "counter",
  memoryBytes: frozen.memoryBytes,
  definition: frozen,
  hostId: "alpha" as HostId,
  term: 1,
  phase: "active",
  guest: "running",
  replicas: [replica("bravo", { lagMs: 900 })],
};

rules.before.each(async (context) => {
  context.site = await openSite(["alpha", "bravo"]);
  context.site.fleet([GUEST]);
  await until(() => context.site.management.status().vms.length === 1, "the guest");
});
rules.after.each(({ site }) => site.close());

async function tell(site: Site, name: string, temperature: number): Promise<void> {
  const agent = await site.agent(name);
  const about = { type: "telemetry", serverId: name as ServerId, risk: 0, sensors: 1 } as const;
  agent.send({ ...about, sensorFaults: 0, residentBytes: 1, parameters: { temperature } });
  await until(() => site.management.status().telemetry[name] !== undefined, "the telemetry");
}

/** Waits until the guest's rules are explained so. */
async function explained(
  site: Site,
  what: string,
  is: (found: Explained) => boolean,
): Promise<Explained> {
  for (let tries = 0; tries < 50; tries++) {
    const { out, err, code } = await run([...site.args, "rules", "explain", VM, "-o", "json"]);
    assert.is(code, 0, err);
    const found = JSON.parse(out) as Explained;
    if (is(found)) return found;
    await realClock.sleep(100);
  }
  throw new Error(`Waited in vain for ${what}`);
}

rules("rules that are set are kept, shown, explained and removed", async ({ site }) => {
  const path = write(QUICK);
  const set = await run([...site.args, "rules", "set", "counter", path]);
  assert.equal([set.code, set.err], [0, ""]);
  assert.is(site.store.load().rules[0]?.rules.outsideSeconds, 0);
  const shown = await run([...site.args, "rules", "show"]);
  assert.match(shown.out, new RegExp(`^${VM} +temperature +\\[-, 70\\] +5 +1`, "m"));
  await tell(site, "alpha", 81.25);
  await explained(site, "a review", ({ hosts }) => hosts[0]?.verdict === "outside");
  const told = await run([...site.args, "rules", "explain", "counter"]);
  assert.match(told.out, /^counter: 0 of 4 swaps/);
  assert.match(
    told.out,
    /primary alpha: outside\n.*\ntemperature +81.25 +celsius +\[-, 70\] +outside/,
  );
  assert.match(told.out, /secondary bravo: replica protected, unknown\n.*\ntemperature +unknown/);
  assert.match(told.out, /Nothing would be swapped/);
  assert.match(told.out, /waits: No secondary is fit \(bravo: temperature is unknown\)/);
  assert.match(told.out, /waits: Mode is shadow/);
  const gone = await run([...site.args, "rules", "remove", "counter"]);
  assert.is(gone.code, 0);
  assert.equal(site.store.load().rules, []);
});

rules(
  "the coordinator is asked to swap the roles, and the time line says why",
  async ({ site }) => {
    await run([...site.args, "mode", "act"]);
    await run([...site.args, "rules", "set", "counter", write(QUICK)]);
    await tell(site, "alpha", 81);
    await tell(site, "bravo", 40);
    const { operationId, vmId, target } = await site.coordinator.take("switch-over");
    assert.equal([vmId, target as string], [VM, "bravo"]);
    const ends = { from: "alpha" as HostId, to: "bravo" as HostId };
    const result = { outcome: "moved", reason: "verified", term: 2, ...ends } as const;
    site.coordinator.send({ type: "migration-result", operationId, vmId, ...result });
    site.fleet([{ ...GUEST, hostId: "bravo" as HostId, replicas: [replica("alpha")], term: 2 }]);
    await until(() => site.store.load().rules[0]?.swaps[0]?.outcome === "moved", "the result");
    const { swaps } = await explained(
      site,
      "the swap",
      ({ hosts }) => hosts[0]?.hostId === "bravo",
    );
    assert.is(swaps[0]?.outcome, "moved");
    const { out } = await run([...site.args, "events"]);
    assert.match(
      out,
      /Swapping alpha and bravo: temperature of alpha is 81 celsius, outside \[-, 70\]/,
    );
    assert.match(out, /bravo is the primary now: verified/);
  },
);

rules("a dry run says what the rules would say, and keeps nothing", async ({ site }) => {
  await tell(site, "alpha", 81);
  await tell(site, "bravo", 40);
  const path = write(`${QUICK}\nswapsPerDay: 7`);
  const said = await run([...site.args, "rules", "set", "counter", path, "--dry-run"]);
  assert.equal([said.code, said.err], [0, ""]);
  assert.match(said.out, /0 of 7 swaps/);
  assert.match(said.out, /bravo would become the primary: temperature of alpha is 81 celsius/);
  assert.equal(site.store.load().rules, []);
  const removed = await run([...site.args, "rules", "remove", "counter", "--dry-run"]);
  assert.equal([removed.code, /RULES_UNKNOWN/.test(removed.err)], [3, true]);
});

rules("a number that a site feeds counts, is listed, and goes stale", async ({ site }) => {
  const path = write(`
parameters:
  carbon: { range: [0, 300] }
  carbom: { range: [0, 300] }
`);
  await run([...site.args, "rules", "set", "counter", path]);
  const set = await run([...site.args, "parameter", "set", "alpha", "carbon", "312.5"]);
  assert.equal(set.out, "carbon of alpha is 312.5 for 300 s\n");
  const is = (verdict: string) => (found: Explained) =>
    found.hosts[0]?.parameters.find(({ name }) => name === "carbon")?.verdict === verdict;
  await explained(site, "a review", is("outside"));
  const { out } = await run([...site.args, "parameter", "list", "alpha"]);
  assert.match(out, /^alpha +carbon +312.5 +- +site +0 s +300 s$/m);
  assert.match(out, /^alpha +temperature +unknown +celsius/m);
  const told = await run([...site.args, "rules", "explain", "counter"]);
  assert.match(told.out, /carbom is no parameter of Lifeboat's own, and nobody has fed it/);
  assert.not.match(told.out, /carbon is no parameter/);
  await run([...site.args, "parameter", "set", "alpha", "carbon", "1", "--for", "1"]);
  await explained(site, "the value", is("inside"));
  await explained(site, "the end of its time", is("unknown"));
});

const RANGE = "parameters: { temperature: { range: ";
const WRONG: readonly (readonly [string, string, RegExp])[] = [
  ["no parameter", "parameters: {}", /:1: parameters: must name a parameter/],
  ["no parameters at all", "swapsPerDay: 1", /parameters: /],
  ["no range", "parameters: { power: {} }", /power\.range: must be \[min, max\]/],
  ["one bound only", `${RANGE}[1] } }`, /range: must be \[min, max\]/],
  ["a range without limits", `${RANGE}[null, null] } }`, /must have a min, a max or both/],
  ["a range the wrong way round", `${RANGE}[9, 1] } }`, /min must not be above max/],
  ["a hysteresis as wide as the range", `${RANGE}[0, 10], hysteresis: 5 } }`, /less than half/],
  ["a negative hysteresis", `${RANGE}[0, 10], hysteresis: -1 } }`, /hysteresis: /],
  ["a word for a number", `${RANGE}[0, hot] } }`, /range\.1: /],
  ["an infinite limit", `${RANGE}[0, .inf] } }`, /range\.1: /],
  ["a negative weight", `${RANGE}[0, 10], weight: -1 } }`, /weight: /],
  ["an unknown key", `${RANGE}[0, 10], maximum: 1 } }`, /unknown key "maximum"/],
  ["a name with blanks", 'parameters: { "a b": { range: [0, 1] } }', /is no name of a parameter/],
  ["a time in another unit", `${RANGE}[0, 1] } }\noutsideMs: 5`, /:2: unknown key "outsideMs"/],
  ["no time to cool down", `${RANGE}[0, 1] } }\ncoolDownSeconds: 0`, /:2: coolDownSeconds: /],
  ["no swaps", `${RANGE}[0, 1] } }\nswapsPerDay: 0`, /:2: swapsPerDay: /],
  [
    "a parameter twice",
    "parameters:\n  p: { range: [0, 1] }\n  p: { range: [0, 1] }",
    /:3: .*uniq/,
  ],
  ["no YAML", "parameters: [", /:1: /],
];

for (const [what, text, says] of WRONG) {
  refusals(`${what}: refused, with its line`, async () => {
    const { err, code } = await run(["--state", FOLDER, "rules", "set", "counter", write(text)]);
    assert.is(code, 2, err);
    assert.match(err, says);
    assert.match(err, /CONFIG_INVALID/);
  });
}

const REFUSED: readonly (readonly [string, readonly string[], number, RegExp])[] = [
  ["no such VM", ["rules", "explain", "nobody"], 3, /GUEST_NOT_FOUND/],
  ["a VM without rules", ["rules", "explain", "counter"], 3, /RULES_UNKNOWN/],
  ["no rules to show", ["rules", "show", "counter"], 3, /RULES_UNKNOWN/],
  ["no rules to remove", ["rules", "remove", VM], 3, /RULES_UNKNOWN/],
  ["no such file", ["rules", "set", "counter", "/nonexistent"], 2, /Cannot read/],
  ["a name of Lifeboat's own", ["parameter", "set", "alpha", "power", "1"], 4, /another name/],
  ["no such host", ["parameter", "set", "zulu", "carbon", "1"], 3, /HOST_UNKNOWN/],
  ["no host to list", ["parameter", "list", "zulu"], 3, /HOST_UNKNOWN/],
  ["no number", ["parameter", "set", "alpha", "carbon", "much"], 2, /Want a number/],
  ["no name", ["parameter", "set", "alpha", "Carbon", "1"], 2, /must match/],
  ["no time", ["parameter", "set", "alpha", "carbon", "1", "--for", "0"], 2, /whole number/],
];

for (const [what, args, code, says] of REFUSED) {
  rules(`${what}: a sentence and an exit status`, async ({ site }) => {
    const ended = await run([...site.args, ...args]);
    assert.is(ended.code, code, ended.err);
    assert.match(ended.err, says);
  });
}

rules.run();
refusals.run();
