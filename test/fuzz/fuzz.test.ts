// limit: 400 s
// The fuzzer finds planted bugs; then every target runs for 20 seconds, two at a time. `npm run
// fuzz` runs longer.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { instantiate } from "../unit/assembly/raw.ts";
import { fuzz } from "./fuzzer.ts";
import { guarded, StrayWrite } from "./guarded.ts";
import { mutate, seededPick } from "./mutate.ts";
import { loadTargets, type Target } from "./target.ts";
import { traced } from "./wasm-guide.ts";
import { fuzzAll, type Told } from "./worker.ts";

const SMOKE = { executionsMax: Number.MAX_SAFE_INTEGER, durationMs: 20_000, seed: 1 };
const PARALLEL = 2;
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

fuzzing("fuzz() counts what is written outside of a guarded range", () => {
  const instance = instantiate();
  const range = guarded(instance, instance.free, 16);
  const stray: Target = {
    name: "stray",
    seeds: () => [new Uint8Array(1)],
    run(bytes) {
      range.prepare(16);
      instance.bytes[range.address + 16 + (bytes[0]! % 4)] = bytes[0]!;
      range.check(16, 2);
    },
  };
  const limits = { executionsMax: 2_000, durationMs: Number.POSITIVE_INFINITY, seed: 1 };
  const { strayWrites, crashes } = fuzz(stray, { ...limits, isMeasured: () => false });
  assert.ok(strayWrites > 0 && strayWrites < 2_000, `${strayWrites} stray writes`);
  assert.is(crashes[0]?.error instanceof StrayWrite, true);
});

fuzzing("traced() tells new ways through a kernel from those already taken", () => {
  const { instance, guide } = traced();
  const { bytes, free, kernels } = instance;
  const decode = (...block: number[]): boolean => {
    bytes.set(block, free);
    kernels.decompress(free, block.length, free + 4_096, 4);
    const look = guide.look();
    look.merge();
    return look.isNew;
  };
  guide.reset();
  assert.ok(decode(0x40, 1, 2, 3, 4), "four literals");
  assert.not(decode(0x40, 5, 6, 7, 8), "four others go the same way");
  assert.ok(decode(0x50, 1, 2, 3, 4, 5), "one too many");
  assert.match(guide.reached, /places reached of/);
});

/** Summaries of all targets, run once for the tests below. */
const told = new Map<string, Told>();
const names = (await loadTargets()).map(({ name }) => name);
await fuzzAll(
  names.map((target) => ({ target, ...SMOKE })),
  PARALLEL,
  (summary) => told.set(summary.target, summary),
);

for (const name of names) {
  fuzzing(`${name} survives mutated input`, () => {
    const { executions, crashes, strayWrites } = told.get(name)!;
    const [crash] = crashes;
    const input = Buffer.from(crash?.input ?? []).toString("hex");
    assert.is(crash?.error, undefined, `input: ${input}`);
    assert.is(strayWrites, 0);
    assert.ok(executions > 100, `${executions} executions`);
  });
}

fuzzing.run();
