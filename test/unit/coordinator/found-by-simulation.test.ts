// What the simulation once found, each as the few steps that it came down to.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sagaRecordOf } from "../../../coordinator/state.ts";
import type { HostId } from "../../../protocol/ids.ts";
import { operation, running, type Session, sent, session, VM, vmRecord } from "./session.ts";

const found = suite("found by simulation");
const BRAVO = "bravo" as HostId;
const ADDRESS = "127.0.0.1:7000";

/** The source has released, but its report is still on its way. */
function streaming(): Session {
  const at = running();
  at.migrate("move-1");
  at.reports("bravo", { phase: "incoming", term: 2, address: ADDRESS });
  at.reports("alpha", { outgoingTerm: 2 });
  return at;
}

const phase = (at: Session): string | undefined => at.state.sagas[operation("move-1")]?.phase;

found(
  "a guest that died at the target unverified goes back, however late RELEASED is heard",
  () => {
    const at = streaming();
    assert.equal(sent(at.reports("bravo", { phase: "stopped", term: 2 })), []);
    assert.is(phase(at), "verifying");
    const released = { phase: "released", toTerm: 2, releaseReason: "moved", epoch: 3 } as const;
    assert.equal(sent(at.reports("alpha", { ...released, guest: "paused" })), ["alpha grant 3"]);
  },
);

found("a new link alone makes nothing be sent: what was reported before may have changed", () => {
  const at = running();
  at.reports("alpha", { phase: "stopped" });
  at.take({ type: "agent-down", hostId: "alpha" as HostId });
  assert.equal(sent(at.take({ type: "agent-up", hostId: "alpha" as HostId })), []);
  assert.equal(sent(at.wait(10_000)), []);
});

found("a stopped VM is stopped by the term under which it runs, if a later grant was lost", () => {
  const at = session([vmRecord({ term: 2, termMax: 2, desired: "stopped" })]);
  assert.equal(sent(at.connects("alpha", [{ term: 1 }])), ["alpha stop-vm 1"]);
});

found("a VM whose return was cut short by a crash stays where it was active last", () => {
  const before = streaming();
  before.reports("bravo", { term: 2, guest: "paused" });
  const saga = sagaRecordOf(before.state.sagas[operation("move-1")]!);
  assert.is(saga.phase, "verifying");
  const at = session([vmRecord({ term: 3, termMax: 3 })], [saga]);
  const released = { phase: "released", toTerm: 2, releaseReason: "moved", epoch: 3 } as const;
  at.connects("alpha", [{ ...released, guest: "absent" }]);
  const asked = sent(at.connects("bravo", [{ phase: "void", term: 2 }]));
  assert.is(phase(at), "done");
  assert.is(at.state.vms[VM]?.hostId, BRAVO);
  assert.equal(asked, ["bravo grant 4"]);
});

found("what another host kept is retired by a term above all that it has heard of", () => {
  const at = running();
  at.reports("alpha", { term: 3, termSeen: 3, verified: true });
  const kept = { phase: "released", term: 1, toTerm: 2, termSeen: 5, guest: "paused" } as const;
  assert.equal(sent(at.reports("bravo", kept)), ["bravo retire 5"]);
});

found.run();
