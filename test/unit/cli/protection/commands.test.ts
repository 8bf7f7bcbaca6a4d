// Command lines about replicas, against a management server whose coordinator is played here.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { VmSummary } from "../../../../protocol/evacuation.ts";
import { hostId, type StreamId } from "../../../../protocol/ids.ts";
import type { ReplicaSummary } from "../../../../protocol/replication.ts";
import { makeFolder } from "../../runtime/folder.ts";
import { until } from "../../runtime/ports.ts";
import { ALPHA, frozen, VM } from "../../runtime/samples.ts";
import { openSite, type Site } from "../site.ts";
import { run, start } from "../terminal.ts";

const MIB = 1024 ** 2;
const BRAVO = hostId.parse("bravo");
const POLICY = { mode: "async", intervalMs: 1_000, secondaries: 1, apart: "server" } as const;

const commands = suite<{ site: Site }>("protection commands");

commands.before.each(async (world) => {
  world.site = await openSite(["alpha", "bravo"]);
  await shows(world.site, {});
});

commands.after.each(({ site }) => site.close());

/** The coordinator says how the VM is, and management has heard it. */
async function shows({ fleet, management }: Site, patch: Partial<VmSummary>) {
  const base = { vmId: VM, name: "web", memoryBytes: frozen.memoryBytes, definition: frozen };
  const runs = { hostId: ALPHA, term: 1, phase: "active", guest: "running" } as const;
  fleet([{ ...base, ...runs, ...patch }]);
  const stances = (replicas: readonly ReplicaSummary[] = []) =>
    replicas.map((one) => `${one.hostId} ${one.state}`).join();
  await until(() => {
    const [vm] = management.status().vms;
    const there = vm?.hostId === (patch.hostId ?? ALPHA);
    return (
      there &&
      stances(vm?.replicas) === stances(patch.replicas) &&
      vm?.protection?.state === patch.protection?.state
    );
  }, "the fleet");
}

function replica(state: ReplicaSummary["state"], more: Partial<ReplicaSummary> = {}) {
  return { hostId: BRAVO, stream: "0".repeat(32) as StreamId, state, ...more };
}

const FILLING = replica("filling", {
  progress: {
    hostId: BRAVO,
    stream: "0".repeat(32) as StreamId,
    state: "filling",
    pendingBytes: 60 * MIB,
    totalBytes: 100 * MIB,
    sentBytes: 40 * MIB,
    bytesPerSecond: 6 * MIB,
  },
});
const CURRENT = replica("protected", { lagMs: 420, standby: "warm", diskBytes: MIB });
const isProtected = { protection: { policy: POLICY, state: "protected" } } as const;

commands("protect passes the policy of its options on", async ({ site }) => {
  const options = ["--interval", "5s", "--secondaries", "2", "--apart", "rack"];
  const asked = run([...site.args, "protect", "web", ...options, "--bandwidth", "20Mbit"]);
  const { operationId, vmId, policy, dryRun } = await site.coordinator.take("protect-vm");
  assert.equal([vmId, dryRun], [VM, false]);
  const more = { secondaries: 2, apart: "rack", bytesPerSecondMax: 2_500_000 };
  assert.equal(policy, { ...POLICY, intervalMs: 5_000, ...more });
  site.coordinator.send({ type: "operation-result", operationId, ok: true });
  const { out, code } = await asked;
  assert.is(code, 0);
  assert.match(out, /^web will be protected: 2 secondaries, apart by rack.*loses 10\.0 s at most/);
});

commands("protect takes a file, and says what a dry run would do", async ({ site }) => {
  const path = join(makeFolder(), "web.yaml");
  writeFileSync(path, "rpo: 2s\n");
  const asked = run([...site.args, "protect", "web", path, "--dry-run"]);
  const { operationId, policy, dryRun } = await site.coordinator.take("protect-vm");
  assert.equal([policy, dryRun], [POLICY, true]);
  const detail = { secondaries: ["bravo"] };
  site.coordinator.send({ type: "operation-result", operationId, ok: true, detail });
  assert.match((await asked).out, /would be protected.*\n {2}secondaries: bravo\n$/);
});

commands(
  "protect refuses a wrong file with its line, and a policy said twice",
  async ({ site }) => {
    const path = join(makeFolder(), "web.yaml");
    writeFileSync(path, "mode: async\nsecondaries: 9\n");
    const wrong = await run([...site.args, "protect", "web", path]);
    assert.is(wrong.code, 2);
    assert.match(wrong.err, /web\.yaml:2: secondaries: /);
    const twice = await run([...site.args, "protect", "web", path, "--rpo", "1s"]);
    assert.is(twice.code, 2);
    assert.match(twice.err, /Say --rpo in /);
    assert.is(site.coordinator.count("protect-vm"), 0);
  },
);

