import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Management, startManagement } from "../../../management/shell.ts";
import { DEFAULTS } from "../../../management/state.ts";
import type { Status } from "../../../management/status.ts";
import { type ManagementStore, openManagementStore } from "../../../management/store.ts";
import { SystemError } from "../../../protocol/error.ts";
import type { Fleet, HostSummary, VmSummary } from "../../../protocol/evacuation.ts";
import type { HostId, VmId } from "../../../protocol/ids.ts";
import type { Deliver } from "../../../protocol/message.ts";
import type { Ask, Event, Response } from "../../../protocol/operator.ts";
import { type Prediction, prediction } from "../../../protocol/prediction.ts";
import { dialEnd, type End, listenEnd } from "../runtime/ends.ts";
import { nextUncaught, ports, SECRET, until } from "../runtime/ports.ts";
import { ALPHA, BRAVO, frozen, guest, inventoryOf, operation, VM } from "../runtime/samples.ts";

interface Site {
  management: Management;
  coordinator: Awaited<ReturnType<typeof listenEnd>>;
  readonly store: ManagementStore;
  readonly ends: End[];
}

const managementShell = suite<Site>("startManagement");
const SPOOL = "0123456789abcdef";

function begin(site: Pick<Site, "store" | "coordinator">, port = 0): Promise<Management> {
  return startManagement({
    ...ports,
    listen: { host: "127.0.0.1", port },
    insecureNetwork: false,
    coordinatorUrl: `ws://127.0.0.1:${site.coordinator.port}`,
    config: DEFAULTS,
    store: site.store,
    secretOf: () => SECRET,
    secret: SECRET,
  });
}

managementShell.before.each(async (site) => {
  const store = openManagementStore(":memory:");
  const coordinator = await listenEnd("coordinator", "management");
  const management = await begin({ store, coordinator });
  Object.assign(site, { store, coordinator, management, ends: [] });
  await coordinatorBack(site);
});

managementShell.after.each(async ({ management, coordinator, ends, store }) => {
  for (const end of ends) await end.close();
  await management.close();
  await coordinator.close();
  store.close();
});

function coordinatorBack({ management, coordinator }: Site): Promise<void> {
  return until(() => coordinator.up() && management.status().coordinatorUp, "the coordinator");
}

async function restart(site: Site): Promise<void> {
  const { port } = site.management;
  const before = site.ends.map((end) => end.links());
  await site.management.close();
  site.management = await begin(site, port);
  const back = (): boolean => site.ends.every((end, at) => end.up() && end.links() > before[at]!);
  await until(back, "every link to come back");
}

async function dial(site: Site, who: Parameters<typeof dialEnd>[0]): Promise<End> {
  const end = await dialEnd(who, "management", site.management.port);
  site.ends.push(end);
  return end;
}

let asked = 0;

async function ask(operator: End, what: Ask): Promise<Response> {
  const operationId = operation(`ask-${++asked}`);
  operator.send({ type: "request", operationId, ask: what });
  const isAnswer = (one: End["received"][number]): one is Response =>
    one.type === "response" && one.operationId === operationId;
  await until(() => operator.received.some(isAnswer), `the answer to ${what.method}`);
  return operator.received.find(isAnswer)!;
}

async function statusBy(operator: End): Promise<Status> {
  return (await ask(operator, { method: "status" })).result as unknown as Status;
}

function predictionOf(predictionId: string, source: "agent" | "nic" = "agent"): Prediction {
  return prediction.parse({
    type: "prediction",
    predictionId,
    serverId: "alpha",
    source,
    component: source === "agent" ? "disk" : "nic",
    device: source === "agent" ? "sda" : "eth0",
    probability: 0.9,
    horizonMs: 60_000,
    evidence: [{ signal: "smart-5", value: 10, threshold: 0, text: "10 sectors reallocated" }],
  });
}

function deliver(sequence: number, body: Deliver["body"]): Deliver {
  return { type: "deliver", spool: SPOOL, sequence, body };
}

function hostOf(hostId: HostId): HostSummary {
  const { serverId, capacity, capabilities } = inventoryOf(hostId);
  const known = { connected: true, heard: true, cordoned: false, capacity, capabilities };
  return { hostId, serverId, ...known };
}

