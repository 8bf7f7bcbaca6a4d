import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type Aim,
  aimText,
  isReached,
  type Row,
  renderReport,
  sampledRow,
} from "../../../bench/report.ts";

const report = suite("report");
const machine = { bench: "pause", machine: "2 x core", node: "24.0.0", v8: "13.6" };

report("sampledRow() of one sample has nothing that does not apply", () => {
  assert.equal(sampledRow("time", "ms", [3]), { case: "time", unit: "ms", ours: 3 });
});

report("sampledRow() compares medians with the peer's", () => {
  const peer = { name: "theirs", samples: [8, 10, 100] };
  const row = sampledRow("time", "ms", [4, 5, 90], { peer });
  assert.is(row.ours, 5);
  assert.is(row.peer, 10);
  assert.is(row.peerName, "theirs");
  assert.is(row.ratio, 0.5);
  assert.is(row.spread?.samples, 3);
});

for (const [ours, reached] of [
  [59, true],
  [60, true],
  [60.5, false],
] as const) {
  report(`sampledRow() of ${ours} against an aim of 60: reached is ${reached}`, () => {
    assert.is(sampledRow("time", "ms", [ours], { target: 60 }).reached, reached);
  });
}

for (const [aim, target, reached, text] of [
  [undefined, 5, false, "<= 5"],
  ["ours at most", 6, true, "<= 6"],
  ["ours at least", 6, true, ">= 6"],
  ["ours at least", 6.5, false, ">= 6.5"],
  ["ratio at least", 0.9, false, ">= 0.9 x"],
  ["ratio at most", 0.9, true, "<= 0.9 x"],
] as const satisfies readonly [Aim | undefined, number, boolean, string][]) {
  report(`isReached() and aimText() of 6 at a ratio of 0.5, aim ${text}`, () => {
    const base: Row = { case: "speed", unit: "GB/s", ours: 6, ratio: 0.5, target };
    const row: Row = aim === undefined ? base : { ...base, aim };
    assert.is(isReached(row), reached);
    assert.is(aimText(row), text);
  });
}

report(
  "isReached() is false of a ratio that could not be measured, undefined without an aim",
  () => {
    const row = { ours: 6, target: 0.5, aim: "ratio at least" } as const;
    assert.is(isReached(row), false);
    assert.is(isReached({ ours: 6 }), undefined);
  },
);

report("renderReport() puts its notes under the head, and why a row has no figure", () => {
  const row = { case: "hash", unit: "GB/s", ours: Number.NaN, missing: "no compiler" };
  const text = renderReport({ ...machine, notes: ["Higher is better."], rows: [row] });
  assert.match(text, /V8 13\.6\nHigher is better\.\n\nCASE/);
  assert.match(text, /hash +GB\/s +no compiler\n$/);
});

report("renderReport() names bench and machine, and leaves out columns without a value", () => {
  const rows = [sampledRow("time", "ms", [2.34567])];
  const text = renderReport({ ...machine, rows });
  assert.is(text, "pause, on 2 x core, Node 24.0.0, V8 13.6\n\nCASE  OURS  UNIT\ntime  2.35  ms\n");
});

report("renderReport() shows an aim and whether it was reached", () => {
  const rows = [sampledRow("time", "ms", [70], { target: 60 })];
  assert.match(renderReport({ ...machine, rows }), /AIM +REACHED\ntime +70 +ms +<= 60 +no\n$/);
});

report.run();
