import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sagaRecordOf } from "../../../coordinator/state.ts";
import type { VmReport } from "../../../protocol/authority.ts";
import type { HostId } from "../../../protocol/ids.ts";
import {
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

const abort = suite("abort");
const MOVE = operation("move-1");

const INCOMING = { phase: "incoming", term: 2, address: "127.0.0.1:7000" } as const;
const RELEASED = { phase: "released", toTerm: 2, guest: "paused", releaseReason: "moved" } as const;
const DIED = { ...RELEASED, guest: "absent", releaseReason: "died", epoch: -1 } as const;
const BURNT = { phase: "burnt", term: 2, reason: "The disk was full" } as const;
const ACTIVE = { term: 2, guest: "running" } as const;

type Reports = readonly (readonly [HostName, Partial<VmReport>])[];

function after(...reports: Reports): Session {
  const at = running();
  at.migrate(MOVE);
  for (const [host, patch] of reports) at.reports(host, patch);
  return at;
}

const cancel = (at: Session) => at.take({ type: "cancel-saga", operationId: MOVE, reason: "Stop" });
const phase = (at: Session): string | undefined => at.state.sagas[MOVE]?.phase;
const outcome = (at: Session): string | undefined => at.state.sagas[MOVE]?.outcome;

abort("step() cancels before the point of no return, and waits for the source's REFUSED", () => {
  for (const reports of [[], [["bravo", INCOMING]]] as Reports[]) {
    const at = after(...reports);
    const asked = cancel(at);
    assert.equal(sent(asked), ["alpha cancel-migration 1>2"]);
    assert.equal(order(asked).slice(0, 2), ["save-saga", "note"]);
    assert.is(phase(at), "aborting");
    const end = new Set(sent(at.reports("alpha", { refusedTerm: 2 })));
    assert.equal([...end], ["bravo burn 2"]);
    assert.is(outcome(at), "cancelled");
    assert.is(at.state.vms[VM]?.hostId, "alpha");
  }
});

abort("step() goes on with a cancelled move that the source had released already", () => {
  const at = after(["bravo", INCOMING]);
  cancel(at);
  at.reports("alpha", RELEASED);
  assert.is(phase(at), "moving");
  at.reports("bravo", ACTIVE);
  at.reports("bravo", { ...ACTIVE, verified: true });
  at.reports("alpha", { phase: "none", term: 0, termSeen: 2 });
  assert.is(outcome(at), "moved");
  assert.is(at.state.vms[VM]?.hostId, "bravo");
});

abort("step() cancels nothing once the target is active", () => {
  const at = after(["bravo", INCOMING], ["alpha", RELEASED], ["bravo", ACTIVE]);
  assert.equal(order(cancel(at)), []);
  assert.is(phase(at), "verifying");
});

abort("step() takes a cancel of an unknown or finished saga for nothing", () => {
  const at = after();
  cancel(at);
  at.reports("alpha", { refusedTerm: 2 });
  assert.equal(order(cancel(at)), []);
  const other = at.take({ type: "cancel-saga", operationId: operation("none"), reason: "Stop" });
  assert.equal(order(other), []);
});

abort("step() keeps aborting while the source is away: it may have released", () => {
  const at = after(["bravo", INCOMING]);
  at.take({ type: "agent-down", hostId: "alpha" as HostId });
  cancel(at);
  at.wait(3_600_000);
  assert.is(phase(at), "aborting");
  assert.equal(sent(at.reports("bravo", BURNT)), []);
  assert.is(phase(at), "aborting");
});

abort("step() needs the source's REFUSED even when the target is burnt", () => {
  const at = after(["bravo", INCOMING]);
  assert.equal(sent(at.reports("bravo", BURNT)), ["alpha cancel-migration 1>2"]);
  const end = at.reports("alpha", { refusedTerm: 2 });
  assert.equal(sent(end), []);
  assert.is(outcome(at), "failed");
  assert.match(at.state.sagas[MOVE]?.reason ?? "", /disk was full/);
});

abort(
  "step() gives a released VM back to the source under a third term once bravo is burnt",
  () => {
    const at = after(["bravo", INCOMING], ["alpha", RELEASED]);
    const asked = at.reports("bravo", BURNT);
    assert.equal(order(asked), ["save-vm", "save-saga", "note", "agent grant"]);
    assert.equal(sent(asked), ["alpha grant 3"]);
    const end = at.reports("alpha", { term: 3, guest: "running" });
    const [result] = told(end);
    assert.is(result?.type === "migration-result" && result.outcome, "failed");
    assert.is(result?.type === "migration-result" && result.lost, undefined);
    assert.is(at.state.vms[VM]?.term, 3);
  },
);

abort("step() gives nothing back while the target may still use its term", () => {
  const at = after(["bravo", INCOMING], ["alpha", RELEASED]);
  at.take({ type: "agent-down", hostId: "bravo" as HostId });
  for (let minute = 0; minute < 60; minute++) assert.equal(sent(at.wait(60_000)), []);
  assert.is(phase(at), "moving");
});

abort("step() says what is lost when the guest died and no epoch was complete", () => {
  const at = after(["bravo", INCOMING], ["alpha", DIED], ["bravo", BURNT]);
  const [result] = told(at.reports("alpha", { term: 3, guest: "starting" }));
  assert.match(result?.type === "migration-result" ? (result.lost ?? "") : "", /memory.*its disk/);
});

abort("step() gives the VM back when it dies unverified, and says what is lost", () => {
  for (const gone of ["stopped", "void"] as const) {
    const at = after(["bravo", INCOMING], ["alpha", RELEASED], ["bravo", ACTIVE]);
    const asked = at.reports("bravo", { phase: gone, term: 2 });
    assert.equal(sent(asked), ["alpha grant 3"]);
    const end = at.reports("alpha", { term: 3 });
    assert.equal(sent(end), ["bravo retire 3"]);
    const [result] = told(end);
    assert.match(result?.type === "migration-result" ? (result.lost ?? "") : "", /on bravo/);
    assert.is(at.state.vms[VM]?.hostId, "alpha");
  }
});

abort("step() waits a while for a source not heard since the restart before it starts anew", () => {
  const before = after(["bravo", INCOMING], ["alpha", RELEASED], ["bravo", ACTIVE]);
  const record = sagaRecordOf(before.state.sagas[MOVE]!);
  const moved = vmRecord({ hostId: "bravo" as HostId, term: 2, termMax: 2 });
  const died = { phase: "stopped", term: 2 } as const;

  const heard = session([moved], [record]);
  assert.equal(sent(heard.connects("bravo", [died])), []);
  assert.equal(sent(heard.connects("alpha", [RELEASED])), ["alpha grant 3"]);

  const unheard = session([moved], [record]);
  unheard.connects("bravo", [died]);
  assert.equal(sent(unheard.wait(59_999)), []);
  assert.equal(sent(unheard.wait(1)), ["bravo grant 3"]);
});

abort("step() resumes every phase after a restart from its records alone", () => {
  const way: Reports = [
    ["bravo", INCOMING],
    ["alpha", RELEASED],
    ["bravo", ACTIVE],
    ["bravo", { ...ACTIVE, verified: true }],
  ];
  for (let steps = 0; steps <= way.length; steps++) {
    const before = after(...way.slice(0, steps));
    const { vms, sagas } = before.state;
    const at = session([vmRecord(vms[VM])], Object.values(sagas).map(sagaRecordOf));
    at.connects("alpha", [RELEASED]);
    at.connects("bravo", [{ ...ACTIVE, verified: true }]);
    at.reports("alpha", { phase: "none", term: 0, termSeen: 2 });
    assert.is(outcome(at), "moved", `after ${steps} reports`);
    assert.is(at.state.vms[VM]?.term, 2);
  }
});

abort("step() retires the source only when the target's guest was seen to run", () => {
  const at = after(["bravo", INCOMING], ["alpha", RELEASED], ["bravo", ACTIVE]);
  for (let minute = 0; minute < 5; minute++) assert.equal(sent(at.wait(60_000)), []);
  assert.equal(sent(at.reports("bravo", { ...ACTIVE, verified: true })), ["alpha retire 2"]);
});

abort("step() ends without the source's word when it does not clear away in time", () => {
  const at = after(["bravo", INCOMING], ["alpha", RELEASED], ["bravo", ACTIVE]);
  at.reports("bravo", { ...ACTIVE, verified: true });
  at.wait(9_999);
  assert.is(phase(at), "retiring");
  at.wait(1);
  assert.is(outcome(at), "moved");
});

abort("step() never uses the term of a failed move again", () => {
  const at = after(["bravo", INCOMING]);
  cancel(at);
  at.reports("alpha", { refusedTerm: 2 });
  assert.equal(sent(at.migrate("move-2", "charlie")), ["charlie prepare 3"]);
});

abort("step() says every result again when the management server is back", () => {
  const at = after();
  cancel(at);
  at.reports("alpha", { refusedTerm: 2 });
  const [result, ...rest] = told(at.take({ type: "management-up" }));
  assert.is(result?.type === "migration-result" && result.outcome, "cancelled");
  assert.equal(rest, []);
});

abort.run();