function vmOn(hostId: HostId, id: VmId = VM): VmSummary {
  const base = { vmId: id, name: "counter", memoryBytes: frozen.memoryBytes, definition: frozen };
  return { ...base, hostId, term: 1, phase: "active", guest: "running" };
}

const FLEET: Fleet = { type: "fleet", hosts: [hostOf(ALPHA), hostOf(BRAVO)], vms: [vmOn(ALPHA)] };

/** The fleet is known, and the mode is act. */
async function ready(site: Site): Promise<End> {
  site.coordinator.send(FLEET);
  await until(() => site.management.status().hosts.length === 2, "the fleet");
  const operator = await dial(site, "operator");
  await ask(operator, { method: "mode", mode: "act" });
  return operator;
}

function eventsOf(site: Site): Event[] {
  return site.store.eventsAfter(0, 1_000);
}

managementShell("runs P1's exchange from a prediction, and tells each message", async (site) => {
  const operator = await ready(site);
  const alpha = await dial(site, "agent:alpha");
  alpha.send(deliver(1, predictionOf("p-1")));
  const identify = await site.coordinator.take("identify-host");
  assert.is(identify.hostId, ALPHA);
  assert.is((await alpha.take("delivered")).sequence, 1);
  const { operationId } = identify;
  site.coordinator.send({
    type: "host-vms",
    operationId,
    hostId: ALPHA,
    known: true,
    vms: [vmOn(ALPHA)],
  });
  const migrate = await site.coordinator.take("migrate");
  assert.equal([migrate.vmId, migrate.target], [VM, BRAVO]);
  site.coordinator.send({
    type: "migration-result",
    operationId: migrate.operationId,
    vmId: VM,
    outcome: "moved",
    reason: "Moved",
    from: ALPHA,
    to: BRAVO,
    term: 2,
  });
  await until(() => site.management.status().evacuations[0]?.phase === "done", "its end");
  assert.is((await statusBy(operator)).evacuations[0]?.outcome, "evacuated");
  const told = eventsOf(site).map(({ message, from, to }) => `${message} ${from} ${to}`);
  const way = [
    "prediction agent:alpha management",
    "decision management management",
    "identify-host management coordinator",
    "host-vms coordinator management",
    "migrate management coordinator",
    "migration-result coordinator management",
    "evacuation-result management management",
  ];
  const places = way.map((line) => told.indexOf(line));
  assert.ok(!places.includes(-1), JSON.stringify(told));
  assert.equal(
    places,
    places.toSorted((a, b) => a - b),
    "in their order",
  );
});

managementShell("acknowledges a repeated delivery, and folds it", async (site) => {
  const alpha = await dial(site, "agent:alpha");
  for (let times = 0; times < 3; times++) alpha.send(deliver(1, predictionOf("p-1")));
  await until(() => alpha.count("delivered") === 3, "three acknowledgements");
  assert.is(eventsOf(site).filter(({ message }) => message === "prediction").length, 1);
});

managementShell("folds a delivery repeated to its next life", async (site) => {
  const alpha = await dial(site, "agent:alpha");
  alpha.send(deliver(1, predictionOf("p-1")));
  alpha.send(deliver(2, predictionOf("p-2")));
  await until(() => alpha.count("delivered") === 2, "the acknowledgements");
  await restart(site);
  alpha.send(deliver(1, predictionOf("p-1")));
  await until(() => alpha.count("delivered") === 3, "the acknowledgement");
  const newest = alpha.received.findLast((one) => one.type === "delivered");
  assert.is(newest?.type === "delivered" && newest.sequence, 2, "all of the spool is durable");
  const predicted = eventsOf(site).filter(({ message }) => message === "prediction");
  assert.is(predicted.length, 2);
  assert.is(site.management.status().predictions[0]?.prediction.predictionId as string, "p-2");
});

