// Rules and a swap that is under way outlive the management server.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Management, startManagement } from "../../../../management/shell.ts";
import { DEFAULTS } from "../../../../management/state.ts";
import { openManagementStore } from "../../../../management/store.ts";
import type { HostSummary } from "../../../../protocol/evacuation.ts";
import type { HostId } from "../../../../protocol/ids.ts";
import type { Ask } from "../../../../protocol/operator.ts";
import { ruleSet } from "../../../../protocol/rules.ts";
import { dialEnd, type End, listenEnd } from "../../runtime/ends.ts";
import { ports, SECRET, until } from "../../runtime/ports.ts";
import { ALPHA, BRAVO, frozen, inventoryOf, operation, VM } from "../../runtime/samples.ts";
import { replica } from "./watched.ts";

const restart = suite("rules restart");
const closers: (() => unknown)[] = [];

restart.after(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const RULES = ruleSet.parse({
  parameters: { heat: { range: [null, 70] } },
  outsideSeconds: 0,
  insideSeconds: 0,
  dwellSeconds: 0,
});

function hostOf(hostId: HostId): HostSummary {
  const { serverId, capacity, capabilities } = inventoryOf(hostId);
  const known = { connected: true, heard: true, cordoned: false, capacity, capabilities };
  return { hostId, serverId, ...known };
}

const GUEST = {
  vmId: VM,
  name: "counter",
  memoryBytes: frozen.memoryBytes,
  definition: frozen,
  hostId: ALPHA,
  term: 1,
  phase: "active",
  guest: "running",
  replicas: [replica(BRAVO)],
} as const;

async function ask(operator: End, id: string, what: Ask): Promise<void> {
  const operationId = operation(id);
  operator.send({ type: "request", operationId, ask: what });
  const { ok, reason } = await operator.take("response");
  assert.ok(ok, reason);
}

restart("a swap that was asked for is asked for again, under the same id", async () => {
  const store = openManagementStore(":memory:");
  const coordinator = await listenEnd("coordinator", "management");
  closers.push(store.close, coordinator.close);
  const begin = async (): Promise<Management> => {
    const management = await startManagement({
      ...ports,
      listen: { host: "127.0.0.1", port: 0 },
      insecureNetwork: false,
      coordinatorUrl: `ws://127.0.0.1:${coordinator.port}`,
      config: DEFAULTS,
      store,
      secretOf: () => SECRET,
      secret: SECRET,
    });
    closers.push(management.close);
    return management;
  };
  const first = await begin();
  await until(() => coordinator.up(), "the link");
  const hosts = [hostOf(ALPHA), hostOf(BRAVO)];
  coordinator.send({ type: "fleet", hosts, vms: [{ ...GUEST, replicas: [...GUEST.replicas] }] });
  await until(() => first.status().hosts.length === 2, "the fleet");
  const operator = await dialEnd("operator", "management", first.port);
  closers.push(operator.close);
  await ask(operator, "mode", { method: "mode", mode: "act" });
  await ask(operator, "set", { method: "rules-set", vmId: VM, rules: RULES, dryRun: false });
  const heat = { method: "parameter-set", name: "heat", forSeconds: 60 } as const;
  await ask(operator, "cool", { ...heat, hostId: BRAVO, value: 50 });
  await ask(operator, "hot", { ...heat, hostId: ALPHA, value: 80 });
  const { operationId, vmId, target } = await coordinator.take("switch-over");
  assert.equal([vmId, target], [VM, BRAVO]);
  await operator.close();
  await first.close();

  await begin();
  assert.is((await coordinator.take("switch-over")).operationId, operationId);
  const ends = { from: ALPHA, to: BRAVO, term: 2, reason: "verified" } as const;
  const result = { operationId, vmId, outcome: "moved", ...ends } as const;
  coordinator.send({ type: "migration-result", ...result });
  await until(() => store.load().rules[0]?.swaps[0]?.outcome === "moved", "the end of it");
});

restart.run();
