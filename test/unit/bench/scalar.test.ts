import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { decodeXbzrle, encodeXbzrle } from "../../../bench/kernels/scalar.ts";

const scalar = suite("scalar");

for (const [name, old, current, encoded] of [
  ["nothing differs", [1, 2, 3], [1, 2, 3], []],
  ["the first byte", [1, 2, 3], [9, 2, 3], [0, 1, 9]],
  ["the last byte", [1, 2, 3], [1, 2, 9], [2, 1, 9]],
  ["two runs", [1, 2, 3, 4], [8, 2, 3, 9], [0, 1, 8, 2, 1, 9]],
] as const) {
  scalar(`encodeXbzrle() where ${name}`, () => {
    const target = new Uint8Array(16);
    const length = encodeXbzrle(Uint8Array.from(old), Uint8Array.from(current), target);
    assert.equal([...target.subarray(0, length)], [...encoded]);
  });
}

scalar("encodeXbzrle() takes a limit that is just enough, and refuses one less", () => {
  const [old, current] = [new Uint8Array(8), Uint8Array.of(0, 0, 1, 2, 3, 0, 0, 0)];
  assert.is(encodeXbzrle(old, current, new Uint8Array(5)), 5);
  assert.is(encodeXbzrle(old, current, new Uint8Array(4)), -1);
});

scalar("decodeXbzrle() makes the new page of the old one", () => {
  const bytes = fc.uint8Array({ minLength: 300, maxLength: 300, max: 3 });
  fc.assert(
    fc.property(bytes, bytes, (old, current) => {
      const target = new Uint8Array(1_000);
      const length = encodeXbzrle(old, current, target);
      const page = Uint8Array.from(old);
      assert.ok(decodeXbzrle(target.subarray(0, length), page) >= 0);
      assert.equal([...page], [...current]);
    }),
    { seed: 1, numRuns: 300 },
  );
});

for (const [name, encoded] of [
  ["cut after a length", [1]],
  ["no new bytes", [1, 0]],
  ["no equal bytes in the middle", [0, 1, 9, 0, 1, 9]],
  ["fewer bytes than it says", [0, 2, 9]],
  ["more than a page", [3, 2, 9, 9]],
  ["a length of three bytes", [0x80, 0x80, 1, 1, 9]],
] as const) {
  scalar(`decodeXbzrle() refuses ${name}`, () => {
    assert.is(decodeXbzrle(Uint8Array.from(encoded), new Uint8Array(4)), -1);
  });
}

scalar.run();
