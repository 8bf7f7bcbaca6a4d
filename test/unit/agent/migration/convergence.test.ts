import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { expectPause, nextRound, type Round } from "../../../../agent/migration/convergence.ts";

const convergence = suite("convergence");
const MIB = 1024 * 1024;
const LIMITS = { pauseMsMax: 300, roundsMax: 6 };

function fuzzy(mib: number, more: Partial<Round> = {}): Round {
  return { kind: "fuzzy", changedBytes: mib * MIB, scanMs: 20, carryMs: 80, tookMs: 100, ...more };
}
function cut(mib: number, more: Partial<Round> = {}): Round {
  return { ...fuzzy(mib, more), kind: "cut", fixedMs: 25, ...more };
}
function overflow(mib: number, more: Partial<Round> = {}): Round {
  return { ...cut(mib, more), kind: "overflow" };
}

function voided(mib: number): Round {
  return { ...cut(mib), kind: "voided" };
}

const TABLE: readonly [name: string, rounds: readonly Round[], next: string][] = [
  ["nothing yet", [], "fuzzy"],
  ["the full round alone", [fuzzy(128)], "fuzzy"],
  ["rounds that shrink", [fuzzy(128), fuzzy(60), fuzzy(20)], "fuzzy"],
  ["rounds that do not shrink", [fuzzy(128), fuzzy(60), fuzzy(59)], "cut"],
  ["rounds that grow", [fuzzy(128), fuzzy(20), fuzzy(50)], "cut"],
  ["a rest that is small already", [fuzzy(128), fuzzy(0.1, { carryMs: 1 })], "cut"],
  ["nothing changed", [fuzzy(128), fuzzy(0)], "cut"],
  ["all rounds but one spent", [128, 60, 30, 15, 7].map((mib) => fuzzy(mib)), "cut"],
  ["a cut that promises a short pause", [fuzzy(128), fuzzy(20), cut(10)], "last"],
  [
    "a cut that promises a long pause and shrinks",
    [fuzzy(128), fuzzy(100), cut(60, { carryMs: 900, tookMs: 1_000 })],
    "cut",
  ],
  [
    "a cut that promises a long pause and does not shrink",
    [fuzzy(128), fuzzy(61), cut(60, { carryMs: 900, tookMs: 1_000 })],
    "refuse",
  ],
  [
    "a cut that shrinks when all rounds are spent",
    [...[128, 120, 110, 100, 90].map((mib) => fuzzy(mib)), cut(50, { carryMs: 900 })],
    "refuse",
  ],
  [
    "an overflow that shrinks",
    [fuzzy(900), fuzzy(400), overflow(200, { carryMs: 2_000, tookMs: 2_100 })],
    "fuzzy",
  ],
  [
    "an overflow that does not shrink",
    [fuzzy(900), fuzzy(200), overflow(200, { carryMs: 2_000, tookMs: 2_100 })],
    "refuse",
  ],
  [
    "an overflow whose pause was agreed to",
    [fuzzy(900), fuzzy(200), overflow(10, { carryMs: 50, tookMs: 60 })],
    "last",
  ],
  ["a cut that was voided", [fuzzy(128), fuzzy(20), voided(20)], "cut"],
  ["the third cut that was voided", [fuzzy(128), voided(9), voided(8), voided(7)], "refuse"],
];

for (const [name, rounds, next] of TABLE) {
  convergence(`nextRound() after ${name}: ${next}`, () => {
    assert.is(nextRound(rounds, LIMITS).type, next);
  });
}

convergence("nextRound() refuses with both figures and the way out", () => {
  const rounds = [fuzzy(128), fuzzy(61), cut(60, { carryMs: 900, tookMs: 1_000 })];
  const next = nextRound(rounds, LIMITS);
  assert.ok(next.type === "refuse");
  const { reason } = next as { reason: string };
  assert.match(reason, /expected to take 945 ms, over the limit of 300 ms/);
  assert.match(reason, /--pause-ms/);
});

convergence(
  "expectPause() adds what is fixed, one scan, and carrying what is written meanwhile",
  () => {
    const table: readonly [rounds: Round[], ms: number][] = [
      [[], Number.POSITIVE_INFINITY],
      // Guessed before a cut was measured: 30 + 20 + 80.
      [[fuzzy(4)], 130],
      // The guest had half the time, so there is half to carry: 25 + 20 + 40.
      [[fuzzy(64, { tookMs: 200 }), cut(4)], 85],
      // It had twice the time and is taken to write the same pages again: 25 + 20 + 80.
      [[fuzzy(64, { tookMs: 50 }), cut(4)], 125],
      // Nothing is carried faster than a link was ever measured.
      [[fuzzy(64), cut(10, { carryMs: 1 })], 25 + 20 + (10 * MIB) / 100_000],
      [[fuzzy(64), cut(0)], 45],
    ];
    for (const [rounds, ms] of table) assert.is(Math.round(expectPause(rounds)), Math.round(ms));
  },
);

convergence(
  "nextRound() comes to an end for any guest, and never lets a long pause through",
  () => {
    const round = fc.record({
      mib: fc.integer({ min: 0, max: 2_000 }),
      scanMs: fc.integer({ min: 0, max: 500 }),
      carryMs: fc.integer({ min: 0, max: 20_000 }),
      overflows: fc.boolean(),
    });
    const limits = fc.record({
      pauseMsMax: fc.integer({ min: 1, max: 20_000 }),
      roundsMax: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(fc.array(round, { minLength: 60, maxLength: 60 }), limits, (guest, some) => {
        const rounds: Round[] = [];
        for (const { mib, scanMs, carryMs, overflows } of guest) {
          const next = nextRound(rounds, some);
          if (next.type === "last") assert.ok(next.expectedPauseMs <= some.pauseMsMax);
          if (next.type === "last" || next.type === "refuse") {
            // Two rounds and a cut are the least there can be.
            assert.ok(rounds.length <= Math.max(some.roundsMax, 3) + 1, `${rounds.length} rounds`);
            return;
          }
          const tookMs = scanMs + carryMs;
          const shape = { changedBytes: mib * MIB, scanMs, carryMs, tookMs };
          const ended = overflows ? "overflow" : "cut";
          if (next.type === "fuzzy") rounds.push({ ...shape, kind: "fuzzy" });
          else rounds.push({ ...shape, kind: ended, fixedMs: 20 });
        }
        assert.unreachable("never ended");
      }),
      { seed: 4, numRuns: 2_000 },
    );
  },
);

convergence.run();
