import { suite } from "uvu";
import * as assert from "uvu/assert";
import { servicePowers } from "../../../coordinator/power.ts";
import { type Coordinator, startCoordinator } from "../../../coordinator/shell.ts";
import { DEFAULTS } from "../../../coordinator/state.ts";
import { type CoordinatorStore, openCoordinatorStore } from "../../../coordinator/store.ts";
import type { VmReport } from "../../../protocol/authority.ts";
import { SystemError } from "../../../protocol/error.ts";
import type { Message } from "../../../protocol/message.ts";
import { dialEnd, type End } from "../runtime/ends.ts";
import { nextUncaught, ports, SECRET, until } from "../runtime/ports.ts";
import {
  ALPHA,
  BRAVO,
  frozen,
  guest,
  inventoryOf,
  operation,
  reportFrom,
  runningAt,
  VM,
} from "../runtime/samples.ts";

interface Site {
  coordinator: Coordinator;
  readonly store: CoordinatorStore;
  readonly ends: End[];
}

const coordinatorShell = suite<Site>("startCoordinator");

function begin(store: CoordinatorStore, port = 0): Promise<Coordinator> {
  return startCoordinator({
    ...ports,
    listen: { host: "127.0.0.1", port },
    insecureNetwork: false,
    config: { ...DEFAULTS, resendMs: 300 },
    powers: servicePowers({}),
    store,
    secretOf: () => SECRET,
  });
}

coordinatorShell.before.each(async (site) => {
  const store = openCoordinatorStore(":memory:");
  Object.assign(site, { store, coordinator: await begin(store), ends: [] });
});

coordinatorShell.after.each(async ({ coordinator, ends, store }) => {
  for (const end of ends) await end.close();
  await coordinator.close();
  store.close();
});

/** A new life on the same store and port, as after a crash. */
async function restart(site: Site): Promise<void> {
  const { port } = site.coordinator;
  const before = site.ends.map((end) => end.links());
  await site.coordinator.close();
  site.coordinator = await begin(site.store, port);
  const back = (): boolean => site.ends.every((end, at) => end.up() && end.links() > before[at]!);
  await until(back, "every link to come back");
}

async function dial(site: Site, who: Parameters<typeof dialEnd>[0]): Promise<End> {
  const end = await dialEnd(who, "coordinator", site.coordinator.port);
  site.ends.push(end);
  return end;
}

async function agent(site: Site, host: typeof ALPHA, vms: VmReport[] = []): Promise<End> {
  const end = await dial(site, `agent:${host}`);
  end.send(inventoryOf(host, vms));
  await until(() => site.coordinator.state().hosts[host]?.heard === true, `${host} to be heard`);
  return end;
}

function migrateTo(target: typeof ALPHA, name: string): Message {
  const limits = { pauseMsMax: 1_000, roundsMax: 20 };
  return { type: "migrate", operationId: operation(name), vmId: VM, target, limits };
}

coordinatorShell("freezes a new VM, saves it, and grants it to its host", async (site) => {
  const alpha = await agent(site, ALPHA);
  const management = await dial(site, "management");
  management.send({
    type: "run-vm",
    operationId: operation("run-1"),
    hostId: ALPHA,
    definition: guest,
  });
  const { operationId } = await alpha.take("freeze");
  alpha.send({ type: "frozen", operationId, definition: frozen });
  const grant = await alpha.take("grant");
  assert.is(grant.term, 1);
  assert.is(grant.start, "first");
  assert.is(site.store.load().vms[0]?.term, 1, "the term is durable before it is granted");
  assert.equal(await management.take("operation-result"), {
    type: "operation-result",
    operationId: "run-1",
    ok: true,
  });
  const traced = management.received.flatMap((one) => (one.type === "trace" ? [one] : []));
  const said = traced.map(({ message, from, to }) => `${message} ${from} ${to}`);
  for (const line of [
    "freeze coordinator agent:alpha",
    "frozen agent:alpha coordinator",
    "grant coordinator agent:alpha",
  ]) {
    assert.ok(said.includes(line), `${line} is traced`);
  }
});

coordinatorShell(
  "goes on with a saga in a new life, with the same stream and term",
  async (site) => {
    await agent(site, ALPHA, [runningAt(1, 1)]);
    const bravo = await agent(site, BRAVO);
    const management = await dial(site, "management");
    management.send(migrateTo(BRAVO, "move-1"));
    const before = await bravo.take("prepare");
    assert.is(before.term, 2);
    await restart(site);
    for (const [end, host, vms] of [
      [site.ends[0]!, ALPHA, [runningAt(1, 1)]],
      [site.ends[1]!, BRAVO, []],
    ] as const) {
      end.send(inventoryOf(host, vms));
    }
    const after = await bravo.take("prepare");
    assert.equal(after, before);
  },
);

