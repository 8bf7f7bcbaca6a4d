// Policies as people write them, and what is refused of them, with the line.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fillingOf, fillingText } from "../../../../cli/protection/filling.ts";
import { parsePolicy, policyOf } from "../../../../cli/protection/policy.ts";
import { duration, durationText, rate } from "../../../../cli/protection/units.ts";
import { SystemError } from "../../../../protocol/error.ts";
import { replicaSummary } from "../../../../protocol/replication.ts";

const policy = suite("protection policy");

const USUAL = { mode: "async", intervalMs: 1_000, secondaries: 1, apart: "server" };

const TAKEN: readonly (readonly [string, object])[] = [
  ["{}", USUAL],
  [
    "interval: 200ms\nsecondaries: 3\napart: rack\n",
    { ...USUAL, intervalMs: 200, secondaries: 3, apart: "rack" },
  ],
  ["rpo: 10s\n", { ...USUAL, intervalMs: 5_000 }],
  ["bandwidth: 20Mbit\n", { ...USUAL, bytesPerSecondMax: 2_500_000 }],
];

for (const [text, expected] of TAKEN) {
  policy(`parsePolicy takes ${JSON.stringify(text)}`, () => {
    assert.equal(parsePolicy(text, "web.yaml"), expected);
  });
}

const REFUSED: readonly (readonly [string, RegExp])[] = [
  ["secondaries: 1\nintervall: 1s\n", /^web\.yaml:2: unknown key "intervall"$/],
  ["secondaries: 4\n", /^web\.yaml:1: secondaries: /],
  ["\ninterval: 1\n", /^web\.yaml:2: interval: /],
  ["interval: 10ms\n", /^web\.yaml:1: interval: .*100/],
  ["rpo: 100ms\n", /^web\.yaml:1: rpo: .*100/],
  ["interval: 1s\nrpo: 2s\n", /^web\.yaml:2: rpo: say either/],
  ["bandwidth: 1kbit\n", /^web\.yaml:1: bandwidth: .*1024/],
  ["bandwidth: 20MB\n", /^web\.yaml:1: bandwidth: must be a rate/],
  ["apart: continent\n", /^web\.yaml:1: apart: /],
  ["secondaries: 1\nmode: sync-disk\n", /^web\.yaml:2: sync-disk is refused: .*async/],
  ["secondaries: 1\nsecondaries: 2\n", /^web\.yaml:2: /],
];

for (const [text, reason] of REFUSED) {
  policy(`parsePolicy refuses ${JSON.stringify(text)}`, () => {
    assert.throws(
      () => parsePolicy(text, "web.yaml"),
      (thrown: unknown) =>
        thrown instanceof SystemError &&
        thrown.code === "CONFIG_INVALID" &&
        reason.test(thrown.message),
    );
  });
}

policy("policyOf says which option is wrong", () => {
  assert.equal(policyOf({ interval: "1s", secondaries: 2 }), { ...USUAL, secondaries: 2 });
  assert.throws(() => policyOf({ interval: "soon" }), /--interval must be a time/);
  assert.throws(() => policyOf({ interval: "1s", rpo: "2s" }), /--rpo say either/);
});

const TEXTS: readonly (readonly [number, string])[] = [
  [0, "0 ms"],
  [999, "999 ms"],
  [1_234, "1.2 s"],
  [90_000, "1.5 min"],
  [5_400_000, "1.5 h"],
];

policy("units are read and written as people do", () => {
  for (const [ms, text] of TEXTS) assert.is(durationText(ms), text);
  assert.equal(
    ["1ms", "1.5s", "2min", "1h"].map((text) => duration.parse(text)),
    [1, 1_500, 120_000, 3_600_000],
  );
  assert.equal(
    ["8kbit", "1Gbit"].map((text) => rate.parse(text)),
    [1_000, 125_000_000],
  );
});

const MIB = 1024 ** 2;

function replicaOf(state: string, progress: object) {
  const ids = { hostId: "bravo", stream: "0".repeat(32) };
  const base = { ...ids, state: "filling", pendingBytes: 0, totalBytes: 100 * MIB, sentBytes: 0 };
  const full = { ...base, bytesPerSecond: 0, ...progress };
  return replicaSummary.parse({ ...ids, state, progress: full });
}

policy("fillingOf takes the rest to be as dense as what was done", () => {
  const half = { pendingBytes: 50 * MIB, sentBytes: 10 * MIB, bytesPerSecond: MIB };
  assert.equal(fillingOf(replicaOf("filling", half))?.leftMs, 10_000);
  const nothing = { pendingBytes: 100 * MIB, bytesPerSecond: MIB };
  assert.equal(fillingOf(replicaOf("filling", nothing))?.leftMs, 100_000, "nothing known yet");
});

policy("fillingOf promises nothing while nothing is sent", () => {
  const still = fillingOf(replicaOf("connecting", { pendingBytes: 50 * MIB }))!;
  assert.is(still.leftMs, undefined);
  assert.is(fillingText(still), "50 % of 100.0 MiB, 0 B/s, nothing is sent now");
});

policy("fillingOf has nothing to say of a replica that is current", () => {
  assert.is(fillingOf(replicaOf("protected", {})), undefined);
});

policy.run();