commands("protect ends as its refusal says", async ({ site }) => {
  assert.is((await run([...site.args, "protect", "nobody"])).code, 3);
  const asked = run([...site.args, "protect", "web"]);
  const { operationId } = await site.coordinator.take("protect-vm");
  const refused = { ok: false, code: "STATE_CONFLICT", reason: "No other server" } as const;
  site.coordinator.send({ type: "operation-result", operationId, ...refused });
  const { err, code } = await asked;
  assert.is(code, 4);
  assert.match(err, /No other server/);
});

commands("protect --wait tells how it goes until it is protected", async ({ site }) => {
  const running = start([...site.args, "protect", "web", "--wait", "-o", "json"]);
  const { operationId } = await site.coordinator.take("protect-vm");
  const unprotected = { policy: POLICY, state: "unprotected" } as const;
  await shows(site, { protection: unprotected, replicas: [FILLING] });
  site.coordinator.send({ type: "operation-result", operationId, ok: true });
  await until(() => running.soFar().err !== "", "progress");
  await shows(site, { ...isProtected, replicas: [CURRENT] });
  const { out, err, code } = await running.ended;
  assert.is(code, 0);
  assert.match(err, /bravo filling, 40 % of 100\.0 MiB, 6\.0 MiB\/s, about 10\.0 s left/);
  assert.is(JSON.parse(out).protection.state, "protected");
});

commands("unprotect says which replicas go", async ({ site }) => {
  await shows(site, { ...isProtected, replicas: [CURRENT] });
  const asked = run([...site.args, "unprotect", "web"]);
  const { operationId, policy } = await site.coordinator.take("protect-vm");
  assert.is(policy, undefined);
  site.coordinator.send({ type: "operation-result", operationId, ok: true });
  assert.is((await asked).out, "web is not protected any more (replicas: bravo)\n");
});

commands(
  "replicas shows lag, promise and filling, for people and for scripts",
  async ({ site }) => {
    assert.is((await run([...site.args, "replicas"])).out, "(none)\n");
    await shows(site, { ...isProtected, replicas: [CURRENT] });
    const row = /^web +alpha +protected +bravo +protected +420 ms +2\.0 s +warm +1\.0 MiB/m;
    assert.match((await run([...site.args, "replicas"])).out, row);
    await shows(site, { ...isProtected, replicas: [FILLING] });
    assert.match((await run([...site.args, "replicas", "web"])).out, /40 % of 100\.0 MiB/);
    const [web] = JSON.parse((await run([...site.args, "replicas", "-o", "json"])).out);
    assert.equal([web.promisedRpoMs, web.replicas[0].filling.leftMs], [2_000, 10_000]);
  },
);

commands("status says first which VM is not protected as asked for", async ({ site }) => {
  await shows(site, { ...isProtected });
  assert.match((await run([...site.args, "status"])).out, /^Protection +all 1 VMs/m);
  const lost = { policy: POLICY, state: "unprotected", reason: "bravo is away" } as const;
  await shows(site, { protection: lost });
  const { out } = await run([...site.args, "status"]);
  assert.match(out, /^Protection +NOT AS ASKED FOR: web: unprotected \(bravo is away\)$/m);
  const told = site.store.eventsAfter(0, 100).filter(({ message }) => message === "protection");
  assert.is(told.at(-1)?.text, "protected -> unprotected: bravo is away");
});

const moved = { outcome: "moved", reason: "Promoted", from: ALPHA, to: BRAVO, term: 2 } as const;

commands("failover tells where the VM runs, and what was lost", async ({ site }) => {
  const asked = run([...site.args, "failover", "web", "--allow-stale"]);
  const { operationId, vmId, allowStale, dryRun } = await site.coordinator.take("failover");
  assert.equal([vmId, allowStale, dryRun], [VM, true, false]);
  const lost = "what it did in its last 1.2 s";
  site.coordinator.send({ type: "migration-result", operationId, vmId, ...moved, lost });
  const { out, code } = await asked;
  assert.is(code, 0);
  assert.match(out, /^web: moved, alpha -> bravo at term 2\n.*\n {2}lost: what it did/);
});

