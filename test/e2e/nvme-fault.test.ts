// A QEMU guest whose NVMe drive is told over QMP to warn: the guest's own smartctl says so, and the
// agent's sensors and predictor make a prediction of it.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { driveFault } from "../../bench/faults/drive-fault.ts";
import { realClock } from "../../runtime/clock.ts";
import { CACHE } from "./qemu-world.ts";

const nvme = suite("nvme-fault");

nvme("a drive that begins to warn is predicted to fail, and not before", async () => {
  const report = await driveFault(CACHE, realClock);
  if ("missing" in report) return console.log(`skipped: ${report.missing}`);
  const { before, rules, prediction, seconds } = report;
  assert.is(before, 0);
  assert.equal([...rules].sort(), ["critical-warning", "health"]);
  assert.is(prediction.device, "nvme0");
  const texts = prediction.evidence.map(({ text }) => text);
  assert.ok(texts.includes("NVMe critical warning 0x4: reliability degraded"), texts.join());
  console.log(`found after ${seconds.toFixed(1)} s`);
});

nvme.run();
