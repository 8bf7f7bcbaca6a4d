import { suite } from "uvu";
import * as assert from "uvu/assert";
import { failoverOf } from "../../../coordinator/failover-record.ts";
import { guestsBelieved } from "../../../coordinator/guests.ts";
import type { State } from "../../../coordinator/state.ts";
import type { HostId } from "../../../protocol/ids.ts";
import { operation, running, VM } from "./session.ts";

const ALPHA = "alpha" as HostId;
const BRAVO = "bravo" as HostId;

const guests = suite("guestsBelieved");

/** A failover of the VM from alpha, which has granted it to bravo. */
function promoted(state: State, phase: "promoting" | "done"): State {
  const begun = { failoverId: operation("failover-1"), automatic: true, allowStale: true };
  const about = { vmId: VM, primary: ALPHA, term: 2, phase, granted: [BRAVO] };
  const failover = failoverOf({ ...begun, ...about, tried: [], unheard: [] }, 0);
  return { ...state, failovers: { [VM]: failover } };
}

guests("guestsBelieved() has the primary's, also while its agent is away", () => {
  const at = running();
  assert.equal([guestsBelieved(at.state, ALPHA), guestsBelieved(at.state, BRAVO)], [[VM], []]);
  at.take({ type: "agent-down", hostId: ALPHA });
  assert.equal(guestsBelieved(at.state, ALPHA), [VM]);
});

guests("guestsBelieved() has both ends of a move", () => {
  const at = running();
  at.migrate("move-1");
  assert.equal([guestsBelieved(at.state, ALPHA), guestsBelieved(at.state, BRAVO)], [[VM], [VM]]);
});

guests("guestsBelieved() has a VM on whomever a failover under way has granted it to", () => {
  const { state } = running();
  assert.equal(guestsBelieved(promoted(state, "promoting"), BRAVO), [VM]);
  assert.equal(guestsBelieved(promoted(state, "done"), BRAVO), []);
});

guests("guestsBelieved() takes one off only by a report and an operator's wish", () => {
  const at = running();
  at.take({ type: "end-vm", operationId: operation("end-1"), vmId: VM });
  assert.equal(guestsBelieved(at.state, ALPHA), [VM]);
  at.reports("alpha", { phase: "stopped" });
  assert.equal(guestsBelieved(at.state, ALPHA), []);
});

guests.run();
