import { createHash } from "node:crypto";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { instantiate } from "./raw.ts";
import { lz4Decode, lz4Encode } from "./reference.ts";
import { anyMixture, mixture, samples } from "./samples.ts";

const { kernels, bytes, free } = instantiate();
const compress = suite("compress");
const SOURCE = free + 4096;
const TARGET = SOURCE + 2 * 1024 * 1024;
const BAND = 64;
/** What the kernel may touch behind its output. */
const SLACK = 16;

/** What a block of that length can grow to: LZ4_COMPRESSBOUND of lz4.h. */
function bound(length: number): number {
  return length + Math.floor(length / 255) + 16;
}

type Compressor = "compress" | "compressPage";

/** Compresses with `skew` off the alignment, and checks what is around source and target. */
function run(input: Uint8Array, skew = 0, compressor: Compressor = "compress"): Uint8Array {
  const source = SOURCE + skew;
  const target = TARGET + ((skew * 5) % 16);
  bytes.fill(0xee, source - BAND, source + input.length + BAND);
  bytes.set(input, source);
  bytes.fill(0xee, target - BAND, target + bound(input.length) + BAND);
  const length = kernels[compressor](source, input.length, target);
  assert.ok(length <= bound(input.length), `${length} bytes from ${input.length}`);
  assert.ok(untouched(target - BAND, target), "wrote before its target");
  assert.ok(untouched(target + length + SLACK, target + bound(input.length) + BAND));
  assert.ok(untouched(source - BAND, source) && bytes[source + input.length] === 0xee);
  return bytes.slice(target, target + length);
}

function untouched(start: number, end: number): boolean {
  return bytes.subarray(start, end).every((byte) => byte === 0xee);
}

compress("compress() gives the bytes that LZ4_compress_default of liblz4 1.9.4 gives", () => {
  const digest = createHash("sha256");
  for (const sample of samples(5)) {
    const block = run(sample);
    digest.update(Uint32Array.of(block.length)).update(block);
  }
  const recorded = "5f4a5531a2f95f1f43579b015340f0dda10abd0f331d401dbb26970a1233c7c0";
  assert.is(digest.digest("hex"), recorded);
});

/** Where the search changes, and far behind. */
const WIDE_LENGTHS = [65_545, 65_546, 65_547, 65_548, 65_600, 131_072, 300_001];

compress("compress() gives the bytes of the scalar reference around and above 64 KiB", () => {
  for (const [index, length] of WIDE_LENGTHS.entries()) {
    const input = mixture(index, length);
    const block = run(input, index);
    assert.is(Buffer.compare(block, lz4Encode(input)), 0, `${length} bytes`);
  }
});

compress("compress() gives the bytes of the scalar reference, and those decode", () => {
  fc.assert(
    fc.property(anyMixture, fc.nat(15), (input, skew) => {
      const block = run(input, skew);
      assert.equal(Buffer.from(block), Buffer.from(lz4Encode(input)));
      assert.equal(lz4Decode(block, input.length), input);
    }),
    { seed: 1, numRuns: 60 },
  );
});

compress("compress() does not depend on what it compressed before", () => {
  const input = mixture(7, 30_000);
  const first = run(input);
  run(mixture(8, 65_536));
  assert.equal(run(input), first);
});

compress("compress() makes little of a page of one byte", () => {
  for (const filling of [0, 1, 255]) assert.ok(run(new Uint8Array(4096).fill(filling)).length < 32);
});

/** Noise, a match of it at `distance`, and noise behind: no other matches to speak of. */
function oneMatch(literals: number, distance: number, match: number, tail: number): Uint8Array {
  const input = mixture(4, 40 + literals + match + tail).map(
    (_, at) => Math.imul(at, at * 7919) >> 7,
  );
  const start = 40 + literals;
  for (let at = start; at < start + match; at++) input[at] = input[at - distance]!;
  return input;
}

for (const compressor of ["compress", "compressPage"] as const) {
  compress(`${compressor}() takes every length of literals, match and tail`, () => {
    let skew = 0;
    for (let literals = 0; literals <= 36; literals += 3) {
      for (let match = 4; match <= 72; match++) {
        for (const tail of [0, 4, 5, 6, 7, 8, 11, 12, 13, 20, 21]) {
          skew = (skew + 1) % 16;
          const input = oneMatch(literals, 1 + ((literals + match) % 40), match, tail);
          const decoded = lz4Decode(run(input, skew, compressor), input.length);
          assert.ok(decoded !== undefined && Buffer.compare(decoded, input) === 0);
        }
      }
    }
  });

  compress(`${compressor}() writes lengths around every multiple of 255`, () => {
    for (const size of [14, 15, 16, 269, 270, 271, 524, 525, 1034, 1035, 1036, 1290, 4000]) {
      for (const input of [oneMatch(size, 40, 4, 12), oneMatch(0, 40, size + 4, 12)]) {
        const decoded = lz4Decode(run(input, size % 16, compressor), input.length);
        assert.ok(decoded !== undefined && Buffer.compare(decoded, input) === 0, `${size}`);
      }
    }
  });
}

compress("compressPage() makes blocks that decode, little longer than those of compress()", () => {
  let total = 0;
  let totalPage = 0;
  for (const [index, sample] of samples(3).entries()) {
    if (sample.length > 65_536) continue;
    const block = run(sample, index % 16, "compressPage");
    const decoded = lz4Decode(block, sample.length);
    assert.ok(decoded !== undefined && Buffer.compare(decoded, sample) === 0, `sample ${index}`);
    totalPage += block.length;
    total += run(sample, index % 16).length;
  }
  assert.ok(totalPage <= total * 1.01, `${totalPage} bytes, not ${total}`);
});

compress("compressPage() gives the same after any other page", () => {
  const input = mixture(7, 4096);
  const first = run(input, 0, "compressPage");
  run(mixture(8, 4096), 0, "compressPage");
  assert.equal(run(input, 0, "compressPage"), first);
});

compress.run();
