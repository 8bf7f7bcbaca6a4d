// What a failover took, and what is wrong with it, from a time line and an observer's lines.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type Observation,
  type Round,
  roundFaults,
  roundTimes,
} from "../../../bench/failover-round.ts";
import { type Event, event } from "../../../protocol/operator.ts";
import { offProof } from "../agent/authority-events.ts";

const CUT_MS = Date.parse("2026-01-01T12:00:00.000Z");
const PROMISED_MS = 2_000;
const round = suite("failover round");

function told(id: number, afterMs: number, patch: object): Event {
  const wallTime = new Date(CUT_MS + afterMs).toISOString();
  const base = { type: "event", id, wallTime, atMs: afterMs, message: "note" };
  return event.parse({ ...base, from: "coordinator", to: "coordinator", ...patch });
}

const reads = [1_000, 2_000, 3_000].map((afterMs) => ({ ...offProof().reads[0]!, afterMs }));
const LINE: Round = {
  from: "alpha",
  to: "bravo",
  consoles: [0, 1],
  cutAtMs: CUT_MS,
  proof: { ...offProof(), reads },
  events: [
    told(1, 3_500, { text: "Server alpha of alpha is proven to be off" }),
    told(2, 3_550, { message: "grant", to: "agent:bravo", text: "term 2" }),
    told(3, 3_640, { from: "agent:bravo", text: "active at term 2, guest starting" }),
    told(4, 3_650, { from: "agent:bravo", text: "active at term 2, guest running" }),
  ],
};

const at = (console: number, counter: number, afterMs: number): Observation => ({
  console,
  counter,
  atMs: CUT_MS + afterMs,
});
const BEFORE = [at(0, 90, -1_500), at(0, 95, -700), at(0, 100, -10)];
const GOOD = [...BEFORE, at(1, 95, 3_700), at(1, 96, 3_720)];

round("roundTimes splits it, and its parts make the whole", () => {
  const times = roundTimes(LINE, GOOD);
  assert.equal(times, {
    fence: 500,
    proof: 3_000,
    sealing: 50,
    activation: 100,
    "proof to running": 150,
    "cut to counting": 3_700,
    loss: 690,
  });
});

round("roundTimes refuses a time line without the grant", () => {
  const events = LINE.events.filter(({ message }) => message !== "grant");
  assert.throws(() => roundTimes({ ...LINE, events }, GOOD), /no grant/);
});

const FAULTS: readonly (readonly [string, readonly Observation[], RegExp | undefined])[] = [
  ["nothing is wrong", GOOD, undefined],
  ["it never counted", BEFORE, /never counted again/],
  ["two instances", [...GOOD, at(0, 101, 3_800)], /1 lines of alpha after bravo began/],
  ["a torn page", [...GOOD, { console: 1, torn: true, atMs: CUT_MS + 3_900 }], /1 torn pages/],
  ["too much lost", [at(0, 80, -2_500), ...BEFORE, at(1, 80, 3_700)], /2490 ms were lost/],
];

for (const [what, observed, fault] of FAULTS) {
  round(`roundFaults says whether ${what}`, () => {
    const faults = roundFaults(LINE, observed, PROMISED_MS);
    if (fault === undefined) assert.equal(faults, []);
    else assert.match(faults.join(), fault);
  });
}

round.run();
