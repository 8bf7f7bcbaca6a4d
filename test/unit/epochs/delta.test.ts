import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  compressBytes,
  decodePages,
  decompressBytes,
  encodePages,
  type WindowChange,
} from "../../../epochs/delta.ts";
import type { ReadInto } from "../../../epochs/guest-ram.ts";
import { Kernel, loadKernelModule, PAGE_BYTES, WINDOW_BYTES } from "../../../epochs/kernel.ts";
import { parsePagesHeader, writePages } from "../../../epochs/pages-header.ts";
import { Shadow } from "../../../epochs/shadow.ts";
import { SystemError } from "../../../protocol/error.ts";
import { bitmapOf, bitsOf } from "../assembly/reference.ts";
import { mixture } from "../assembly/samples.ts";

const kernel = new Kernel(loadKernelModule());
const delta = suite("delta");
const RAM_BYTES = 64 * WINDOW_BYTES;

/** A change of `pages` pages: which changed, and which of those are zero. */
function change(firstPage: number, pages: number, changed: number[], zero: number[]): WindowChange {
  const data = changed.length - zero.length;
  return {
    firstPage,
    pages,
    changed: bitmapOf(changed, pages),
    zero: bitmapOf(zero, pages),
    content: mixture(firstPage + pages, data * PAGE_BYTES),
  };
}

const anyChange = fc.integer({ min: 1, max: 256 }).chain((pages) =>
  fc
    .tuple(
      fc.nat(RAM_BYTES / PAGE_BYTES - pages),
      fc.uniqueArray(fc.nat(pages - 1), { minLength: 1 }),
      fc.uniqueArray(fc.nat(pages - 1)),
    )
    .map(([first, changed, zero]) => {
      return change(
        first,
        pages,
        changed,
        zero.filter((page) => changed.includes(page)),
      );
    }),
);

/** Whole pages do not ask what is there. */
const unread = (): number => {
  throw new Error("the receiver's pages were read");
};

/** What a payload writes: page number -> content. Fails if it writes a page twice. */
function written(payload: Uint8Array, readInto: ReadInto = unread): Map<number, Buffer> {
  const pages = new Map<number, Buffer>();
  decodePages(kernel, payload, RAM_BYTES, readInto, ({ position, length, bytes }) => {
    if (bytes !== "zero") assert.is(bytes.length, length);
    for (let offset = 0; offset < length; offset += PAGE_BYTES) {
      const page = (position + offset) / PAGE_BYTES;
      const content =
        bytes === "zero"
          ? Buffer.alloc(PAGE_BYTES)
          : Buffer.from(bytes.subarray(offset, offset + PAGE_BYTES));
      assert.not.ok(pages.has(page), `page ${page} twice`);
      pages.set(page, content);
    }
  });
  return pages;
}

/** What decoding threw, or undefined; any error but FRAME_CORRUPT is a failure. */
function faultOf(decode: () => void): string | undefined {
  try {
    decode();
    return undefined;
  } catch (thrown) {
    assert.ok(thrown instanceof SystemError && thrown.code === "FRAME_CORRUPT", String(thrown));
    return (thrown as SystemError).message;
  }
}

delta("decodePages() gives exactly the pages that encodePages() was given", () => {
  fc.assert(
    fc.property(anyChange, (input) => {
      const pages = written(encodePages(kernel, input));
      const changed = bitsOf(input.changed, input.pages);
      const expected = changed.map((page) => input.firstPage + page);
      assert.equal(
        [...pages.keys()].toSorted((a, b) => a - b),
        expected,
      );
      const zero = new Set(bitsOf(input.zero, input.pages));
      let offset = 0;
      for (const page of changed) {
        const content = pages.get(input.firstPage + page)!;
        const length = zero.has(page) ? 0 : PAGE_BYTES;
        const data = input.content.subarray(offset, offset + length);
        assert.is(Buffer.compare(content, length === 0 ? Buffer.alloc(PAGE_BYTES) : data), 0);
        offset += length;
      }
    }),
    { seed: 1, numRuns: 100 },
  );
});

delta("decodePages() hands neighbouring pages over as one run", () => {
  const runs: unknown[] = [];
  const payload = encodePages(kernel, change(100, 64, [1, 2, 3, 4, 5, 9, 63], [4, 5, 63]));
  decodePages(kernel, payload, RAM_BYTES, unread, ({ position, length, bytes }) => {
    runs.push([position / PAGE_BYTES, length / PAGE_BYTES, bytes === "zero"]);
  });
  assert.equal(runs, [
    [104, 2, true],
    [163, 1, true],
    [101, 3, false],
    [109, 1, false],
  ]);
});

