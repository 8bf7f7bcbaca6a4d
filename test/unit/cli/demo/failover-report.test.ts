// What the demo calls a good failover and a good swap, and what it finds wrong.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type FailedOver,
  failoverReport,
  failoverReportOf,
} from "../../../../cli/demo/failover-report.ts";
import { failoverText, swapText } from "../../../../cli/demo/failover-text.ts";
import { counterLog } from "../../../../cli/demo/protected.ts";
import { type SwappedVm, swapReport, swapReportOf } from "../../../../cli/demo/swap-report.ts";
import { hostId, vmId } from "../../../../protocol/ids.ts";
import { offProof } from "../../agent/authority-events.ts";

const VM = vmId.parse("0b6f2a52-6f0e-4c34-9f51-5d2f3a1c7e09");
const [ALPHA, BRAVO] = [hostId.parse("alpha"), hostId.parse("bravo")];
const KNOWN = { tookMs: 90_000, provenMs: 4_000, proof: offProof() };

const SEEN = { before: 500, firstAfter: 480, after: 490, tornPages: 0, diskErrors: 0 };
const GOOD: FailedOver = {
  vmId: VM,
  name: "counter",
  from: ALPHA,
  to: BRAVO,
  term: 2,
  promisedMs: 2_000,
  lagMs: 900,
  lost: "what it did in its last 1.1 s",
  downMs: 5_000,
  counterPromised: 470,
  protectedAgain: true,
  seen: SEEN,
};

const report = suite("failoverReportOf");

report("is ok when no more was lost than was promised", () => {
  const one = failoverReportOf(KNOWN, [GOOD]);
  assert.equal(failoverReport.parse(one), one);
  assert.ok(one.ok);
  assert.match(failoverText(one), /4\.0 s after the cut.*counter lost: what it did in its last/s);
});

const FAULTS: readonly (readonly [string, FailedOver, RegExp])[] = [
  ["none came up", { ...GOOD, to: null }, /did not come up/],
  ["too old", { ...GOOD, counterPromised: 481 }, /went on from 480, though 481/],
  ["stands still", { ...GOOD, seen: { ...SEEN, after: 480 } }, /does not count any more/],
  ["torn", { ...GOOD, seen: { ...SEEN, tornPages: 1 } }, /1 torn pages/],
  ["disk", { ...GOOD, seen: { ...SEEN, diskErrors: 2 } }, /2 disk errors/],
  ["bare", { ...GOOD, protectedAgain: false }, /no secondary again/],
];

for (const [what, guest, reason] of FAULTS) {
  report(`says what is wrong: ${what}`, () => {
    const one = failoverReportOf(KNOWN, [guest]);
    assert.is(one.ok, false);
    assert.match(one.reasons?.join() ?? "", reason);
  });
}

report("is not ok without a guest", () => {
  assert.equal(failoverReportOf(KNOWN, []).reasons, ["No guest was protected"]);
});

const SWAP = {
  from: ALPHA,
  to: BRAVO,
  term: 2,
  reason: "temperature 59 is outside",
  pauseMs: 40,
  counterBefore: 10,
  counterAfter: 11,
};
const SWAPPED: SwappedVm = {
  vmId: VM,
  name: "counter",
  swaps: [SWAP, { ...SWAP, from: BRAVO, to: ALPHA, term: 3 }],
  tornPages: 0,
  diskErrors: 0,
};

const SWAP_FAULTS: readonly (readonly [SwappedVm, RegExp | undefined])[] = [
  [SWAPPED, undefined],
  [{ ...SWAPPED, swaps: [SWAP] }, /swapped 1 times/],
  [{ ...SWAPPED, swaps: [SWAP, { ...SWAP, counterAfter: 10 }] }, /counted 10 before.*10 there/],
  [{ ...SWAPPED, tornPages: 1 }, /1 torn pages/],
];

report("swapReportOf wants each guest there and back, counting on", () => {
  for (const [vm, reason] of SWAP_FAULTS) {
    const one = swapReportOf(1_000, [vm]);
    assert.equal(swapReport.parse(one), one);
    if (reason === undefined) assert.ok(one.ok);
    else assert.match(one.reasons?.join() ?? "", reason);
    assert.match(swapText(one), /temperature 59 is outside/);
  }
});

report("counterLog finds what was counted at a moment", () => {
  const log = counterLog();
  for (const [counter, atMs] of [
    [1, 100],
    [2, 200],
    [undefined, 250],
    [3, 300],
  ] as const) {
    log.take(VM, counter, atMs);
  }
  assert.equal(
    [99, 100, 299, 1_000].map((atMs) => log.at(VM, atMs)),
    [0, 1, 2, 3],
  );
});

report.run();
