import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Effect } from "../../../coordinator/state.ts";
import type { GuestDefinition } from "../../../protocol/definition.ts";
import type { BootId, HostId, OperationId, ServerId, VmId } from "../../../protocol/ids.ts";
import {
  definition,
  frozen,
  type HostName,
  operation,
  order,
  running,
  type Session,
  sent,
  session,
  told,
  VM,
  vmRecord,
} from "./session.ts";

const requests = suite("requests");
const host = (name: string): HostId => name as HostId;

function run(at: Session, id: string, name: string, wanted: GuestDefinition = definition) {
  const operationId = operation(id);
  return at.take({ type: "run-vm", operationId, hostId: host(name), definition: wanted });
}

function answersFrozen(at: Session, id: string, name: string): readonly Effect[] {
  const operationId = operation(id);
  return at.take({ type: "frozen", operationId, hostId: host(name), definition: frozen });
}

function result(effects: readonly Effect[]): { id?: OperationId; code?: string; reason?: string } {
  const [message] = told(effects);
  if (message?.type !== "operation-result") return {};
  const { operationId: id, ok, code = ok ? "ok" : "none", reason = "" } = message;
  return { id, code, reason };
}

function fresh(): Session {
  const at = session();
  for (const name of ["alpha", "bravo", "charlie"] as HostName[]) at.connects(name);
  return at;
}

requests("runVm() has the host freeze a new definition, and grants only what came back", () => {
  const at = fresh();
  assert.equal(sent(run(at, "run-1", "alpha")), ["alpha freeze -"]);
  assert.is(at.state.vms[VM], undefined);
  const asked = answersFrozen(at, "run-1", "alpha");
  assert.equal(order(asked), ["save-vm", "management operation-result", "save-vm", "agent grant"]);
  assert.is(result(asked).code, "ok");
  const grant = asked.find((effect) => effect.type === "send-agent")?.message;
  assert.is(grant?.type === "grant" && grant.start, "first");
  assert.is(at.state.vms[VM]?.term, 1);
});

requests("takeFrozen() tells the host's refusal and creates nothing", () => {
  const at = fresh();
  run(at, "run-1", "alpha");
  const refused = { code: "DISK_INVALID", reason: "No such image" };
  const operationId = operation("run-1");
  const asked = at.take({ type: "frozen", operationId, hostId: host("alpha"), ...refused });
  assert.equal(result(asked), { id: operationId, ...refused });
  assert.is(at.state.vms[VM], undefined);
});

requests("takeFrozen() takes no answer from another host, of another VM, or twice", () => {
  const at = fresh();
  run(at, "run-1", "alpha");
  assert.equal(order(answersFrozen(at, "run-1", "bravo")), []);
  assert.equal(order(answersFrozen(at, "run-2", "alpha")), []);
  const other = { ...frozen, id: "99999999-2222-4333-8444-555555555555" as VmId };
  const operationId = operation("run-1");
  const asked = at.take({ type: "frozen", operationId, hostId: host("alpha"), definition: other });
  assert.is(result(asked).code, "DEFINITION_INVALID");
  assert.equal(order(answersFrozen(at, "run-1", "alpha")), []);
});

requests("takeFrozen() creates a VM once: two hosts that froze it get no common term", () => {
  const at = fresh();
  run(at, "run-1", "alpha");
  run(at, "run-2", "bravo");
  assert.equal(sent(answersFrozen(at, "run-1", "alpha")), ["alpha grant 1"]);
  const second = answersFrozen(at, "run-2", "bravo");
  assert.is(result(second).code, "STATE_CONFLICT");
  assert.equal(sent(second), []);
  assert.is(at.state.vms[VM]?.hostId, "alpha");
});

requests("takeFrozen() begins above every term that a host has heard of", () => {
  const at = fresh();
  at.reports("charlie", { phase: "burnt", term: 6, termSeen: 8 });
  run(at, "run-1", "alpha");
  assert.equal(sent(answersFrozen(at, "run-1", "alpha")), ["alpha grant 9"]);
});

