// What of protection is told, kept and refused, from what the coordinator says of its VMs.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { start, step } from "../../../management/management.ts";
import { protectionNotes, switchOverFault } from "../../../management/protection.ts";
import { DEFAULTS, type State } from "../../../management/state.ts";
import { ofAnswer } from "../../../management/timeline.ts";
import { type Fleet, operationResult, type VmSummary } from "../../../protocol/evacuation.ts";
import type { StreamId } from "../../../protocol/ids.ts";
import type { ProtectionSummary, ReplicaSummary } from "../../../protocol/replication.ts";
import { host, hostId, vm } from "./session.ts";

type ReplicaState = ReplicaSummary["state"];

const POLICY = { mode: "async", intervalMs: 1_000, secondaries: 1, apart: "server" } as const;

function protectedAs(state: ProtectionSummary["state"], reason?: string): ProtectionSummary {
  return { policy: POLICY, state, ...(reason === undefined ? {} : { reason }) };
}

function replica(name: string, state: ReplicaState, reason?: string): ReplicaSummary {
  const stream = name.padEnd(32, "0") as StreamId;
  return { hostId: hostId(name), stream, state, ...(reason === undefined ? {} : { reason }) };
}

function fleetOf(...vms: VmSummary[]): Fleet {
  return { type: "fleet", hosts: [host("alpha"), host("bravo")], vms };
}

const on = (name: string, patch: Partial<VmSummary> = {}): VmSummary =>
  vm(1, { hostId: hostId(name), ...patch });

const protection = suite("protection");

type Told = readonly [message: string, text: string];
const CHANGES: readonly (readonly [string, VmSummary, VmSummary, readonly Told[]])[] = [
  [
    "gained",
    on("alpha", { protection: protectedAs("unprotected") }),
    on("alpha", { protection: protectedAs("protected") }),
    [["protection", "unprotected -> protected"]],
  ],
  [
    "lost, with its reason",
    on("alpha", { protection: protectedAs("protected") }),
    on("alpha", { protection: protectedAs("degraded", "1 of 2 secondaries") }),
    [["protection", "protected -> degraded: 1 of 2 secondaries"]],
  ],
  [
    "not asked for any more",
    on("alpha", { protection: protectedAs("protected") }),
    on("alpha"),
    [["protection", "protected -> not asked for"]],
  ],
  [
    "a secondary that fails",
    on("alpha", { replicas: [replica("bravo", "protected")] }),
    on("alpha", { replicas: [replica("bravo", "failed", "Disk full")] }),
    [["replica", "bravo: protected -> failed: Disk full"]],
  ],
  [
    "a secondary that goes, and another that comes",
    on("alpha", { replicas: [replica("bravo", "protected")] }),
    on("alpha", { replicas: [replica("charlie", "filling")] }),
    [
      ["replica", "charlie: none -> filling"],
      ["replica", "bravo: protected -> none"],
    ],
  ],
  [
    "nothing of one that is a cut behind",
    on("alpha", { replicas: [replica("bravo", "protected")] }),
    on("alpha", { replicas: [replica("bravo", "behind")] }),
    [],
  ],
  [
    "a primary elsewhere",
    on("alpha", { term: 1, protection: protectedAs("protected") }),
    on("bravo", { term: 2, protection: protectedAs("protected") }),
    [["role", "primary alpha -> bravo at term 2"]],
  ],
];

for (const [what, before, after, expected] of CHANGES) {
  protection(`protectionNotes tells ${what}`, () => {
    const notes = protectionNotes(fleetOf(before), fleetOf(after));
    assert.equal(
      notes.map(({ message, text }) => [message, text]),
      expected,
    );
    assert.ok(notes.every(({ subject }) => subject === after.vmId));
  });
}

protection("protectionNotes tells at first only what is not as asked for", () => {
  const fine = on("alpha", { protection: protectedAs("protected") });
  assert.equal(protectionNotes(undefined, fleetOf(fine)), []);
  const lost = on("alpha", { protection: protectedAs("unprotected", "No host can") });
  const [note] = protectionNotes(undefined, fleetOf(lost));
  assert.is(note?.text, "unprotected: No host can");
});

const asked = { protection: protectedAs("protected") };
const FAULTS: readonly (readonly [string, VmSummary, RegExp | undefined])[] = [
  [
    "a current replica",
    on("alpha", { ...asked, replicas: [replica("bravo", "protected")] }),
    undefined,
  ],
  ["the same host", on("bravo", asked), /runs on bravo already/],
  ["no protection", on("alpha"), /is not protected/],
  ["no replica there", on("alpha", asked), /bravo has no replica/],
  [
    "one that is filled",
    on("alpha", { ...asked, replicas: [replica("bravo", "filling", "half")] }),
    /on bravo is filling \(half\)/,
  ],
];

for (const [what, summary, fault] of FAULTS) {
  protection(`switchOverFault judges ${what}`, () => {
    const said = switchOverFault(summary, hostId("bravo"));
    if (fault === undefined) assert.is(said, undefined);
    else assert.match(said ?? "", fault);
  });
}

function after(state: State, ...fleets: Fleet[]) {
  let now = state;
  const effects = fleets.flatMap((fleet, at) => {
    const [next, done] = step(now, { ...fleet, atMs: at }, DEFAULTS);
    now = next;
    return done;
  });
  return { state: now, effects };
}

const NEW = start({ mode: "shadow", disarmed: false, hosts: {} }, [], [], 0);

protection("step keeps where a protected VM ran before, durably, and forgets it", () => {
  const moved = after(NEW, fleetOf(on("alpha", asked)), fleetOf(on("bravo", asked)));
  const record = { vmId: on("alpha").vmId, hostId: "bravo", formerHostId: "alpha" };
  assert.equal(moved.state.places, { [record.vmId]: record });
  const saved = moved.effects.flatMap((one) => (one.type === "save-place" ? [one.record] : []));
  assert.equal(saved.at(-1), record);
  const ended = after(moved.state, fleetOf(on("bravo")));
  assert.equal(ended.state.places, {});
  assert.ok(ended.effects.some((one) => one.type === "forget-place" && one.vmId === record.vmId));
});

protection("step keeps it while nobody knows where the VM runs", () => {
  const { hostId: _host, ...nowhere } = on("alpha", asked);
  const kept = after(
    NEW,
    fleetOf(on("alpha", asked)),
    fleetOf(nowhere),
    fleetOf(on("bravo", asked)),
  );
  assert.is(Object.values(kept.state.places)[0]?.formerHostId as string, "alpha");
});

const ENDS: readonly (readonly [object | undefined, string])[] = [
  [undefined, "done"],
  [{ uuid: "u" }, "done"],
  [
    { outcome: "failed", reason: "Too old", from: "alpha", to: "alpha", term: 1 },
    "failed, alpha -> alpha: Too old",
  ],
  [
    { outcome: "moved", reason: "Promoted", from: "alpha", to: "bravo", term: 2, lost: "1 s" },
    "moved, alpha -> bravo: Promoted; lost: 1 s",
  ],
];

protection("ofAnswer tells how a failover ended, and what was lost", () => {
  for (const [detail, text] of ENDS) {
    const message = { type: "operation-result", operationId: "one", ok: true, detail };
    assert.is(ofAnswer(operationResult.parse(message)).text, text);
  }
});

protection.run();
