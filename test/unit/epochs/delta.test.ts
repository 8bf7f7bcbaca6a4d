import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  compressBytes,
  decodePages,
  decompressBytes,
  encodePages,
  parsePagesHeader,
  type WindowChange,
} from "../../../epochs/delta.ts";
import { Kernel, loadKernelModule, PAGE_BYTES, WINDOW_BYTES } from "../../../epochs/kernel.ts";
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

/** What a payload writes: page number -> content. Fails if it writes a page twice. */
function written(payload: Uint8Array): Map<number, Buffer> {
  const pages = new Map<number, Buffer>();
  decodePages(kernel, payload, RAM_BYTES, ({ position, length, bytes }) => {
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
  decodePages(kernel, payload, RAM_BYTES, ({ position, length, bytes }) => {
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
  ["another codec", set(1, 1), /codec/],
  ["a window of no pages", set(2, 0, 0), /window/],
  ["a window of 257 pages", set(2, 1, 1), /window/],
  ["more changed pages than bits", set(4, 4), /changed/],
  ["more data pages than there are", set(6, 3), /data pages/],
  ["a window past the end of RAM", set(8, 0xff, 0x3f), /end of RAM/],
  ["a first page of 2^64 - 1", set(8, ...new Array(8).fill(255)), /end of RAM/],
  ["a raw length that contradicts", set(16, 1), /raw length/],
  ["an encoded length that contradicts", set(20, 1, 0, 0, 0), /encoded length/],
  ["a reserved byte", set(31, 1), /reserved/],
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
    const message = faultOf(() => decodePages(kernel, payload, RAM_BYTES, () => runs++));
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
