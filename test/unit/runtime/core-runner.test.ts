import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Machine } from "../../../runtime/core-runner.ts";

const machine = suite("Machine");

machine("dispatch() steps, then performs each effect in order", () => {
  const done: string[] = [];
  const counter = new Machine<number, number, string>(
    1,
    (state, event) => [state + event, [`had ${state}`, `got ${event}`]],
    (effect) => done.push(effect),
  );
  counter.dispatch(4);
  assert.is(counter.state, 5);
  assert.equal(done, ["had 1", "got 4"]);
});

machine("dispatch() makes an event raised by an effect wait: steps never nest", () => {
  const order: string[] = [];
  const chain = new Machine<number, number, number>(
    0,
    (state, event) => [state + 1, event > 0 ? [event - 1, -1] : []],
    (effect) => {
      order.push(`${effect}@${chain.state}`);
      if (effect >= 0) chain.dispatch(effect);
    },
  );
  chain.dispatch(2);
  assert.equal(order, ["1@1", "-1@1", "0@2", "-1@2"]);
  assert.is(chain.state, 3);
});

machine("dispatch() shows the observer each step before its effects", () => {
  const seen: unknown[] = [];
  const observed = new Machine<number, number, string>(
    0,
    (state, event) => [state + event, ["effect"]],
    (effect) => seen.push(effect),
    (before, event, after, effects) => seen.push([before, event, after, effects.length]),
  );
  observed.dispatch(7);
  assert.equal(seen, [[0, 7, 7, 1], "effect"]);
});

machine("dispatch() passes on what a step throws, and takes events after it", () => {
  const fragile = new Machine<number, number, never>(
    0,
    (state, event) => {
      if (event < 0) throw new Error("negative");
      return [state + event, []];
    },
    () => {},
  );
  assert.throws(() => fragile.dispatch(-1), /negative/);
  fragile.dispatch(2);
  assert.is(fragile.state, 2);
});

machine.run();
