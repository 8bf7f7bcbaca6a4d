import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type Effect,
  type Receiving,
  startReceiving,
  step,
  stopReceiving,
} from "../../../epochs/receiver.ts";
import { NO_PARENT } from "../../../protocol/epoch.ts";
import type { Frame } from "../../../protocol/frame.ts";
import type { StreamId, VmId } from "../../../protocol/ids.ts";
import { EXTENT, epochOf, frameOf, IDENTITY, PAGES, RAM_BYTES, STATE, streamOf } from "./frames.ts";

const receiver = suite("receiver");

function run(
  frames: readonly Frame[],
  state: Receiving = startReceiving({ ...IDENTITY, memoryBytes: RAM_BYTES }),
): { state: Receiving; effects: Effect[] } {
  const effects: Effect[] = [];
  let at = state;
  for (const frame of frames) {
    const [next, asked] = step(at, frame);
    at = next;
    effects.push(...asked);
  }
  return { state: at, effects };
}

const whole = streamOf([
  { kind: "fuzzy", contents: [PAGES, EXTENT] },
  { kind: "fuzzy", contents: [PAGES] },
  { kind: "cut", contents: [PAGES, STATE] },
  { kind: "last", contents: [STATE] },
]);

receiver("step() takes a stream to its last epoch, and says what goes where", () => {
  const { state, effects } = run(whole);
  assert.equal(
    effects.flatMap((effect) => (effect.type === "complete" ? [effect.kind] : [])),
    ["fuzzy", "fuzzy", "cut", "last"],
  );
  assert.equal(
    effects.flatMap((effect) => (effect.type === "content" ? [effect.aside] : [])),
    [false, false, true, true, true, true],
  );
  assert.ok(state.lastSeen);
  assert.is(state.nextEpoch, 4);
});

receiver("step() sets device state aside in a full epoch too", () => {
  const { effects } = run(epochOf(0, "cut", NO_PARENT, [PAGES, STATE]).frames);
  const asides = effects.flatMap((effect) => (effect.type === "content" ? [effect.aside] : []));
  assert.equal(asides, [false, true]);
});

receiver("step() drops frames of another vm, stream or term, and goes on", () => {
  for (const other of [
    { vmId: "6f1c2a44-1111-4222-8333-444455556667" as VmId },
    { stream: "cd".repeat(16) as StreamId },
    { term: 1 },
    { term: 3 },
  ]) {
    const foreign = whole.map((frame) => ({ ...frame, ...other }));
    const mixed = whole.flatMap((frame, index) => [foreign[index]!, frame]);
    const { state, effects } = run(mixed);
    assert.is(state.dropped, whole.length);
    assert.equal(effects, run(whole).effects);
  }
});

const first = epochOf(0, "fuzzy", NO_PARENT, [PAGES]);
const begin = { content: "delta", kind: "cut", parent: first.root, memoryBytes: RAM_BYTES };
const cut = epochOf(1, "cut", first.root, [STATE]);
const end = { root: cut.root, frames: 1 };
const last = epochOf(1, "last", first.root, [STATE]);