delta("encodePages() sends a window of zeros in under 100 bytes", () => {
  const all = Array.from({ length: 256 }, (_, page) => page);
  assert.ok(encodePages(kernel, change(0, 256, all, all)).length < 100);
});

const set =
  (at: number, ...bytes: number[]) =>
  (payload: Buffer): Buffer => {
    payload.set(bytes, at);
    return payload;
  };
/** Faults in a payload of 12 pages at page 7: 0, 3 and 11 changed, 3 is zero. */
const faults: readonly [name: string, damage: (payload: Buffer) => Buffer, fault: RegExp][] = [
  ["no bytes", () => Buffer.alloc(0), /header/],
  ["half a header", (payload) => payload.subarray(0, 31), /header/],
  ["another version", set(0, 2), /version/],
  ["another codec", set(1, 2), /codec/],
  ["a window of no pages", set(2, 0, 0), /window/],
  ["a window of 257 pages", set(2, 1, 1), /window/],
  ["more changed pages than bits", set(4, 4), /changed/],
  ["more data pages than there are", set(6, 3), /data pages/],
  ["a window past the end of RAM", set(8, 0xff, 0x3f), /end of RAM/],
  ["a first page of 2^64 - 1", set(8, ...new Array(8).fill(255)), /end of RAM/],
  ["a raw length that contradicts", set(16, 1), /raw length/],
  ["an encoded length that contradicts", set(20, 1, 0, 0, 0), /encoded length/],
  ["a check of whole pages", set(31, 1), /check/],
  ["bitmaps cut short", (payload) => payload.subarray(0, 33), /bitmaps/],
  ["a changed bit past the window", set(33, 0x18), /past the window/],
  ["a zero bit of an unchanged page", set(34, 0x0a), /did not change/],
  ["nothing changed", set(4, 0, 0), /nothing/],
  ["a byte behind the end", (payload) => Buffer.concat([payload, Buffer.alloc(1)]), /encoded/],
  ["a block of another length", (payload) => set(36, payload[36]! ^ 1)(payload), /LZ4/],
];

for (const [name, damage, fault] of faults) {
  delta(`decodePages() refuses ${name} before it hands anything over`, () => {
    const payload = damage(encodePages(kernel, change(7, 12, [0, 3, 11], [3])));
    let runs = 0;
    const message = faultOf(() => decodePages(kernel, payload, RAM_BYTES, unread, () => runs++));
    assert.match(message ?? "accepted", fault);
    assert.is(runs, 0);
  });
}

delta("parsePagesHeader() takes the last page of RAM and not one behind it", () => {
  const last = RAM_BYTES / PAGE_BYTES - 1;
  const payload = encodePages(kernel, change(last, 1, [0], []));
  assert.is(parsePagesHeader(payload, RAM_BYTES).firstPage, last);
  const fault = faultOf(() => parsePagesHeader(payload, RAM_BYTES - PAGE_BYTES));
  assert.match(fault ?? "accepted", /end of RAM/);
});

delta("decodePages() of any damaged payload is FRAME_CORRUPT or writes whole pages in RAM", () => {
  let refused = 0;
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(anyChange, damage, fc.option(fc.nat()), (input, flips, cut) => {
      const payload = encodePages(kernel, input);
      for (const [at, value] of flips) payload[at % payload.length] = value;
      const bad = cut === null ? payload : payload.subarray(0, cut % payload.length);
      if (faultOf(() => written(bad)) !== undefined) refused++;
    }),
    { seed: 1, numRuns: 300 },
  );
  assert.ok(refused > 100);
});

/** A receiver's RAM of 16 pages behind page 240, and what a source makes of it. */
const BASE_AT = 240 * PAGE_BYTES;
const PAGES = 16;

function readFrom(ram: Uint8Array): ReadInto {
  return (view, position) => {
    const at = position - BASE_AT;
    view.set(ram.subarray(at, at + view.length));
    return view.length;
  };
}

/** The payload that makes `old` to `current`, by a shadow that holds `old`. */
function difference(old: Uint8Array, current: Uint8Array): Buffer {
  const shadow = new Shadow(loadKernelModule(), RAM_BYTES);
  for (const ram of [old, current]) {
    const found = shadow.scanWindow(readFrom(ram), BASE_AT, ram.length, "delta");
    const payloads = found.map((part) => shadow.encodeFound(part).payload);
    if (ram === current) return payloads[0]!;
  }
  throw new Error("nothing differs");
}

