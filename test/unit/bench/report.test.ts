import { suite } from "uvu";
import * as assert from "uvu/assert";
import { renderReport, sampledRow } from "../../../bench/report.ts";

const report = suite("report");
const machine = { bench: "pause", machine: "2 x core", node: "24.0.0" };

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

report("renderReport() names bench and machine, and leaves out columns without a value", () => {
  const rows = [sampledRow("time", "ms", [2.34567])];
  const text = renderReport({ ...machine, rows });
  assert.is(text, "pause, on 2 x core, Node 24.0.0\n\nCASE  OURS  UNIT\ntime  2.35  ms\n");
});

report("renderReport() shows an aim and whether it was reached", () => {
  const rows = [sampledRow("time", "ms", [70], { target: 60 })];
  assert.match(renderReport({ ...machine, rows }), /AIM +REACHED\ntime +70 +ms +<= 60 +no\n$/);
});

report.run();