/** Frames, of which the last one is the violation. */
const VIOLATIONS: readonly [name: string, frames: readonly Frame[], reason: RegExp][] = [
  ["an end without a begin", [frameOf("end", 0, 1, end)], /did not begin/],
  ["content without a begin", [frameOf("pages", 0, 1, Buffer.of(1))], /outside of its epoch/],
  [
    "a first epoch that is not 0",
    epochOf(1, "fuzzy", NO_PARENT).frames.slice(0, 1),
    /begins where/,
  ],
  ["an epoch gap", [...first.frames, frameOf("begin", 2, 0, begin)], /Epoch 2 begins where 1/],
  ["an epoch again", [...first.frames, first.frames[0]!], /Epoch 0 begins where 1/],
  [
    "a begin in a begin",
    [...first.frames, cut.frames[0]!, cut.frames[0]!],
    /begins inside another/,
  ],
  ["a begin after the last", [...first.frames, ...last.frames, cut.frames[0]!], /after the last/],
  ["a begin with a sequence", [{ ...first.frames[0]!, sequence: 1 }], /begins where/],
  [
    "another parent",
    [...first.frames, frameOf("begin", 1, 0, { ...begin, parent: NO_PARENT })],
    /another parent/,
  ],
  [
    "RAM of another size",
    [...first.frames, frameOf("begin", 1, 0, { ...begin, memoryBytes: 2 * RAM_BYTES })],
    /RAM differs/,
  ],
  [
    "a first epoch that is a delta",
    [frameOf("begin", 0, 0, { ...begin, parent: NO_PARENT })],
    /Only epoch 0/,
  ],
  [
    "a later epoch that is full",
    [...first.frames, frameOf("begin", 1, 0, { ...begin, content: "full" })],
    /Only epoch 0/,
  ],
  [
    "a begin with a field too many",
    [...first.frames, frameOf("begin", 1, 0, { ...begin, path: "/etc/passwd" })],
    /./,
  ],
  ["a begin that is no JSON", [frameOf("begin", 0, 0, Buffer.from("{"))], /./],
  ["a begin that is too long", [frameOf("begin", 0, 0, Buffer.alloc(5_000, 32))], /too long/],
  [
    "device state in a fuzzy epoch",
    epochOf(0, "fuzzy", NO_PARENT, [STATE]).frames.slice(0, 2),
    /no cut/,
  ],
  [
    "a frame left out",
    [...first.frames, cut.frames[0]!, { ...cut.frames[1]!, sequence: 2 }],
    /Frame 2 came where 1/,
  ],
  [
    "a frame twice",
    [...first.frames, cut.frames[0]!, cut.frames[1]!, cut.frames[1]!],
    /Frame 1 came where 2/,
  ],
  [
    "content of the epoch before",
    [...first.frames, cut.frames[0]!, first.frames[1]!],
    /outside of its epoch/,
  ],
  [
    "a wrong count of frames",
    [...first.frames, ...cut.frames.slice(0, 2), frameOf("end", 1, 2, { ...end, frames: 2 })],
    /has 1 frames, not 2/,
  ],
  [
    "an end out of sequence",
    [...first.frames, ...cut.frames.slice(0, 2), frameOf("end", 1, 3, end)],
    /has 1 frames/,
  ],
  [
    "another root",
    [
      ...first.frames,
      ...cut.frames.slice(0, 2),
      frameOf("end", 1, 2, { ...end, root: "0".repeat(64) }),
    ],
    /root hash differs/,
  ],
  [
    "a payload that was changed",
    [
      ...first.frames,
      cut.frames[0]!,
      { ...cut.frames[1]!, payload: Buffer.from("stale") },
      cut.frames[2]!,
    ],
    /root hash differs/,
  ],
  [
    "a cut without state",
    [...first.frames, ...epochOf(1, "cut", first.root).frames],
    /without dev/,
  ],
  ["a last without state", [...first.frames, ...epochOf(1, "last", first.root).frames], /without/],
  ["an ack from a source", [frameOf("ack", 0, 0, {})], /does not send ack/],
  ["an active from a source", [frameOf("active", 0, 0, {})], /does not send active/],
  ["a credit from a source", [frameOf("credit", 0, 0, {})], /does not send credit/],
  ["a released without reason", [frameOf("released", 0, 0, {})], /./],
  ["an abort", [frameOf("abort", 0, 0, { code: "CANCELLED", reason: "no more" })], /no more/],
];

for (const [name, frames, reason] of VIOLATIONS) {
  receiver(`step() ends the stream for good at ${name}`, () => {
    const before = run(frames.slice(0, -1));
    assert.not.ok(before.effects.some(({ type }) => type === "ended"));
    const { state, effects } = run(frames.slice(-1), before.state);
    const [ended, ...more] = effects;
    assert.equal(more, []);
    assert.ok(ended?.type === "ended");
    assert.match((ended as { reason: string }).reason, reason);
    assert.equal(run(whole, state).effects, [], "what came after it was taken");
  });
}

receiver("step() takes nothing but RELEASED after RELEASED, in an epoch or between two", () => {
  const told = frameOf("released", 2, 0, { reason: "died" });
  const abort = frameOf("abort", 0, 0, { code: "CANCELLED", reason: "too late" });
  for (let at = 0; at <= whole.length; at++) {
    const { effects } = run([...whole.slice(0, at), told, ...whole.slice(at), abort, told]);
    const from = effects.findIndex(({ type }) => type === "released");
    assert.equal(
      effects.slice(from).map(({ type }) => type),
      ["released", "released"],
    );
  }
});

receiver("stopReceiving() lets no epoch be completed that RELEASED came before", () => {
  for (let at = 0; at <= whole.length; at++) {
    const { state } = run(whole.slice(0, at));
    assert.equal(run(whole.slice(at), stopReceiving(state)).effects, []);
  }
});

receiver("step() completes an epoch only if every frame of it came, in order and unchanged", () => {
  const frames = fc.array(fc.nat(whole.length - 1), { maxLength: 30 });
  fc.assert(
    fc.property(fc.nat(whole.length), frames, (prefix, shuffled) => {
      const sent = [...whole.slice(0, prefix), ...shuffled.map((index) => whole[index]!)];
      const { state, effects } = run(sent);
      const complete = effects.filter(({ type }) => type === "complete").length;
      // The longest start of `sent` that is a start of `whole` says how many there can be.
      let right = 0;
      while (right < sent.length && sent[right] === whole[right]) right++;
      const ends = whole.slice(0, right).filter(({ kind }) => kind === "end").length;
      assert.is(complete, ends);
      assert.is(state.nextEpoch, ends);
      if (right < sent.length) assert.is(state.closed, "over");
    }),
    { seed: 2, numRuns: 500 },
  );
});

receiver.run();