managementShell("ends, and acknowledges nothing, when its store fails", async (site) => {
  const alpha = await dial(site, "agent:alpha");
  const { savePrediction } = site.store;
  site.store.savePrediction = () => {
    throw new SystemError("NO_SPACE", "The disk is full");
  };
  const uncaught = nextUncaught();
  alpha.send(deliver(1, predictionOf("p-1")));
  assert.match(String(await uncaught), "The disk is full");
  assert.is(site.store.takenOf("agent:alpha", SPOOL), 0, "it is all or nothing");
  assert.is(alpha.count("delivered"), 0);
  site.store.savePrediction = savePrediction;
  await restart(site);
  alpha.send(deliver(1, predictionOf("p-1")));
  await alpha.take("delivered");
  assert.is(site.management.status().predictions.length, 1);
});

managementShell("holds a prediction while the coordinator is away, and resumes", async (site) => {
  await ready(site);
  const { port } = site.coordinator;
  await site.coordinator.close();
  await until(() => !site.management.status().coordinatorUp, "the coordinator to be gone");
  const nic = await dial(site, "nic:alpha");
  nic.send(deliver(1, predictionOf("p-1", "nic")));
  await nic.take("delivered");
  await restart(site);
  site.coordinator = await listenEnd("coordinator", "management", port);
  const { hostId } = await site.coordinator.take("identify-host");
  assert.is(hostId, ALPHA);
});

managementShell("asks again for what its last life had asked", async (site) => {
  await ready(site);
  const alpha = await dial(site, "agent:alpha");
  alpha.send(deliver(1, predictionOf("p-1")));
  const before = await site.coordinator.take("identify-host");
  await restart(site);
  assert.equal(await site.coordinator.take("identify-host"), before);
});

managementShell("plans and moves nothing in shadow mode", async (site) => {
  site.coordinator.send(FLEET);
  await until(() => site.management.status().hosts.length === 2, "the fleet");
  const alpha = await dial(site, "agent:alpha");
  alpha.send(deliver(1, predictionOf("p-1")));
  const { operationId } = await site.coordinator.take("identify-host");
  const answer = { type: "host-vms", operationId, hostId: ALPHA, known: true } as const;
  site.coordinator.send({ ...answer, vms: [vmOn(ALPHA)] });
  await until(() => site.management.status().evacuations[0]?.outcome === "planned", "the plan");
  assert.is(site.coordinator.count("migrate"), 0);
});

managementShell("keeps sensor faults until the sensor reads again", async (site) => {
  const alpha = await dial(site, "agent:alpha");
  const fault = { type: "sensor-fault", serverId: "alpha" as never, sensor: "sda", reason: "r" };
  alpha.send(deliver(1, { ...fault, status: "stuck" } as Deliver["body"]));
  await alpha.take("delivered");
  await restart(site);
  assert.is(site.management.status().sensorFaults[0]?.fault.status, "stuck");
  alpha.send(deliver(2, { ...fault, status: "ok" } as Deliver["body"]));
  await alpha.take("delivered");
  assert.equal(site.management.status().sensorFaults, []);
});

managementShell("shows telemetry and the newest progress of each VM", async (site) => {
  const alpha = await dial(site, "agent:alpha");
  const telemetry = { type: "telemetry", serverId: "alpha" as never, sensors: 3 } as const;
  alpha.send({ ...telemetry, risk: 0.5, sensorFaults: 0, residentBytes: 1 });
  const progress = { type: "migration-progress", vmId: VM, sagaId: operation("saga") } as const;
  const bytes = { bytesRaw: 1, bytesSent: 1, memoryBytes: 1, doneBytes: 1 };
  for (const round of [0, 1, 2]) {
    site.coordinator.send({ ...progress, ...bytes, round, stage: "round" });
  }
  site.coordinator.send({ ...progress, ...bytes, round: 3, stage: "done", lastPauseMs: 5 });
  await until(() => site.management.status().progress[VM]?.stage === "done", "the progress");
  await until(() => "alpha" in site.management.status().telemetry, "the telemetry");
  assert.is(site.management.status().telemetry["alpha"]?.["agent:alpha"]?.risk, 0.5);
  const told = eventsOf(site).filter(({ message }) => message === "migration-progress");
  assert.is(told.length, 2, "the first and the end, not each");
});

managementShell("serves several operators, each its own answers", async (site) => {
  const [one, other] = [await dial(site, "operator"), await dial(site, "operator")];
  assert.is((await statusBy(one)).mode, "shadow");
  assert.is((await statusBy(other)).mode, "shadow");
  assert.ok(one.up() && other.up());
});

