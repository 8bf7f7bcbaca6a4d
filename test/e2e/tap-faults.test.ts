// Real adapters of this kernel, whose carrier and drops are driven from here, read by the agent's
// own sensors each second.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tapFaults } from "../../bench/faults/tap-faults.ts";

const tap = suite("tap-faults");

tap("an adapter whose carrier is lost three times is predicted to fail, and no other", async () => {
  const report = await tapFaults();
  if ("missing" in report) return console.log(`skipped: ${report.missing}`);
  const { predictions, losses, received, sent } = report;
  const found = predictions.map(({ device, rules, text }) => ({ device, rules, text }));
  assert.equal(found, [
    {
      device: "flapping0",
      rules: ["carrier-losses"],
      text: "Losses of carrier in 10 minutes: 3",
    },
  ]);
  // The one that its administrator took down lost its carrier as often.
  assert.equal(losses, [3, 3, 0]);
  assert.is(received.dropped, received.lost);
  // And a few that the kernel had sent by itself.
  assert.ok(sent.dropped >= sent.overflown, `${sent.dropped} of ${sent.overflown}`);
  console.log(`found after ${predictions[0]!.seconds.toFixed(1)} s`);
});

tap.run();
