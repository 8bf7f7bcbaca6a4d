import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Event } from "../../../agent/authority/state.ts";
import {
  after,
  BRAVO,
  burn,
  cancel,
  complete,
  cut,
  died,
  failed,
  grant,
  HOLDS,
  lastAcked,
  MOVES_OUT,
  migrateOut,
  NEXT_BOOT,
  OTHER_STREAM,
  prepare,
  RECEIVES,
  RUNS,
  released,
  retire,
  stopVm,
} from "./authority-events.ts";

const authority = suite("agent authority");

const steps: readonly (readonly [
  why: string,
  before: readonly Event[],
  event: Event,
  asked: readonly string[],
  stance: string,
])[] = [
  [
    "starts a guest only after GRANTED",
    [],
    grant(1),
    ["GRANTED", "start-guest", "report"],
    "active 1",
  ],
  ["takes no grant of another host", [], grant(1, { hostId: BRAVO }), ["refuse", "report"], "none"],
  [
    "takes no grant of another boot",
    [],
    grant(1, { bootId: NEXT_BOOT }),
    ["refuse", "report"],
    "none",
  ],
  ["answers a repeated grant by a report", RUNS, grant(1), ["report"], "active 1"],
  [
    "takes no grant of a term heard of",
    [...RUNS, stopVm(1)],
    grant(1),
    ["refuse", "report"],
    "stopped 1",
  ],
  ["keeps a running guest under a higher grant", RUNS, grant(2), ["GRANTED", "report"], "active 2"],
  ["grants nothing while it moves out", MOVES_OUT, grant(3), ["refuse", "report"], "active 1"],
  ["makes ready only after INCOMING", [], prepare(2), ["INCOMING", "receive"], "incoming 2"],
  ["prepares nothing where the VM runs", RUNS, prepare(2), ["refuse", "report"], "active 1"],
  ["prepares no term heard of", [burn(2)], prepare(2), ["refuse", "report"], "burnt 2"],
  [
    "streams only after OUTGOING",
    RUNS,
    migrateOut(1, 2),
    ["OUTGOING", "stream", "report"],
    "active 1",
  ],
  ["streams under no other term", RUNS, migrateOut(2, 3), ["report"], "active 1"],
  [
    "begins no second move",
    MOVES_OUT,
    migrateOut(1, 3, OTHER_STREAM),
    ["refuse", "report"],
    "active 1",
  ],
  ["marks a cut before the guest is stopped", MOVES_OUT, cut, ["CUT"], "active 1"],
  [
    "releases once the last epoch is acknowledged",
    MOVES_OUT,
    lastAcked,
    ["RELEASED", "send-released", "report"],
    "released 1",
  ],
  [
    "refuses, and goes on, when the stream fails",
    MOVES_OUT,
    failed,
    ["REFUSED", "end-stream", "continue-guest", "report"],
    "active 1",
  ],
  [
    "refuses a cancelled move",
    MOVES_OUT,
    cancel(1, 2),
    ["REFUSED", "end-stream", "continue-guest", "report"],
    "active 1",
  ],
  ["refuses a move that it never heard of", RUNS, cancel(1, 2), ["REFUSED", "report"], "active 1"],
  [
    "refuses nothing that it released",
    [...MOVES_OUT, lastAcked],
    cancel(1, 2),
    ["report"],
    "released 1",
  ],
  ["releases nothing that it refused", [...MOVES_OUT, failed], lastAcked, [], "active 1"],
  [
    "streams nothing that it refused",
    [...RUNS, cancel(1, 2)],
    migrateOut(1, 2),
    ["report"],
    "active 1",
  ],
  [
    "releases a guest that died in mid-move",
    MOVES_OUT,
    died,
    ["RELEASED", "send-released", "report"],
    "released 1",
  ],
  [
    "keeps the term of a guest that died",
    RUNS,
    died,
    ["STOPPED", "end-guest", "report"],
    "stopped 1",
  ],
  ["acknowledges a complete epoch", RECEIVES, complete(1, "cut"), ["send-ack"], "incoming 2"],
  [
    "loads the last epoch before it acknowledges",
    RECEIVES,
    complete(3, "last"),
    ["load-epoch"],
    "incoming 2",
  ],
  [
    "drops an epoch of another stream",
    [prepare(2, OTHER_STREAM)],
    complete(1, "cut"),
    [],
    "incoming 2",
  ],
  [
    "becomes active on RELEASED with the whole last epoch",
    HOLDS,
    released(2, "moved", 3),
    ["ACTIVE", "continue-guest", "send-active", "report"],
    "active 2",
  ],
  [
    "burns a term released at an epoch that it has not",
    HOLDS,
    released(2, "moved", 4),
    ["BURNT", "end-receive", "end-guest", "sweep", "report"],
    "burnt 2",
  ],
  ["takes no RELEASED of another term", HOLDS, released(3, "moved", 3), ["report"], "incoming 2"],
  [
    "loads the newest epoch when the source's guest died",
    [...RECEIVES, complete(1, "cut")],
    released(2, "died", 1),
    ["load-epoch"],
    "incoming 2",
  ],
  [
    "promotes no epoch that was read from a running guest",
    RECEIVES,
    released(2, "died", 0),
    ["BURNT", "end-receive", "end-guest", "sweep", "report"],
    "burnt 2",
  ],
  [
    "burns what is incoming when told to",
    HOLDS,
    burn(2),
    ["BURNT", "end-receive", "end-guest", "sweep", "report"],
    "burnt 2",
  ],
  [
    "burns nothing that is active",
    [...HOLDS, released(2, "moved", 3)],
    burn(2),
    ["report"],
    "active 2",
  ],
  [
    "ends what it kept when the term in force is higher",
    [...MOVES_OUT, lastAcked],
    retire(2),
    ["RETIRED", "end-guest", "sweep", "report"],
    "none",
  ],
  [
    "retires nothing of that term or above",
    [...HOLDS, released(2, "moved", 3)],
    retire(2),
    ["report"],
    "active 2",
  ],
  [
    "retires nothing by a term below one heard of",
    [...MOVES_OUT, lastAcked, burn(5)],
    retire(4),
    ["refuse", "report"],
    "released 1",
  ],
  ["stops nothing that is being moved", MOVES_OUT, stopVm(1), ["refuse", "report"], "active 1"],
];

for (const [why, before, event, asked, stance] of steps) {
  authority(`step() ${why}`, () => {
    const life = after(before);
    assert.equal(life.take(event), asked);
    assert.is(life.stance, stance);
  });
}

authority.run();