/** Pages that changed in a few bytes, in most of them, to zeros, from zeros, or not at all. */
function basePair(seed = 1): [old: Uint8Array, current: Uint8Array] {
  const old = mixture(seed, PAGES * PAGE_BYTES);
  old.fill(0, 5 * PAGE_BYTES, 6 * PAGE_BYTES);
  const current = Uint8Array.from(old);
  const fresh = mixture(seed + 1, PAGES * PAGE_BYTES);
  for (const page of [0, 3, 4, 15]) current[page * PAGE_BYTES + page * 7]! ^= 0x10;
  for (const page of [1, 8]) {
    for (let at = page * PAGE_BYTES; at < (page + 1) * PAGE_BYTES; at++) current[at]! ^= 0x80;
  }
  current.fill(0, 2 * PAGE_BYTES, 3 * PAGE_BYTES);
  current.set(fresh.subarray(0, 200), 5 * PAGE_BYTES + 100);
  return [old, current];
}

/** Does what a payload says to a copy of `ram`. */
function applied(payload: Uint8Array, ram: Uint8Array): Uint8Array {
  const result = Uint8Array.from(ram);
  for (const [page, content] of written(payload, readFrom(ram))) {
    result.set(content, page * PAGE_BYTES - BASE_AT);
  }
  return result;
}

delta("decodePages() makes differences to pages, and leaves the others alone", () => {
  const [old, current] = basePair();
  const payload = difference(old, current);
  const header = parsePagesHeader(payload, RAM_BYTES);
  assert.is(header.firstPage, 240);
  assert.equal(bitsOf(header.changed, PAGES), [0, 1, 2, 3, 4, 5, 8, 15]);
  assert.equal(bitsOf(header.zero, PAGES), [2]);
  assert.equal(bitsOf(header.differences!.deltas, PAGES), [0, 3, 4, 5, 15]);
  assert.ok(payload.length < 2.5 * PAGE_BYTES, `${payload.length} bytes`);
  assert.is(Buffer.compare(applied(payload, old), current), 0);
});

delta("decodePages() of differences that were applied already gives the same pages", () => {
  const [old, current] = basePair();
  const payload = difference(old, current);
  assert.is(Buffer.compare(applied(payload, current), current), 0);
  for (const half of [1, 100, 5000, 20_000, 40_000]) {
    const torn = Uint8Array.from(old);
    torn.set(current.subarray(0, half));
    assert.is(Buffer.compare(applied(payload, torn), current), 0, `${half} bytes were there`);
  }
});

delta("decodePages() refuses differences to other pages, and hands nothing over", () => {
  const [old, current] = basePair();
  const payload = difference(old, current);
  for (const page of [0, 3, 4, 5, 15]) {
    const other = Uint8Array.from(old);
    other[page * PAGE_BYTES + 4000]! ^= 1;
    let runs = 0;
    assert.throws(
      () => decodePages(kernel, payload, RAM_BYTES, readFrom(other), () => runs++),
      (thrown: unknown) => thrown instanceof SystemError && thrown.code === "BASE_DIFFERS",
    );
    assert.is(runs, 0);
  }
  // What comes whole does not depend on what was there.
  const other = Uint8Array.from(old);
  other.fill(1, PAGE_BYTES, 3 * PAGE_BYTES);
  assert.is(Buffer.compare(applied(payload, other), current), 0);
});

/** Faults in the payload of `basePair`: bitmaps at 32, 34 and 36, five lengths at 38. */
const deltaFaults: readonly [name: string, damage: (payload: Buffer) => Buffer, fault: RegExp][] = [
  ["a delta bitmap cut short", (payload) => payload.subarray(0, 37), /delta bitmap/],
  ["lengths cut short", (payload) => payload.subarray(0, 47), /lengths/],
  ["a difference of an unchanged page", set(36, 0x69), /without data/],
  ["a difference of a zero page", set(36, 0x35), /without data/],
  ["a difference of no bytes", set(38, 0, 0), /impossible length/],
  ["a difference that is too long", set(38, 0x01, 0x0c), /impossible length/],
  ["lengths that do not add up", set(38, 9), /raw length/],
  ["another check", (payload) => set(24, payload[24]! ^ 1)(payload), /other pages/],
];