coordinatorShell("moves a VM by what source and target report, once", async (site) => {
  const alpha = await agent(site, ALPHA, [runningAt(1, 1)]);
  const bravo = await agent(site, BRAVO);
  const management = await dial(site, "management");
  management.send(migrateTo(BRAVO, "move-1"));
  management.send(migrateTo(BRAVO, "move-1"));
  const { stream, token } = await bravo.take("prepare");
  const incoming = { phase: "incoming", guest: "incoming", address: "127.0.0.1:9" } as const;
  bravo.send(reportFrom(BRAVO, runningAt(2, 1, { ...incoming, verified: false, stream })));
  const out = await alpha.take("migrate-out");
  assert.equal([out.stream, out.token, out.toTerm], [stream, token, 2]);
  const released = { phase: "released", guest: "paused", toTerm: 2, termSeen: 2 } as const;
  alpha.send(reportFrom(ALPHA, runningAt(1, 2, { ...released, releaseReason: "moved", epoch: 3 })));
  bravo.send(reportFrom(BRAVO, runningAt(2, 2)));
  await alpha.take("retire");
  alpha.send(reportFrom(ALPHA, runningAt(1, 3, { phase: "none", guest: "absent", termSeen: 2 })));
  const result = await management.take("migration-result");
  assert.is(result.outcome, "moved");
  assert.is(site.store.load().vms[0]?.hostId, BRAVO);
  assert.is(bravo.count("prepare"), 1, "the repeated migrate began nothing");
  const caused = management.received.filter(
    (one) => one.type === "trace" && one.causedBy === "move-1",
  );
  assert.ok(caused.length >= 4, "the saga's messages name it as their cause");
  const again = await dial(site, "management");
  assert.equal(await again.take("migration-result"), result, "it may have been lost: said again");
});

coordinatorShell(
  "ends, and sends nothing that is not durable, when its store fails",
  async (site) => {
    await agent(site, ALPHA, [runningAt(1, 1)]);
    const bravo = await agent(site, BRAVO);
    const management = await dial(site, "management");
    site.store.saveSaga = () => {
      throw new SystemError("NO_SPACE", "The disk is full");
    };
    const uncaught = nextUncaught();
    management.send(migrateTo(BRAVO, "move-1"));
    assert.match(String(await uncaught), "The disk is full");
    await restart(site);
    bravo.send(inventoryOf(BRAVO));
    await until(() => site.coordinator.state().hosts[BRAVO]?.heard === true, "bravo to be heard");
    assert.is(bravo.count("prepare"), 0);
    assert.equal(site.store.load().sagas, []);
  },
);

coordinatorShell("says a refusal at once, and the fleet at every link", async (site) => {
  await agent(site, ALPHA, [runningAt(1, 1)]);
  const management = await dial(site, "management");
  management.send(migrateTo(BRAVO, "nowhere"));
  assert.is((await management.take("migration-result")).outcome, "failed");
  const again = await dial(site, "management");
  const { vms } = await again.take("fleet");
  assert.is(vms[0]?.vmId, VM);
});

coordinatorShell("keeps traces while the management server is away", async (site) => {
  await agent(site, ALPHA, [runningAt(1, 1)]);
  const management = await dial(site, "management");
  const trace = await management.take("trace");
  assert.equal([trace.message, trace.from], ["inventory", "agent:alpha"]);
});

coordinatorShell("reads a console where the VM is, and believes no other host", async (site) => {
  const alpha = await agent(site, ALPHA, [runningAt(1, 1)]);
  const bravo = await agent(site, BRAVO);
  const management = await dial(site, "management");
  const operationId = operation("console-1");
  management.send({ type: "read-console", operationId, vmId: VM, offset: 0 });
  await alpha.take("read-console");
  const text = { type: "console-text", operationId, vmId: VM, offset: 0, size: 3 } as const;
  bravo.send({ ...text, base64: "bm8=" });
  bravo.send({ type: "operation-result", operationId, ok: false });
  bravo.send({
    type: "refusal",
    hostId: BRAVO,
    vmId: VM,
    command: "",
    term: 1,
    code: "",
    reason: "",
  });
  const heard = (one: Message): boolean => one.type === "trace" && one.message === "refusal";
  await until(() => management.received.some(heard), "all that bravo said");
  alpha.send({ ...text, base64: "eWVz" });
  assert.is((await management.take("console-text")).base64, "eWVz");
  assert.is(management.count("operation-result"), 0);
});

coordinatorShell("refuses the console of a VM that it does not know", async (site) => {
  const management = await dial(site, "management");
  management.send({ type: "read-console", operationId: operation("c"), vmId: VM, offset: 0 });
  const { ok, code } = await management.take("operation-result");
  assert.equal([ok, code], [false, "GUEST_NOT_FOUND"]);
});

coordinatorShell("marks a host whose link is lost, and keeps its record", async (site) => {
  const alpha = await agent(site, ALPHA, [runningAt(1, 1)]);
  await alpha.close();
  site.ends.pop();
  await until(() => site.coordinator.state().hosts[ALPHA]?.connected === false, "the loss");
  assert.is(site.store.load().hosts[0]?.hostId, ALPHA);
});

coordinatorShell.run();
