import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { instantiate } from "./raw.ts";
import { lz4Decode, lz4Encode } from "./reference.ts";
import { anyMixture, mixture, samples } from "./samples.ts";

const { kernels, bytes, free } = instantiate();
const decompress = suite("decompress");
const SOURCE = free + 4096;
const TARGET = SOURCE + 256 * 1024;
const BAND = 64;
/** What the kernel may touch behind its output. */
const SLACK = 15;

/** The decoded bytes or undefined; checks that nothing around the output was written. */
function run(block: Uint8Array, length: number, skew = 0): Uint8Array | undefined {
  const source = SOURCE + skew;
  const target = TARGET + ((skew * 5) % 16);
  bytes.set(block, source);
  // Behind the input lies what would decode on and on, were the end not heeded.
  bytes.fill(0x11, source + block.length, source + block.length + BAND);
  bytes.fill(0xee, target - BAND, target + length + BAND);
  const answer = kernels.decompress(source, block.length, target, length);
  const before = bytes.subarray(target - BAND, target);
  const behind = bytes.subarray(target + length + SLACK, target + length + BAND);
  assert.ok(
    before.every((byte) => byte === 0xee),
    "wrote before its target",
  );
  assert.ok(
    behind.every((byte) => byte === 0xee),
    "wrote behind its target",
  );
  assert.ok(answer === 0 || answer === -1, `answer ${answer}`);
  return answer === 0 ? bytes.slice(target, target + length) : undefined;
}

/** A block by hand: each part is a byte or a list of them. */
function block(...parts: readonly (number | readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flat());
}

const FIVE = [1, 2, 3, 4, 5];
const FOURTEEN = new Array<number>(14).fill(9);
const TWENTY = new Array<number>(20).fill(9);
/** What keeps a block going, so that what comes before is far from both ends. */
const LONG = [0xf0, 185, ...new Array<number>(200).fill(9)];
const refused: readonly [name: string, block: Uint8Array, length: number][] = [
  ["no bytes at all", block(), 0],
  ["no bytes for some", block(), 5],
  ["literals past the input", block(0x50, [1, 2, 3, 4]), 5],
  ["literals past the output", block(0x50, FIVE), 4],
  ["literals short of the output", block(0x50, FIVE), 6],
  ["a length without an end", block(0xf0, 255, 255), 600],
  ["a token with nothing behind it", block(0x10, 1, 1), 1],
  ["half a distance", block(0x10, 1, 1), 10],
  ["a distance of zero", block(0x10, 1, [0, 0], 0x50, FIVE), 10],
  ["a distance before the output", block(0x10, 1, [2, 0], 0x50, FIVE), 10],
  ["a match past the output", block(0x1f, 1, [1, 0], 200, 0x50, FIVE), 20],
  ["a match into the last five bytes", block(0x10, 1, [1, 0], 0x40, [1, 2, 3, 4]), 9],
  ["a match at the end", block(0x10, 1, [1, 0]), 5],
  ["a match length without an end", block(0x1f, 1, [1, 0], 255, 255), 2000],
  ["short literals past the output", block(0xef, FOURTEEN, [1, 0], 255, 255, 0, FOURTEEN), 10],
  ["a short match past the output", block(0xfe, 5, TWENTY, [16, 0], 0xee, TWENTY), 20],
  ["a short match to the very end", block(0xfe, 5, TWENTY, [16, 0], 0), 38],
  ["a distance of zero, far from the ends", block(0x10, 1, [0, 0], LONG), 205],
  ["a distance before the output, far from the ends", block(0x10, 1, [2, 0], LONG), 205],
  ["a long match of distance zero, far from the ends", block(0x1f, 1, [0, 0], 9, LONG), 229],
  ["long literals past the output, far from the ends", block(LONG, [1, 0], LONG), 150],
  ["a long match past the output, far from the ends", block(0x1f, 1, [1, 0], 250, LONG), 250],
  ["bytes behind the end", block(0x50, FIVE, 0), 5],
];

for (const [name, bad, length] of refused) {
  decompress(`decompress() refuses ${name}`, () => assert.is(run(bad, length), undefined));
}

decompress("decompress() takes the smallest blocks there are", () => {
  assert.equal(run(block(0), 0), block());
  assert.equal(run(block(0x50, FIVE), 5), block(FIVE));
  assert.equal(run(block(0x10, 7, [1, 0], 0x50, FIVE), 10), block([7, 7, 7, 7, 7], FIVE));
});

