import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Pulses } from "../../../../agent/replicas/pulses.ts";

const pulses = suite("pulses");

pulses("atMs() is never after the moment that it is asked for, however many there were", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6_000 }),
      fc.double({ min: 0, max: 0.99, noNaN: true }),
      (count, at) => {
        const own = new Pulses(0.5);
        const beats = Array.from({ length: count }, (_, index) => own.beat(index * 100));
        const asked = Math.floor(at * count);
        const atMs = own.atMs(beats[asked]!);
        assert.ok(atMs !== undefined && atMs <= asked * 100);
        // Of the newest none is forgotten.
        if (count - asked < 256) assert.is(atMs, asked * 100);
      },
    ),
    { seed: 18, numRuns: 50 },
  );
});

pulses("atMs() knows no moment of another life, nor one that has not come", () => {
  const own = new Pulses(0.5);
  assert.is(own.atMs(0), undefined);
  const first = own.beat(7);
  assert.is(own.atMs(first), 7);
  assert.is(own.atMs(first + 1), undefined);
  assert.is(own.atMs(first - 1), undefined);
  assert.is(own.atMs(new Pulses(0.25).beat(1)), undefined);
});

pulses.run();