requests("step() gives a definition up that its host does not answer, and says so", () => {
  const at = fresh();
  run(at, "run-1", "alpha");
  assert.equal(told(at.wait(59_999)), []);
  assert.is(result(at.wait(1)).code, "TIMED_OUT");
  assert.equal(order(answersFrozen(at, "run-1", "alpha")), []);
});

const RUN_REFUSALS: readonly (readonly [string, string, string, (at: Session) => void])[] = [
  ["an unknown host", "delta", "HOST_UNKNOWN", () => {}],
  ["an agent that is away", "bravo", "UNREACHABLE", (at) => down(at, "bravo")],
  ["a cordoned host", "bravo", "STATE_CONFLICT", (at) => void cordon(at, "bravo", true)],
  ["a host without the VM's disks", "bravo", "STATE_CONFLICT", () => {}],
];

function down(at: Session, name: string): void {
  at.take({ type: "agent-down", hostId: host(name) });
}

function cordon(at: Session, name: string, cordoned: boolean): readonly Effect[] {
  const operationId = operation("cordon-1");
  return at.take({ type: "cordon", operationId, hostId: host(name), cordoned });
}

for (const [what, name, code, prepare] of RUN_REFUSALS) {
  requests(`runVm() refuses ${what}`, () => {
    const at = running();
    prepare(at);
    const asked = run(at, "run-1", name);
    assert.is(result(asked).code, code);
    assert.equal(sent(asked), []);
  });
}

requests("runVm() starts a stopped VM again under a new term, where it is", () => {
  const at = session([vmRecord({ desired: "stopped" })]);
  assert.equal(sent(at.connects("alpha", [{ phase: "stopped" }])), []);
  const asked = run(at, "run-1", "alpha");
  assert.equal(sent(asked), ["alpha grant 2"]);
  assert.is(result(asked).code, "ok");
});

requests("runVm() lifts the hold of a VM that had died too often", () => {
  const at = running();
  for (let time = 0; time < 10; time++) {
    at.reports("alpha", { phase: "stopped", term: at.state.vms[VM]!.term });
    at.wait(60_000);
  }
  assert.type(at.state.vms[VM]?.held, "string");
  assert.is(sent(run(at, "run-1", "alpha")).length, 1);
  assert.is(at.state.vms[VM]?.held, undefined);
});

requests("endVm() stops the guest under its term, and starts it no more", () => {
  const at = running();
  const asked = at.take({ type: "end-vm", operationId: operation("end-1"), vmId: VM });
  assert.equal(order(asked), ["save-vm", "management operation-result", "agent stop-vm"]);
  assert.equal(sent(asked), ["alpha stop-vm 1"]);
  assert.equal(sent(at.wait(1_999)), []);
  assert.equal(sent(at.wait(1)), ["alpha stop-vm 1"]);
  at.reports("alpha", { phase: "stopped" });
  assert.equal(sent(at.wait(60_000)), []);
  assert.equal(sent(at.connects("alpha", [{ phase: "void" }], "b0070002" as BootId)), []);
});

requests("endVm() refuses an unknown VM, and one that is being moved", () => {
  const at = running();
  const end = (vmId: VmId) =>
    result(at.take({ type: "end-vm", operationId: operation("end-1"), vmId })).code;
  assert.is(end("99999999-2222-4333-8444-555555555555" as VmId), "GUEST_NOT_FOUND");
  at.migrate("move-1");
  assert.is(end(VM), "STATE_CONFLICT");
  assert.is(at.state.vms[VM]?.desired, "running");
});