decompress("decompress() repeats every distance over every length", () => {
  for (let distance = 1; distance <= 40; distance++) {
    for (let match = 4; match <= 70; match++) {
      const start = mixture(distance, distance);
      const input = new Uint8Array(distance + match + 5);
      for (let at = 0; at < distance + match; at++) input[at] = start[at % distance]!;
      const literals = distance < 15 ? [distance << 4] : [0xf0, distance - 15];
      const sequence = [...start, distance, 0];
      const more = match - 4 < 15 ? [] : [match - 19];
      const token = literals[0]! | Math.min(match - 4, 15);
      const whole = [token, ...literals.slice(1), ...sequence, ...more, 0x50, 0, 0, 0, 0, 0];
      const decoded = run(Uint8Array.from(whole), input.length, match % 16);
      assert.equal(decoded, input, `distance ${distance}, match ${match}`);
    }
  }
});

/** A block of one long run of literals, one match, and literals to the end. */
function threeParts(literals: number, distance: number, match: number, tail: number): Uint8Array {
  const lengthen = (length: number): number[] => {
    const bytes: number[] = [];
    for (let rest = length - 15; rest >= 0; rest -= 255) bytes.push(Math.min(rest, 255));
    return bytes;
  };
  return block(
    (Math.min(literals, 15) << 4) | Math.min(match - 4, 15),
    lengthen(literals),
    [...mixture(literals, literals)],
    [distance & 0xff, distance >> 8],
    lengthen(match - 4),
    Math.min(tail, 15) << 4,
    lengthen(tail),
    [...mixture(tail, tail)],
  );
}

decompress("decompress() takes every length of literals, match and tail, in both its loops", () => {
  const lengths = [1, 7, 13, 14, 15, 16, 31, 32, 33, 63, 64, 65, 269, 270, 271, 525, 780];
  const tails = [...Array.from({ length: 20 }, (_, tail) => tail + 5), 64, 65, 100, 270];
  let skew = 0;
  for (const literals of lengths) {
    for (const match of lengths) {
      for (const tail of tails) {
        skew = (skew + 1) % 16;
        const distance = 1 + ((literals + match + tail) % Math.min(literals, 40));
        const bytes = threeParts(literals, distance, match + 4, tail);
        const length = literals + match + 4 + tail;
        const expected = lz4Decode(bytes, length);
        assert.ok(expected !== undefined);
        const decoded = run(bytes, length, skew);
        const where = `${literals} literals, ${match + 4} from ${distance} back, ${tail} behind`;
        assert.ok(decoded !== undefined && Buffer.compare(decoded, expected) === 0, where);
        assert.is(run(bytes, length - 1, skew), undefined, where);
        assert.is(run(bytes, length + 1, skew), undefined, where);
      }
    }
  }
});

decompress("decompress() refuses a block cut anywhere, and agrees on any byte changed", () => {
  const whole = lz4Encode(mixture(11, 700));
  for (let at = 0; at < whole.length; at++) {
    assert.is(run(whole.subarray(0, at), 700, at % 16), undefined, `cut at ${at}`);
    for (const value of [0, 1, 15, 0xf0, 0xff]) {
      const bad = whole.slice();
      bad[at] = value;
      const expected = lz4Decode(bad, 700);
      const decoded = run(bad, 700, at % 16);
      assert.is(decoded === undefined, expected === undefined, `${value} at ${at}`);
      if (decoded !== undefined) assert.is(Buffer.compare(decoded, expected!), 0);
    }
  }
});

decompress("decompress() gives back what was compressed, at every alignment", () => {
  for (const [index, sample] of samples(2).entries()) {
    const decoded = run(lz4Encode(sample), sample.length, index % 16);
    assert.ok(decoded !== undefined && Buffer.compare(decoded, sample) === 0, `sample ${index}`);
  }
});

decompress(
  "decompress() agrees with the scalar reference on blocks that were tampered with",
  () => {
    const tampering = fc.record({
      flips: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
      cut: fc.option(fc.nat()),
      longer: fc.integer({ min: -8, max: 8 }),
    });
    let accepted = 0;
    fc.assert(
      fc.property(anyMixture, tampering, fc.nat(15), (input, { flips, cut, longer }, skew) => {
        const whole = lz4Encode(input);
        for (const [at, value] of flips) whole[at % whole.length] = value;
        const bad = cut === null ? whole : whole.subarray(0, cut % whole.length);
        const length = Math.max(0, input.length + (flips.length > 2 ? longer : 0));
        const decoded = run(bad, length, skew);
        if (decoded !== undefined) accepted++;
        const expected = lz4Decode(bad, length);
        assert.is(decoded === undefined, expected === undefined);
        if (decoded !== undefined) assert.is(Buffer.compare(decoded, expected!), 0);
      }),
      { seed: 1, numRuns: 300 },
    );
    assert.ok(accepted > 20, `only ${accepted} were sound: the test proves nothing`);
  },
);

decompress("decompress() agrees with the scalar reference on noise", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 64 }),
      fc.nat(300),
      fc.nat(15),
      (noise, length, skew) => {
        assert.equal(run(noise, length, skew), lz4Decode(noise, length));
      },
    ),
    { seed: 1, numRuns: 3000 },
  );
});

decompress.run();