for (const [name, damage, fault] of deltaFaults) {
  delta(`decodePages() refuses ${name} before it hands anything over`, () => {
    const [old, current] = basePair();
    const payload = damage(difference(old, current));
    let runs = 0;
    let message = "accepted";
    try {
      decodePages(kernel, payload, RAM_BYTES, readFrom(old), () => runs++);
    } catch (thrown) {
      assert.instance(thrown, SystemError);
      message = (thrown as SystemError).message;
    }
    assert.match(message, fault);
    assert.is(runs, 0);
  });
}

delta("decodePages() refuses XBZRLE that is none", () => {
  const [old, current] = basePair();
  const { blocks, differences, ...header } = parsePagesHeader(difference(old, current), RAM_BYTES);
  const stream = Uint8Array.from(kernel.decodeBlocks(blocks, header.rawBytes));
  // The first page's: no equal bytes, one other. A run of none is not in the format.
  assert.equal(stream.subarray(0, 2), Uint8Array.of(0, 1));
  stream[1] = 0;
  kernel.stage(stream);
  const bad = Uint8Array.from(kernel.encodeStaged(stream.length));
  const payload = writePages({ ...header, differences, blocks: bad });
  assert.match(faultOf(() => applied(payload, old)) ?? "accepted", /XBZRLE/);
});

delta("decodePages() of any damaged differences gives the right pages or none", () => {
  let refused = 0;
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 });
  const pairs = [1, 2, 3].map((seed) => basePair(seed));
  const payloads = pairs.map(([old, current]) => difference(old, current));
  fc.assert(
    fc.property(fc.nat(2), damage, (index, flips) => {
      const [old, current] = pairs[index]!;
      const bad = Buffer.from(payloads[index]!);
      for (const [at, value] of flips) bad[16 + (at % 300)] = value;
      try {
        const result = applied(bad, old);
        const { differences } = parsePagesHeader(bad, RAM_BYTES);
        for (const page of bitsOf(differences?.deltas ?? new Uint8Array(), PAGES)) {
          const [start, end] = [page * PAGE_BYTES, (page + 1) * PAGE_BYTES];
          assert.is(Buffer.compare(result.subarray(start, end), current.subarray(start, end)), 0);
        }
      } catch (thrown) {
        assert.instance(thrown, SystemError);
        assert.ok(["FRAME_CORRUPT", "BASE_DIFFERS"].includes((thrown as SystemError).code));
        refused++;
      }
    }),
    { seed: 1, numRuns: 500 },
  );
  assert.ok(refused > 150 && refused < 400, `${refused} refused`);
});

delta("decompressBytes() gives back what compressBytes() was given, of any length", () => {
  for (const length of [0, 1, 65_536, WINDOW_BYTES - 1, WINDOW_BYTES, 2 * WINDOW_BYTES + 77_777]) {
    const input = mixture(length, length);
    const encoded = compressBytes(kernel, input);
    assert.is(Buffer.compare(decompressBytes(kernel, encoded, length), input), 0, `${length}`);
  }
});

delta("decompressBytes() refuses a raw length over the limit before it allocates", () => {
  const encoded = compressBytes(kernel, mixture(1, 5000));
  assert.match(faultOf(() => decompressBytes(kernel, encoded, 4999)) ?? "accepted", /too long/);
  encoded.writeUInt32LE(0xffff_ffff, 4);
  const fault = faultOf(() => decompressBytes(kernel, encoded, 0xffff_ffff));
  assert.match(fault ?? "accepted", /cut short/);
});

delta("decompressBytes() refuses every truncation, any byte more, and a damaged header", () => {
  const encoded = compressBytes(kernel, mixture(5, 3000));
  for (let length = 0; length < encoded.length; length++) {
    const cut = encoded.subarray(0, length);
    assert.ok(
      faultOf(() => decompressBytes(kernel, cut, 10_000)),
      `${length} bytes`,
    );
  }
  const longer = Buffer.concat([encoded, Buffer.alloc(1)]);
  assert.match(faultOf(() => decompressBytes(kernel, longer, 10_000)) ?? "", /behind/);
  for (const [at, fault] of [
    [0, /version/],
    [1, /codec/],
    [3, /reserved/],
  ] as const) {
    const bad = set(at, 9)(Buffer.from(encoded));
    assert.match(faultOf(() => decompressBytes(kernel, bad, 10_000)) ?? "accepted", fault);
  }
});

delta.run();