commands(
  "failover ends with 1 when it could not, and 4 when nothing proves it",
  async ({ site }) => {
    const failed = run([...site.args, "failover", "web"]);
    const one = await site.coordinator.take("failover");
    const result = { ...moved, outcome: "failed", reason: "No replica can be read" } as const;
    const { operationId } = one;
    site.coordinator.send({ type: "migration-result", operationId, vmId: VM, ...result });
    assert.is((await failed).code, 1);
    const unproven = run([...site.args, "failover", "web"]);
    await until(() => site.coordinator.count("failover") === 2, "the second");
    const asked = site.coordinator.received.findLast((message) => message.type === "failover");
    const refused = { ok: false, code: "STATE_CONFLICT", reason: "Nothing proves it" } as const;
    if (asked?.type !== "failover") throw new Error("not asked");
    site.coordinator.send({ type: "operation-result", operationId: asked.operationId, ...refused });
    assert.is((await unproven).code, 4);
  },
);

commands("switch-over says what is missing, and asks once nothing is", async ({ site }) => {
  const command = [...site.args, "switch-over", "web", "--to", "bravo"];
  await shows(site, { ...isProtected, replicas: [FILLING] });
  const early = await run(command);
  assert.is(early.code, 4);
  assert.match(early.err, /on bravo is filling: 40 % of 100\.0 MiB.*about 10\.0 s left/);
  await shows(site, { ...isProtected, replicas: [CURRENT] });
  const planned = await run([...command, "--dry-run"]);
  assert.match(planned.out, /^web: would come up there, alpha -> bravo\n/);
  assert.is(site.coordinator.count("switch-over"), 0);
  const asked = run(command);
  const { operationId, target } = await site.coordinator.take("switch-over");
  assert.is(target, BRAVO);
  site.coordinator.send({ type: "migration-result", operationId, vmId: VM, ...moved });
  assert.is((await asked).code, 0);
});

commands("failback goes to the host before, once it has a current replica", async ({ site }) => {
  assert.match((await run([...site.args, "failback", "web"])).err, /run on no other host/);
  await shows(site, { ...isProtected });
  await shows(site, { ...isProtected, hostId: BRAVO });
  const early = await run([...site.args, "failback", "web"]);
  assert.is(early.code, 4);
  assert.match(early.err, /alpha has no replica of web/);
  const back = { ...CURRENT, hostId: ALPHA };
  await shows(site, { ...isProtected, hostId: BRAVO, replicas: [back] });
  const asked = run([...site.args, "failback", "web"]);
  const { operationId, target } = await site.coordinator.take("switch-over");
  assert.is(target, ALPHA);
  const result = { ...moved, from: BRAVO, to: ALPHA };
  site.coordinator.send({ type: "migration-result", operationId, vmId: VM, ...result });
  assert.match((await asked).out, /bravo -> alpha/);
});

commands("drill asks the secondary, and replicas shows how it ended", async ({ site }) => {
  await shows(site, { ...isProtected, replicas: [CURRENT] });
  const options = ["--host", "bravo", "--send", "check", "--expect", "good", "--within", "1s"];
  const asked = run([...site.args, "drill", "web", ...options]);
  const { operationId, vmId, hostId: where, check } = await site.coordinator.take("drill");
  assert.equal([vmId, where], [VM, BRAVO]);
  assert.equal(check, { send: "check", expect: "good", withinMs: 1_000 });
  const told = { hostId: BRAVO, vmId: VM, stream: "0".repeat(32) as StreamId } as const;
  const times = { point: { epoch: 9, cut: 7 }, restoreMs: 310, runMs: 140 };
  const passed = { type: "drill-result", operationId, ...told, ok: true, ...times } as const;
  site.coordinator.send(passed);
  const { out, code } = await asked;
  assert.is(code, 0);
  assert.is(
    out,
    "web: the replica on bravo, cut 7 comes up: restored in 310 ms, seen to run 140 ms later\n",
  );
  assert.match((await run([...site.args, "replicas"])).out, /passed \d{4}-/);
  assert.is(site.store.load().drills.length, 1);
  const documents = JSON.parse((await run([...site.args, "replicas", "-o", "json"])).out);
  assert.is(documents[0].replicas[0].drill.point.cut, 7);
});

commands("drill ends with 1 when the copy does not come up", async ({ site }) => {
  const asked = run([...site.args, "drill", "web"]);
  const { operationId } = await site.coordinator.take("drill");
  const told = { hostId: BRAVO, vmId: VM, stream: "0".repeat(32) as StreamId } as const;
  const reason = "Its vCPUs did not advance within 30000 ms";
  site.coordinator.send({ type: "drill-result", operationId, ...told, ok: false, reason });
  const { out, code } = await asked;
  assert.is(code, 1);
  assert.match(out, /did not pass: Its vCPUs/);
  for (const within of ["soon", "1ms", "9h"]) {
    assert.is((await run([...site.args, "drill", "web", "--within", within])).code, 2, within);
  }
});

commands.run();
