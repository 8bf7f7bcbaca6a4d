import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Bits } from "../../../epochs/bits.ts";

const bits = suite("Bits");
const SIZE = 83;

/** As a set of numbers does the same, slowly. */
function listOf(set: Bits): number[] {
  const list: number[] = [];
  for (let at = set.next(0); at !== undefined; at = set.next(at + 1)) list.push(at);
  return list;
}

const change = fc.record({
  type: fc.constantFrom("add", "remove", "bitmap", "take"),
  from: fc.nat(SIZE),
  length: fc.nat(SIZE),
});

bits("every change leaves what a set of numbers holds, and its count", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      const set = new Bits(SIZE);
      const model = new Set<number>();
      for (const { type, from, length } of changes) {
        const end = Math.min(SIZE, from + length);
        const first = Math.floor(Math.min(from, SIZE - 1) / 8) * 8;
        if (type === "add") {
          set.addRange(from, end);
          for (let at = from; at < end; at++) model.add(at);
        } else if (type === "remove") {
          set.removeRange(from, end);
          for (let at = from; at < end; at++) model.delete(at);
        } else if (type === "bitmap") {
          set.addBitmap(first, Uint8Array.of(0b0000_0101));
          for (const at of [first, first + 2]) model.add(at);
        } else {
          const [taken] = set.take(first, 8);
          for (let bit = 0; bit < 8; bit++) {
            assert.is((taken! & (1 << bit)) !== 0, model.delete(first + bit), `bit ${first + bit}`);
          }
        }
        assert.is(set.count, model.size);
      }
      assert.equal(
        listOf(set),
        [...model].sort((a, b) => a - b),
      );
    }),
    { seed: 3, numRuns: 300 },
  );
});

bits("addEverything(), addAll() and clear() count what they leave", () => {
  const [all, other] = [new Bits(SIZE), new Bits(SIZE)];
  all.addEverything();
  assert.is(all.count, SIZE);
  other.addRange(5, 9);
  other.addAll(all);
  assert.is(other.count, SIZE);
  assert.is(other.runEnd(3, 60), 60);
  other.clear();
  assert.equal([other.count, other.next(0)], [0, undefined]);
});

bits.run();
