// The fuzzer finds planted bugs; then every target runs for a moment. `npm run fuzz` runs longer.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fuzz } from "./fuzzer.ts";
import { mutate, seededPick } from "./mutate.ts";
import { loadTargets, type Target } from "./target.ts";

const SMOKE = { executionsMax: 200_000, durationMs: 2_500, seed: 1 };
const fuzzing = suite("fuzz");

/** Refuses all but four magic bytes, one branch each, and crashes on those. */
const planted: Target = {
  name: "planted",
  seeds: () => [new Uint8Array(8)],
  run(bytes) {
    if (bytes[0] !== 0x4c) return;
    if (bytes[1] !== 0x42) return;
    if (bytes[2] !== 0xfe) return;
    if (bytes[3] === 0x01) throw new Error("planted bug");
  },
};

fuzzing("fuzz() climbs branch by branch to a bug that chance alone does not find", () => {
  const limits = { executionsMax: 300_000, durationMs: Number.POSITIVE_INFINITY, seed: 7 };
  const isMeasured = (url: string): boolean => url === import.meta.url;
  const { crashes, corpus } = fuzz(planted, { ...limits, isMeasured });
  assert.is(crashes.length, 1);
  assert.equal([...crashes[0]!.input.slice(0, 4)], [0x4c, 0x42, 0xfe, 0x01]);
  assert.ok(corpus >= 4, `kept ${corpus}`);
});

fuzzing("fuzz() repeats itself under the same seed", () => {
  const play = (seed: number): string[] => {
    const inputs: string[] = [];
    const run = (bytes: Uint8Array): void => void inputs.push(Buffer.from(bytes).toString("hex"));
    const options = { executionsMax: 2_000, durationMs: Number.POSITIVE_INFINITY, seed };
    fuzz({ ...planted, run }, { ...options, isMeasured: () => false });
    return inputs;
  };
  assert.equal(play(3), play(3));
  assert.not.equal(play(3), play(4));
});

fuzzing("mutate() keeps to its bound and leaves its argument alone", () => {
  const pick = seededPick(1);
  const seed = new Uint8Array([1, 2, 3, 4]);
  for (let i = 0; i < 10_000; i++) {
    assert.ok(mutate(seed, seed, pick, 16).length <= 16);
  }
  assert.equal([...seed], [1, 2, 3, 4]);
});

for (const target of await loadTargets()) {
  fuzzing(`${target.name} survives mutated input`, () => {
    const { crashes } = fuzz(target, SMOKE);
    const [crash] = crashes;
    const input = Buffer.from(crash?.input ?? []).toString("hex");
    assert.is(crash?.error, undefined, `input: ${input}`);
  });
}

fuzzing.run();
