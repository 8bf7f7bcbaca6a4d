import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { instantiate } from "./raw.ts";
import { PAGE } from "./reference.ts";
import { mixture } from "./samples.ts";
import { uleb128, xbzrleDecode, xbzrleEncode } from "./xbzrle-reference.ts";

const { kernels, bytes, free } = instantiate();
const xbzrle = suite("xbzrle");
const BAND = 64;
/** What the encoder may touch behind its output. */
const SLACK = 15;
const OLD = free + 4096;
const CURRENT = OLD + 4 * PAGE;
const TARGET = CURRENT + 4 * PAGE;
const END = bytes.length;
const VECTORS = new URL("../../../../shared/data/xbzrle/vectors.jsonl.xz", import.meta.url);

/** The encoding, 0 or -1, of pages at `skew` off the alignment; checks what is around it. */
function encode(
  old: Uint8Array,
  current: Uint8Array,
  { limit = PAGE, merge = 0, skew = 0 } = {},
): Uint8Array | number {
  const target = TARGET + ((skew * 5) % 16);
  bytes.set(old, OLD + skew);
  // Behind the pages lies what differs, were their end not heeded.
  bytes.fill(1, OLD + skew + old.length, OLD + skew + old.length + BAND);
  bytes.set(current, CURRENT + ((skew * 7) % 16));
  bytes.fill(0xee, target - BAND, target + limit + BAND);
  const at = CURRENT + ((skew * 7) % 16);
  const length = kernels.xbzrleEncode(OLD + skew, at, current.length, target, limit, merge);
  assert.ok(length <= limit, `${length} bytes`);
  assert.ok(isBand(target - BAND, target), "wrote before its target");
  assert.ok(isBand(target + limit + SLACK, target + limit + BAND), "wrote behind its target");
  return length <= 0 ? length : bytes.slice(target, target + length);
}

/** The page that was `old`, or undefined; checks what is around it. */
function decode(
  encoding: Uint8Array,
  old: Uint8Array,
  source = OLD,
  page = TARGET,
): { page: Uint8Array; covered: number } | undefined {
  bytes.fill(0xee, page - BAND, Math.min(END, page + old.length + BAND));
  bytes.set(old, page);
  bytes.set(encoding, source);
  const covered = kernels.xbzrleDecode(source, encoding.length, page, old.length);
  assert.ok(isBand(page - BAND, page), "wrote before the page");
  const behind = Math.min(END, page + old.length + BAND);
  assert.ok(isBand(page + old.length, behind), "wrote behind the page");
  assert.equal(bytes.slice(source, source + encoding.length), encoding, "wrote its input");
  if (covered < 0) return undefined;
  return { page: bytes.slice(page, page + old.length), covered };
}

function isBand(start: number, end: number): boolean {
  return bytes.subarray(start, end).every((byte) => byte === 0xee);
}

/** Changes `old` at the given [start, length] ranges. */
function change(old: Uint8Array, runs: readonly (readonly [number, number])[]): Uint8Array {
  const current = Uint8Array.from(old);
  for (const [start, length] of runs) {
    for (let at = start; at < Math.min(start + length, current.length); at++) current[at]! ^= 0x5a;
  }
  return current;
}

/** A pair of pages of any length up to QEMU's: short runs, long ones, many or few. */
const anyPair = fc
  .tuple(
    fc.oneof(fc.constant(PAGE), fc.nat(300), fc.nat(PAGE)),
    fc.nat(1_000_000),
    fc.oneof(
      fc.array(fc.tuple(fc.nat(PAGE), fc.integer({ min: 1, max: 300 })), { maxLength: 20 }),
      fc.array(fc.tuple(fc.nat(PAGE), fc.integer({ min: 1, max: 20 })), { maxLength: 400 }),
    ),
  )
  .map(([length, seed, runs]) => {
    const old = mixture(seed, length);
    return [old, change(old, runs)] as const;
  });

interface Vector {
  readonly name: string;
  readonly old: string;
  readonly new: string;
  readonly length: number;
  readonly encoded: string | null;
}