managementShell("sends each follower the past and then what comes, once", async (site) => {
  const operator = await dial(site, "operator");
  await ask(operator, { method: "disarm", disarmed: true });
  await ask(operator, { method: "events", after: 0, follow: true });
  await ask(operator, { method: "disarm", disarmed: false });
  const newest = (): number => eventsOf(site).at(-1)!.id;
  const got = (): number[] => operator.received.flatMap((m) => (m.type === "event" ? [m.id] : []));
  await until(() => got().at(-1) === newest(), "the newest event");
  assert.equal(
    got(),
    eventsOf(site).map(({ id }) => id),
  );
  const page = await ask(operator, { method: "events", after: newest() - 1, follow: false });
  const { events } = page.result as unknown as { events: Event[] };
  assert.equal(
    events.map(({ id }) => id),
    [newest()],
  );
});

const RELAYED: readonly [
  Ask,
  "cordon" | "run-vm" | "end-vm" | "read-console" | "protect-vm" | "failover" | "switch-over",
][] = [
  [{ method: "cordon", hostId: ALPHA, cordoned: true }, "cordon"],
  [{ method: "vm-run", hostId: ALPHA, definition: guest }, "run-vm"],
  [{ method: "vm-stop", vmId: VM }, "end-vm"],
  [{ method: "vm-console", vmId: VM, offset: 0 }, "read-console"],
  [{ method: "protect", vmId: VM, dryRun: false }, "protect-vm"],
  [{ method: "failover", vmId: VM, allowStale: false, dryRun: true }, "failover"],
  [{ method: "switch-over", vmId: VM, target: BRAVO }, "switch-over"],
];

for (const [what, type] of RELAYED) {
  managementShell(`relays ${what.method}, and the coordinator's refusal`, async (site) => {
    const operator = await dial(site, "operator");
    const answer = ask(operator, what);
    const { operationId } = await site.coordinator.take(type);
    const refused = { ok: false, code: "GUEST_NOT_FOUND", reason: "no such" } as const;
    site.coordinator.send({ type: "operation-result", operationId, ...refused });
    const { ok, code, reason } = await answer;
    assert.equal({ ok, code, reason }, refused);
  });

  managementShell(`answers ${what.method} at once while the coordinator is away`, async (site) => {
    const operator = await dial(site, "operator");
    await site.coordinator.close();
    await until(() => !site.management.status().coordinatorUp, "the coordinator to be gone");
    assert.is((await ask(operator, what)).code, "UNREACHABLE");
  });
}

managementShell("gives up what the coordinator was asked when its link is lost", async (site) => {
  const operator = await dial(site, "operator");
  const answer = ask(operator, { method: "vm-stop", vmId: VM });
  await site.coordinator.take("end-vm");
  await site.coordinator.close();
  assert.is((await answer).code, "LINK_CLOSED");
});

managementShell("refuses an evacuation of an unknown host", async (site) => {
  const operator = await ready(site);
  const hostId = "zulu" as HostId;
  const { ok, code } = await ask(operator, { method: "evacuate", hostId, dryRun: true });
  assert.equal([ok, code], [false, "HOST_UNKNOWN"]);
});

managementShell("what is acknowledged is told to all that predict of that server", async (site) => {
  const operator = await ready(site);
  const [agent, firmware, other] = [
    await dial(site, "agent:alpha"),
    await dial(site, "nic:alpha"),
    await dial(site, "nic:bravo"),
  ];
  const told = (end: End): number[] =>
    end.received.flatMap((message) =>
      message.type === "baselines" ? [message.baselines.length] : [],
    );
  const about = { component: "nic", device: "eth0", signal: "carrier-losses", value: 4 } as const;
  await ask(operator, { method: "acknowledge", hostId: ALPHA, ...about, dryRun: false });
  await until(() => told(agent).length + told(firmware).length === 4, "both to be told");
  assert.equal([told(agent), told(firmware), told(other)], [[0, 1], [0, 1], [0]]);
  const again = await dialEnd("nic:alpha", "management", site.management.port);
  site.ends.push(again);
  await until(() => told(again).length > 0, "a new link to be told");
  assert.equal(told(again), [1]);
});

managementShell.run();
