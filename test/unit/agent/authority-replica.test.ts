import { suite } from "uvu";
import * as assert from "uvu/assert";
import { reportOf } from "../../../agent/authority/change.ts";
import type { Event } from "../../../agent/authority/state.ts";
import type { BootId } from "../../../protocol/ids.ts";
import type { PromotionProof } from "../../../protocol/replication.ts";
import {
  after,
  BRAVO,
  byFence,
  cut,
  died,
  dropReplica,
  found,
  grant,
  hold,
  KEEPS,
  Life,
  lastAcked,
  migrateOut,
  NEXT_BOOT,
  OTHER_STREAM,
  prepare,
  promote,
  protect,
  RUNS,
  retire,
  running,
  seal,
  stopVm,
  VM,
} from "./authority-events.ts";

const replicas = suite("agent authority over replicas");

const SEALED = [...KEEPS, seal(4)];
const PROTECTS = [...RUNS, protect(1)];
const NEXT_LIFE_BOOT = NEXT_BOOT as BootId;
const byAgent = (term: number): PromotionProof => {
  return { by: "agent", hostId: BRAVO, phase: "stopped", term };
};

const steps: readonly (readonly [
  why: string,
  before: readonly Event[],
  event: Event,
  asked: readonly string[],
  stance: string,
])[] = [
  [
    "keeps a replica only after REPLICA",
    [],
    hold(3),
    ["REPLICA", "hold-replica", "report"],
    "none",
  ],
  ["keeps each stream once", KEEPS, hold(3), ["report"], "none"],
  ["keeps no replica of a lower term", KEEPS, hold(2, OTHER_STREAM), ["refuse", "report"], "none"],
  ["keeps no replica where the VM runs", RUNS, hold(3), ["refuse", "report"], "active 1"],
  [
    "keeps the one that can be restored while another is filled",
    KEEPS,
    hold(3, OTHER_STREAM),
    ["REPLICA", "hold-replica", "report"],
    "none",
  ],
  [
    "drops one that never could be restored for the next",
    [...KEEPS, hold(3, OTHER_STREAM)],
    hold(4, "d".repeat(32) as never),
    ["REPLICA", "drop-replica", "hold-replica", "report"],
    "none",
  ],
  [
    "drops the older one once the next can be restored",
    [...KEEPS, hold(3, OTHER_STREAM)],
    found(OTHER_STREAM),
    ["REPLICA", "drop-replica", "report"],
    "none",
  ],
  [
    "keeps the older one while the next is broken",
    [...KEEPS, hold(3, OTHER_STREAM)],
    found(OTHER_STREAM, { state: "broken" }),
    ["report"],
    "none",
  ],
  ["knows nothing of a stream that is not kept", KEEPS, found(OTHER_STREAM), [], "none"],
  [
    "seals its stores only after SEALED",
    KEEPS,
    seal(4),
    ["SEALED", "seal-replicas", "report"],
    "none",
  ],
  ["answers a repeated seal by a report", SEALED, seal(4), ["report"], "none"],
  ["is not sealed by a lower term", SEALED, seal(3), ["refuse", "report"], "none"],
  ["seals nothing where the VM runs", RUNS, seal(4), ["refuse", "report"], "active 1"],
  [
    "keeps no replica of a term below its seal",
    SEALED,
    hold(3, OTHER_STREAM),
    ["refuse", "report"],
    "none",
  ],
  [
    "makes the guest of a sealed replica only after GRANTED",
    SEALED,
    promote(4),
    ["GRANTED", "restore-guest", "report"],
    "active 4",
  ],
  [
    "makes no guest of a replica that is not sealed",
    KEEPS,
    promote(4),
    ["refuse", "report"],
    "none",
  ],
  ["makes no guest by a term above its seal", SEALED, promote(5), ["refuse", "report"], "none"],
  ["makes no guest by a term below its seal", SEALED, promote(3), ["refuse", "report"], "none"],
  [
    "makes no guest of a replica that is not there",
    SEALED,
    promote(4, byFence(), OTHER_STREAM),
    ["refuse", "report"],
    "none",
  ],
  [
    "makes no guest twice by one term",
    [...SEALED, promote(4), died],
    promote(4),
    ["refuse", "report"],
    "stopped 4",
  ],
  [
    "makes the guest again by a higher term",
    [...SEALED, promote(4), died, seal(5)],
    promote(5),
    ["GRANTED", "restore-guest", "report"],
    "active 5",
  ],
  ["takes no plain grant of the term of a seal", SEALED, grant(4), ["refuse", "report"], "none"],
  [
    "makes no guest by a proof of another host",
    SEALED,
    promote(4, { by: "operator", reason: "Looked", hostId: "carol" as never }),
    ["refuse", "report"],
    "none",
  ],
  [
    "makes no guest by a proof of too few reads",
    SEALED,
    promote(4, byFence({ reads: [{ afterMs: 1, uuid: "u-1", power: "Off" }] })),
    ["refuse", "report"],
    "none",
  ],
  [
    "makes no guest by reads of another machine",
    SEALED,
    promote(
      4,
      byFence({
        reads: [1, 2_000, 4_000].map((afterMs) => ({ afterMs, uuid: "u-2", power: "Off" })),
      }),
    ),
    ["refuse", "report"],
    "none",
  ],
  [
    "makes the guest by an operator's word",
    SEALED,
    promote(4, { by: "operator", reason: "Looked", hostId: BRAVO }),
    ["GRANTED", "restore-guest", "report"],
    "active 4",
  ],
  [
    "makes the guest once the primary has ended it",
    SEALED,
    promote(4, byAgent(3)),
    ["GRANTED", "restore-guest", "report"],
    "active 4",
  ],
  [
    "makes no guest because an older one has ended",
    SEALED,
    promote(4, byAgent(2)),
    ["refuse", "report"],
    "none",
  ],
  [
    "drops a replica only after DROPPED",
    KEEPS,
    dropReplica(3),
    ["DROPPED", "drop-replica", "report"],
    "none",
  ],
  ["drops nothing by a lower term", SEALED, dropReplica(3), ["refuse", "report"], "none"],
  [
    "drops no replica that the VM is about to run from",
    [...KEEPS, { ...prepare(4), replica: true } as Event],
    dropReplica(4),
    ["refuse", "report"],
    "incoming 4",
  ],
  [
    "makes nothing ready from a stream that is not kept",
    KEEPS,
    { ...prepare(4, OTHER_STREAM), replica: true } as Event,
    ["refuse", "report"],
    "none",
  ],
  [
    "drops its replicas once the guest was seen to run",
    [...SEALED, promote(4), running],
    { type: "guest-verified", vmId: VM },
    ["DROPPED", "drop-replica", "report"],
    "active 4",
  ],
  ["sends cuts only after PROTECT", RUNS, protect(1), ["PROTECT", "protect", "report"], "active 1"],
  ["sends cuts under no other term", RUNS, protect(2), ["report"], "active 1"],
  ["ignores an earlier word on whom to protect", PROTECTS, protect(1, 1), ["report"], "active 1"],
  [
    "heeds a later word on whom to protect",
    PROTECTS,
    protect(1, 2),
    ["PROTECT", "protect", "report"],
    "active 1",
  ],
  ["takes a cut for its secondaries", PROTECTS, cut, ["CUT"], "active 1"],
  ["takes no cut for nobody", RUNS, cut, [], "active 1"],
  [
    "sends no more cuts once it is stopped",
    PROTECTS,
    stopVm(1),
    ["STOPPED", "protect", "end-guest", "report"],
    "stopped 1",
  ],
  [
    "sends no more cuts once it has released",
    [...PROTECTS, migrateOut(1, 2)],
    lastAcked,
    ["RELEASED", "send-released", "protect", "report"],
    "released 1",
  ],
  [
    "sends no more cuts once it is retired",
    PROTECTS,
    retire(2),
    ["RETIRED", "protect", "end-guest", "sweep", "report"],
    "none",
  ],
];

