import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { mayRun } from "../../../agent/authority/authority.ts";
import {
  type DurableVm,
  type Event,
  type Found,
  type Record,
  replay,
} from "../../../agent/authority/state.ts";
import type { BootId } from "../../../protocol/ids.ts";
import {
  after,
  BOOT,
  burn,
  cancel,
  chains,
  complete,
  cut,
  died,
  failed,
  grant,
  HOLDS,
  Life,
  lastAcked,
  loaded,
  MOVES_OUT,
  migrateOut,
  NEXT_BOOT,
  prepare,
  prepared,
  RUNS,
  released,
  retire,
  running,
  stopVm,
  VM,
} from "./authority-events.ts";

const authority = suite("agent authority, over lives");

const lives: readonly (readonly [
  why: string,
  before: readonly Event[],
  bootId: BootId,
  found: Found | undefined,
  asked: readonly string[],
  stance: string,
])[] = [
  [
    "continues a guest whose grant was not carried out yet",
    [grant(1)],
    BOOT,
    "paused",
    ["continue-guest"],
    "active 1",
  ],
  [
    "leaves a guest alone that stands for a reason of its own",
    RUNS,
    BOOT,
    "paused",
    [],
    "active 1",
  ],
  [
    "refuses a move and continues the guest that a cut had stopped",
    [...MOVES_OUT, cut],
    BOOT,
    "paused",
    ["REFUSED", "continue-guest", "report"],
    "active 1",
  ],
  [
    "refuses a move and continues its guest",
    MOVES_OUT,
    BOOT,
    "paused",
    ["REFUSED", "continue-guest", "report"],
    "active 1",
  ],
  [
    "never continues what was released",
    [...MOVES_OUT, lastAcked],
    BOOT,
    "paused",
    [],
    "released 1",
  ],
  [
    "burns what was incoming",
    HOLDS,
    BOOT,
    "paused",
    ["BURNT", "end-receive", "end-guest", "sweep", "report"],
    "burnt 2",
  ],
  [
    "continues what was active and not yet running",
    [...HOLDS, released(2, "moved", 3)],
    BOOT,
    "paused",
    ["continue-guest"],
    "active 2",
  ],
  [
    "takes a guest that is gone for stopped",
    RUNS,
    BOOT,
    undefined,
    ["STOPPED", "end-guest", "report"],
    "stopped 1",
  ],
  ["voids every grant after a new boot", RUNS, NEXT_BOOT, undefined, ["VOID", "report"], "void 1"],
  [
    "releases a moving guest that a new boot has ended",
    MOVES_OUT,
    NEXT_BOOT,
    undefined,
    ["RELEASED", "send-released", "report"],
    "released 1",
  ],
  [
    "ends a guest that the record says is stopped",
    [...RUNS, stopVm(1)],
    BOOT,
    "running",
    ["end-guest"],
    "stopped 1",
  ],
];

for (const [why, before, bootId, found, asked, stance] of lives) {
  authority(`a new life ${why}`, () => {
    const { journal } = after(before);
    const next = new Life(journal, bootId, found === undefined ? {} : { [VM]: found });
    assert.equal(
      next.first.filter((name) => name !== "end-stream"),
      asked,
    );
    assert.is(next.stance, stance);
  });
}

authority("mayRun() holds only under a grant of this boot", () => {
  const life = after(RUNS);
  assert.ok(mayRun(life.state, VM));
  assert.not(mayRun({ ...life.state, bootId: NEXT_BOOT }, VM));
  life.take(migrateOut(1, 2), lastAcked);
  assert.not(mayRun(life.state, VM));
});

authority("replay() of any journal gives what the last life knew for sure", () => {
  const { journal, state } = after([...MOVES_OUT, cut, failed]);
  const [kept] = replay(journal).vms as [DurableVm];
  const { termSeen, refusedTerm, stance, chains: files } = state.vms[VM]!;
  assert.equal(
    { termSeen: kept.termSeen, refusedTerm: kept.refusedTerm, stance: kept.stance },
    { termSeen, refusedTerm, stance },
  );
  assert.equal(kept.chains, files);
});

const anyTerm = fc.integer({ min: 1, max: 5 });
const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  anyTerm.map((term) => grant(term)),
  anyTerm.map((term) => prepare(term)),
  anyTerm.map((term) => migrateOut(term, term + 1)),
  anyTerm.map((term) => cancel(term, term + 1)),
  anyTerm.map(burn),
  anyTerm.map(retire),
  anyTerm.map(stopVm),
  anyTerm.map((term) => released(term, "moved", 3)),
  anyTerm.map((term) => released(term, "died", 1)),
  fc.constantFrom(running, died, cut, chains, lastAcked, loaded, failed, prepared),
  fc.constantFrom(complete(0, "fuzzy"), complete(1, "cut"), complete(3, "last")),
);

authority("step() breaks no rule of terms, whatever comes in whatever order", () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 40 }), (events) => {
      const life = new Life();
      const given = new Map<number, string>();
      let termSeen = 0;
      for (const event of events) {
        const from = life.journal.length;
        const asked = life.take(event);
        for (const entry of life.journal.slice(from)) {
          if (entry.type !== "vm") continue;
          assert.ok(entry.vm.termSeen >= termSeen, "a term heard of was forgotten");
          termSeen = entry.vm.termSeen;
          settleOnce(given, entry);
        }
        const go = asked.findIndex((name) => name === "continue-guest" || name === "start-guest");
        if (go >= 0) assert.ok(mayRun(life.state, VM), "a guest runs without a grant");
        if (go === 0) assert.unreachable("a guest runs before a record");
      }
    }),
    { seed: 20_261_120, numRuns: 3_000 },
  );
});

/** Each term that was to be given up ends as exactly one of two. */
function settleOnce(given: Map<number, string>, entry: Extract<Record, { type: "vm" }>): void {
  const { act, vm } = entry;
  if (act !== "RELEASED" && act !== "REFUSED") return;
  const term = vm.stance.phase === "released" ? vm.stance.toTerm : vm.refusedTerm;
  assert.is(given.get(term) ?? act, act, `term ${term} was released and refused`);
  given.set(term, act);
}

authority.run();
