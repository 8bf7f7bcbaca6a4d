import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findSimulated, SIMULATED_FAULTS } from "../../../bench/faults/simulated-faults.ts";
import { boardFault, diskFault, nicFault } from "../../../firmware-sim/control.ts";

const simulated = suite("simulated-faults");

simulated("every fault that firmware-sim knows is in the table", () => {
  const known = [...diskFault.options, ...nicFault.options, ...boardFault.options];
  const tried = new Set<string>(SIMULATED_FAULTS.map(({ command }) => command.fault));
  assert.equal([...tried].sort(), [...known].sort());
});

// Those of the board have a test of their own, by the same readers.
for (const one of SIMULATED_FAULTS.filter(({ command }) => command.type !== "board")) {
  const { command, by, told, rule, withinSeconds } = one;
  const name = `${command.type} ${command.device ?? ""} ${command.fault}`.replace("  ", " ");
  simulated(`${name}: ${told} within ${withinSeconds} s, by the ${by}`, async () => {
    const found = await findSimulated(one);
    assert.ok(found !== undefined && found.seconds <= withinSeconds, JSON.stringify(found));
    assert.is(found.falsely, 0);
    if (rule === undefined) assert.equal(found.rules, []);
    else assert.ok(found.rules.includes(rule), found.rules.join());
  });
}

simulated.run();