xbzrle("xbzrleEncode() and xbzrleDecode() do what QEMU does, for every recorded pair", () => {
  if (!existsSync(VECTORS)) {
    console.log("skipped: QEMU's vectors are not there");
    return;
  }
  const text = execFileSync("xz", ["-dc", VECTORS.pathname], { maxBuffer: 1 << 26 }).toString();
  const vectors = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Vector);
  assert.is(vectors.length, 180);
  for (const [index, vector] of vectors.entries()) {
    const old = Buffer.from(vector.old, "base64");
    const current = Buffer.from(vector.new, "base64");
    const encoding = encode(old, current, { skew: index % 16 });
    if (typeof encoding === "number") {
      assert.is(encoding, vector.length, vector.name);
      continue;
    }
    assert.is(Buffer.from(encoding).toString("base64"), vector.encoded, vector.name);
    assert.is(Buffer.compare(decode(encoding, old)!.page, current), 0, vector.name);
  }
  assert.ok(
    vectors.some(({ length }) => length === PAGE),
    "no vector fills a page exactly",
  );
});

xbzrle("xbzrleEncode() gives the bytes of the scalar reference, and those decode", () => {
  let refused = 0;
  fc.assert(
    fc.property(anyPair, fc.nat(PAGE + 8), fc.nat(15), ([old, current], limit, skew) => {
      const encoding = encode(old, current, { limit, skew });
      const expected = xbzrleEncode(old, current, limit);
      if (encoding === -1) refused++;
      if (typeof encoding === "number") {
        assert.is(encoding, expected === undefined ? -1 : expected.length);
        return;
      }
      assert.equal(encoding, expected);
      assert.equal(decode(encoding, old, OLD + skew, TARGET + ((skew * 3) % 16))?.page, current);
    }),
    { seed: 1, numRuns: 600 },
  );
  assert.ok(refused > 20, `only ${refused} overflowed: the test proves nothing`);
});

xbzrle("xbzrleEncode() takes a run of any length anywhere, with any tail behind it", () => {
  const old = mixture(3, 200);
  for (let tail = 0; tail < 66; tail++) {
    const length = 134 + tail;
    const page = old.subarray(0, length);
    for (const run of [1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 129]) {
      for (const start of new Set([0, 1, tail, length - run])) {
        const current = change(page, [[start, run]]);
        const expected = xbzrleEncode(page, current, PAGE)!;
        assert.equal(encode(page, current, { skew: run % 16 }), expected, `${start} ${run}`);
        assert.equal(decode(expected, page)?.page, current, `${start} ${run}`);
      }
    }
  }
});

xbzrle("xbzrleDecode() takes runs of every length at every alignment, up to the very end", () => {
  const old = mixture(4, 400);
  for (let run = 1; run <= 140; run++) {
    for (let skew = 0; skew < 16; skew++) {
      const current = change(old, [
        [skew, run],
        [skew + run + 1, 3],
        [400 - (run % 17) - 1, 20],
      ]);
      const encoding = xbzrleEncode(old, current, PAGE)!;
      const decoded = decode(encoding, old, OLD + skew, TARGET + ((run * 3) % 16));
      assert.equal(decoded?.page, current, `run ${run}, skew ${skew}`);
    }
  }
});

xbzrle("xbzrleEncode() refuses one byte under the length and takes the length itself", () => {
  const old = mixture(5, PAGE);
  for (const runs of [
    [[0, 1]],
    [
      [5, 100],
      [300, 200],
    ],
    [[0, PAGE]],
    [[4000, 96]],
  ] as const) {
    const current = change(old, runs);
    const { length } = xbzrleEncode(old, current, 2 * PAGE)!;
    assert.is(encode(old, current, { limit: length - 1 }), -1);
    assert.is((encode(old, current, { limit: length }) as Uint8Array).length, length);
  }
  assert.is(encode(old, old, { limit: 0 }), 0);
});

xbzrle("xbzrleEncode() may merge over one equal byte, and is then never longer", () => {
  let shorter = 0;
  fc.assert(
    fc.property(anyPair, fc.integer({ min: 1, max: 5 }), ([old, changed], step) => {
      // Every so many bytes, one is as it was.
      const current = changed.map((byte, at) => (at % (step * 3) === 0 ? old[at]! : byte));
      const merged = encode(old, current, { merge: 1, limit: 2 * PAGE });
      const plain = encode(old, current, { limit: 2 * PAGE });
      if (typeof merged === "number" || typeof plain === "number") {
        assert.is(merged, plain);
        return;
      }
      assert.ok(merged.length <= plain.length);
      if (merged.length < plain.length) shorter++;
      assert.equal(decode(merged, old)?.page, current);
    }),
    { seed: 1, numRuns: 200 },
  );
  assert.ok(shorter > 30, `only ${shorter} were shorter`);
  const old = new Uint8Array(PAGE);
  const encoding = encode(
    old,
    change(old, [
      [10, 2],
      [13, 2],
    ]),
    { merge: 1 },
  );
  assert.equal(encoding, Uint8Array.from([10, 5, 0x5a, 0x5a, 0, 0x5a, 0x5a]));
});

