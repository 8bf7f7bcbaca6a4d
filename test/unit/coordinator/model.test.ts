// Coordinator and agents together: the rules of terms hold after every event (world.ts).
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type HostName, VM } from "./session.ts";
import { choice, settle, World } from "./world.ts";

const model = suite("model");
const RUNS = 1_000;

model("step() gives no term to two hosts and runs one instance, whatever the interleaving", () => {
  const seen = { moved: 0, back: 0 };
  const property = fc.property(fc.array(choice, { minLength: 50, maxLength: 250 }), (choices) => {
    const world = new World();
    settle(world, 3);
    for (const one of choices) world.choose(one);
    for (const saga of world.sagas.values()) {
      if (saga.outcome === "moved") seen.moved++;
      if (saga.returnTerm !== undefined) seen.back++;
    }
  });
  fc.assert(property, { seed: 7, numRuns: RUNS });
  // The property is worth something only if the runs come far.
  assert.ok(seen.moved > RUNS / 10 && seen.back > RUNS / 50, JSON.stringify(seen));
});

model("step() brings every VM to one running instance once everything answers in order", () => {
  const property = fc.property(fc.array(choice, { minLength: 20, maxLength: 120 }), (choices) => {
    const world = new World();
    settle(world, 3);
    for (const one of choices) world.choose(one);
    settle(world, 300);
    const open = [...world.sagas.values()].filter((saga) => saga.phase !== "done");
    assert.equal(open, []);
    const vm = world.state.vms[VM]!;
    const host = world.agents.get(vm.hostId as string as HostName)!;
    const held = vm.held ?? "";
    const runs = host.state.vms[VM]?.stance.phase === "active";
    assert.ok(runs || /Started 5 times/.test(held), `neither runs nor says why: ${held}`);
  });
  fc.assert(property, { seed: 11, numRuns: RUNS / 4 });
});

model.run();