requests(
  "cordon() is durable before it is answered, and outlives the agent's next inventory",
  () => {
    const at = running();
    assert.equal(order(cordon(at, "bravo", true)), ["save-host", "management operation-result"]);
    at.connects("bravo");
    assert.is(at.state.hosts[host("bravo")]?.cordoned, true);
    cordon(at, "bravo", false);
    assert.is(at.state.hosts[host("bravo")]?.cordoned, false);
    assert.is(result(cordon(at, "delta", true)).code, "HOST_UNKNOWN");
  },
);

function declareOff(at: Session, name: string, server = `server-${name}`): readonly Effect[] {
  const operationId = operation("off-1");
  const serverId = server as ServerId;
  const reason = "It has no power";
  return at.take({ type: "declare-off", operationId, hostId: host(name), serverId, reason });
}

const OFF_REFUSALS: readonly (readonly [string, string, string, string])[] = [
  ["an unknown host", "delta", "server-delta", "HOST_UNKNOWN"],
  ["another server's name", "bravo", "server-alpha", "STATE_CONFLICT"],
  ["a host whose agent is connected", "charlie", "server-charlie", "STATE_CONFLICT"],
];

for (const [what, name, server, code] of OFF_REFUSALS) {
  requests(`declareOff() refuses ${what}`, () => {
    const at = running();
    down(at, "bravo");
    const asked = declareOff(at, name, server);
    assert.is(result(asked).code, code);
    assert.equal(order(asked), ["management operation-result"]);
    assert.is(at.state.hosts[host(name)]?.off, undefined);
  });
}

requests("declareOff() is durable before it is answered, and void once the host is heard", () => {
  const at = running();
  down(at, "bravo");
  const asked = order(declareOff(at, "bravo"));
  assert.equal(asked, ["save-host", "note", "management operation-result"]);
  assert.is(at.state.hosts[host("bravo")]?.off?.reason, "It has no power");
  assert.equal(order(at.connects("bravo")), ["save-host"]);
  assert.is(at.state.hosts[host("bravo")]?.off, undefined);
});

requests("declareOff() of the holder leaves its VM where its disks are, and says so", () => {
  const at = running();
  down(at, "alpha");
  assert.equal(sent(declareOff(at, "alpha")), []);
  at.wait(1_000);
  assert.match(at.state.vms[VM]?.held ?? "", /alpha is off, and no other host has a copy/);
  assert.is(at.state.vms[VM]?.hostId, "alpha");
});

requests("identifyHost() names the VMs of that host by the record, and no others", () => {
  const at = running();
  const ask = (name: string) => {
    const operationId = operation("identify-1");
    const [answer] = told(at.take({ type: "identify-host", operationId, hostId: host(name) }));
    if (answer?.type !== "host-vms") throw new Error("no answer");
    return { known: answer.known, vms: answer.vms.map((vm) => `${vm.vmId} ${vm.phase}`) };
  };
  assert.equal(ask("alpha"), { known: true, vms: [`${VM} active`] });
  assert.equal(ask("bravo"), { known: true, vms: [] });
  assert.equal(ask("delta"), { known: false, vms: [] });
});

requests("step() tells the fleet after every change, and why nothing runs", () => {
  const at = session([vmRecord()]);
  const effects = at.connects("bravo");
  const fleets = effects.flatMap((effect) =>
    effect.type === "send-management" && effect.message.type === "fleet" ? [effect.message] : [],
  );
  const newest = fleets.at(-1);
  assert.match(newest?.vms[0]?.held ?? "", /alpha has not been heard/);
  assert.is(newest?.hosts.find((one) => one.hostId === "bravo")?.connected, true);
  assert.is(newest?.hosts.find((one) => one.hostId === "alpha")?.heard, false);
});

requests("step() notes a refusal for people and does nothing else", () => {
  const at = running();
  const asked = at.take({
    type: "refusal",
    hostId: host("alpha"),
    vmId: VM,
    command: "grant",
    term: 1,
    code: "TERM_STALE",
    reason: "Term 1 is not above 4",
  });
  assert.equal(order(asked), ["note"]);
});

requests.run();