xbzrle("an encoding applied twice, or over its half-new page, gives the same page", () => {
  fc.assert(
    fc.property(anyPair, fc.nat(), ([old, current], cut) => {
      const encoding = xbzrleEncode(old, current, 2 * PAGE)!;
      assert.equal(decode(encoding, current)?.page, current);
      const half = Uint8Array.from(old);
      half.set(current.subarray(0, cut % (current.length + 1)));
      assert.equal(decode(encoding, half)?.page, current);
    }),
    { seed: 1, numRuns: 100 },
  );
});

const FIVE = [1, 2, 3, 4, 5];
const TWENTY = new Array<number>(20).fill(9);
const refused: readonly [name: string, encoding: readonly number[]][] = [
  ["a run of equal bytes without one of others", [3]],
  ["a length cut in two", [0x83]],
  ["a length of other bytes cut in two", [0, 0x83]],
  ["a length of three bytes", [0x80, 0x80, 1, 1, 1]],
  ["a length of other bytes of three bytes", [0, 0x80, 0x80, 1]],
  ["a length longer than need be", [0x83, 0, 1, 1]],
  ["a length of other bytes longer than need be", [3, 0x81, 0]],
  ["no other bytes", [3, 0, 1, 1]],
  ["a second run without equal bytes before it", [3, 1, 7, 0, 1, 7]],
  ["such a run with much behind it", [3, 1, 7, 0, 1, 7, ...TWENTY, ...TWENTY]],
  ["other bytes past the input", [0, 6, ...FIVE]],
  ["equal bytes past the page", [...uleb128(1000), 5, ...FIVE]],
  ["short runs past the page", [...uleb128(900), 1, 7, 110, 5, ...FIVE, ...TWENTY]],
  ["other bytes past the page", [...uleb128(996), 5, ...FIVE]],
  ["a long run past the page", [...uleb128(990), 20, ...TWENTY]],
  ["equal bytes up to the page's end", [...uleb128(1000), 0]],
];

for (const [name, encoding] of refused) {
  xbzrle(`xbzrleDecode() refuses ${name}`, () => {
    assert.is(decode(Uint8Array.from(encoding), new Uint8Array(1000)), undefined);
    assert.is(xbzrleDecode(Uint8Array.from(encoding), new Uint8Array(1000)), undefined);
  });
}

xbzrle("xbzrleDecode() agrees with the scalar reference on noise and on what was damaged", () => {
  let accepted = 0;
  const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 });
  fc.assert(
    fc.property(anyPair, flips, fc.nat(40), fc.nat(15), ([old, current], damage, cut, skew) => {
      const whole = xbzrleEncode(old, current, 3 * PAGE)!;
      for (const [at, value] of damage) if (whole.length > 0) whole[at % whole.length] = value;
      const bad = whole.subarray(0, Math.max(0, whole.length - (cut < 20 ? 0 : cut - 20)));
      const decoded = decode(bad, old, OLD + skew, TARGET + ((skew * 3) % 16));
      const expected = xbzrleDecode(bad, old);
      assert.equal(decoded, expected);
      if (decoded !== undefined) accepted++;
    }),
    { seed: 1, numRuns: 800 },
  );
  assert.ok(accepted > 50 && accepted < 750, `${accepted} were taken`);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(600), (noise, length) => {
      const old = mixture(length, length);
      assert.equal(decode(noise, old), xbzrleDecode(noise, old));
    }),
    { seed: 2, numRuns: 4000 },
  );
});

// A read or write behind the end of the memory is a trap.
xbzrle("xbzrleDecode() touches nothing behind its input or its page at the memory's end", () => {
  const old = mixture(6, 300);
  for (let run = 1; run < 40; run++) {
    const current = change(old, [
      [20, 5],
      [60, run],
      [300 - run, run],
    ]);
    const encoding = xbzrleEncode(old, current, PAGE)!;
    assert.equal(decode(encoding, old, END - encoding.length)?.page, current);
    assert.equal(decode(encoding, old, OLD, END - 300)?.page, current);
    for (let length = 0; length < encoding.length; length++) {
      const cut = encoding.subarray(0, length);
      assert.equal(decode(cut, old, END - length), xbzrleDecode(cut, old));
    }
  }
});

xbzrle.run();