for (const [why, before, event, asked, stance] of steps) {
  replicas(`step() ${why}`, () => {
    const life = after(before);
    assert.equal(life.take(event), asked);
    assert.is(life.stance, stance);
  });
}

replicas("recover() opens every replica, also after a boot", () => {
  const before = after([...KEEPS, hold(3, OTHER_STREAM)]);
  const next = new Life(before.journal, NEXT_LIFE_BOOT);
  assert.equal(next.first, ["hold-replica", "hold-replica"]);
});

replicas("recover() ends a guest that was being made from a replica, and keeps the replica", () => {
  for (const process of ["incoming", "paused"] as const) {
    const { journal } = after([...SEALED, promote(4)]);
    const next = new Life(journal, undefined, { [VM]: process });
    assert.equal(next.first, ["STOPPED", "end-guest", "report", "hold-replica"]);
  }
  const { journal } = after([...SEALED, promote(4), { type: "chains", vmId: VM, chains: {} }]);
  const next = new Life(journal, undefined, { [VM]: "paused" });
  assert.equal(next.first, ["continue-guest", "hold-replica"]);
});

replicas("recover() protects a guest that went on, and none after a boot", () => {
  const before = after(PROTECTS);
  const next = new Life(before.journal, undefined, { [VM]: "running" });
  assert.equal(next.first, ["continue-guest"]);
  assert.equal(next.take(running), ["report", "verify-guest", "protect"]);
  assert.equal(new Life(before.journal, NEXT_LIFE_BOOT).take(running), []);
});

replicas("a cut is numbered, in the next life as well", () => {
  const before = after([...PROTECTS, cut, cut]);
  assert.is(before.state.vms[VM]?.cut, 2);
  const next = new Life(before.journal, undefined, { [VM]: "running" });
  next.take(running, cut);
  assert.is(next.state.vms[VM]?.cut, 3);
});

replicas("reportOf() tells what the store was found to hold, once it was sealed", () => {
  const life = after([...SEALED]);
  const told = (): object | undefined => reportOf(life.state.vms[VM]!).replicas?.[0];
  assert.equal(told(), {
    stream: "a".repeat(32),
    term: 3,
    primary: BRAVO,
    sealed: 4,
    state: "ready",
    address: "bravo:7000",
    newest: { epoch: 4, cut: 2 },
    settled: 0,
  });
  life.take(found(undefined, { newest: { epoch: 5, cut: 3 }, settled: 4 }));
  assert.equal(told(), {
    stream: "a".repeat(32),
    term: 3,
    primary: BRAVO,
    sealed: 4,
    state: "ready",
    address: "bravo:7000",
    newest: { epoch: 5, cut: 3 },
    settled: 4,
  });
});

replicas.run();
