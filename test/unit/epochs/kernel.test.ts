import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  BITMAP_BYTES_MAX,
  BLOCK_BYTES,
  DELTA_BYTES_MAX,
  ENCODED_BYTES_MAX,
  Kernel,
  LIST_MAX,
  loadKernelModule,
  PAGE_BYTES,
  PAGEMAP_SOFT_DIRTY,
  PAGEMAP_WORDS_MAX,
  PAGEMAP_WRITE_PROTECTED,
  SHADOW_BYTES_MAX,
  WINDOW_BYTES,
  WINDOW_PAGES,
} from "../../../epochs/kernel.ts";
import { SystemError } from "../../../protocol/error.ts";
import { bitmapOf, bitsOf, lz4Decode, lz4Encode, runsOf } from "../assembly/reference.ts";
import { mixture } from "../assembly/samples.ts";

const module = loadKernelModule();
const kernel = suite("Kernel");

function isCorrupt(thrown: unknown): boolean {
  return thrown instanceof SystemError && thrown.code === "FRAME_CORRUPT";
}

kernel("Kernel and the WASM core agree on their limits", () => {
  const exports = new WebAssembly.Instance(module).exports;
  const limit = (name: string): number => (exports[name] as WebAssembly.Global<"i32">).value;
  assert.is(limit("PAGE_BYTES"), PAGE_BYTES);
  assert.is(limit("WINDOW_PAGES"), WINDOW_PAGES);
  assert.is(limit("BLOCK_BYTES"), BLOCK_BYTES);
  assert.is(limit("BITMAP_BYTES"), BITMAP_BYTES_MAX);
  assert.is(limit("PAIRS_MAX") * 2, LIST_MAX);
  assert.is(limit("DELTA_BYTES_MAX"), DELTA_BYTES_MAX);
});

kernel("loadKernelModule() says which file it cannot load", () => {
  assert.throws(() => loadKernelModule("/nonexistent.wasm"), /nonexistent/);
});

kernel("compare() finds, gather() packs and updateShadow() forgets what changed", () => {
  const owner = new Kernel(module, 3 * WINDOW_BYTES);
  const offset = WINDOW_BYTES + 8 * PAGE_BYTES;
  owner.window.fill(0);
  owner.window.fill(5, 2 * PAGE_BYTES, 4 * PAGE_BYTES);
  assert.is(owner.compare(offset, 10), 2);
  assert.equal(bitsOf(owner.changed, WINDOW_PAGES), [2, 3]);
  assert.is(owner.zeroPages(10), 0);
  assert.is(owner.gather(10).length, 2 * PAGE_BYTES);
  owner.updateShadow(offset, 10);
  assert.is(owner.compare(offset, 10), 0);
  assert.is(owner.compare(offset + PAGE_BYTES, 10), 2);
});

kernel("selectAll() marks exactly the pages of the window", () => {
  const owner = new Kernel(module);
  for (let pages = 1; pages <= WINDOW_PAGES; pages++) {
    owner.selectAll(pages);
    assert.is(bitsOf(owner.changed, WINDOW_PAGES).length, pages);
    assert.is(bitsOf(owner.changed, pages).length, pages);
  }
});

kernel("compare() refuses a shadow range that is not there", () => {
  const owner = new Kernel(module, WINDOW_BYTES);
  for (const [offset, pages] of [
    [PAGE_BYTES, WINDOW_PAGES],
    [WINDOW_BYTES, 1],
    [-PAGE_BYTES, 1],
    [1, 1],
    [0, WINDOW_PAGES + 1],
    [0, 0],
  ] as const) {
    assert.throws(() => owner.compare(offset, pages), /shadow offset|window of/);
  }
});

kernel("Kernel refuses a shadow that is too large or no whole pages", () => {
  assert.throws(() => new Kernel(module, SHADOW_BYTES_MAX + PAGE_BYTES), /shadow/);
  assert.throws(() => new Kernel(module, 100), /shadow/);
});

kernel("runs() finds more runs than one call of the core can give", () => {
  const owner = new Kernel(module);
  const every = Array.from({ length: 10_000 }, (_, index) => index * 3);
  const runs = owner.runs(bitmapOf(every, 30_000), 30_000);
  assert.equal(
    runs.map(({ start, length }) => [start, length]),
    runsOf(every, 0),
  );
  assert.equal(owner.runs(bitmapOf(every, 30_000), 30_000, 2), [{ start: 0, length: 29_998 }]);
});

kernel("list() gives the numbers in parts, and popcount() how many there are", () => {
  const owner = new Kernel(module);
  const every = Array.from({ length: 10_000 }, (_, index) => index * 3);
  const bitmap = bitmapOf(every, 30_000);
  const first = [...owner.list(bitmap, 30_000)];
  assert.is(first.length, LIST_MAX);
  const rest = [...owner.list(bitmap, 30_000, first.at(-1)! + 1)];
  assert.equal([...first, ...rest], every);
  assert.is(owner.popcount(bitmap), 10_000);
  assert.is(owner.popcount(bitmap, 3), 8);
  assert.throws(() => owner.list(bitmap, 30_001), /bits/);
  assert.throws(() => owner.popcount(bitmap, bitmap.length + 1), /bits/);
});

kernel("pagemap() puts the words of the window behind those of the call before", () => {
  const owner = new Kernel(module);
  const words = new BigUint64Array(owner.window.buffer, owner.window.byteOffset, 100);
  words.fill(0n);
  words[3] = PAGEMAP_SOFT_DIRTY;
  words[99] = PAGEMAP_SOFT_DIRTY | PAGEMAP_WRITE_PROTECTED;
  assert.is(owner.pagemap(96, PAGEMAP_SOFT_DIRTY), 1);
  assert.is(owner.pagemap(100, PAGEMAP_WRITE_PROTECTED, 96), 1);
  assert.equal([...owner.list(owner.bitmap, 196)], [3, 195]);
  assert.equal(owner.runs(owner.bitmap, 196, 200), [{ start: 3, length: 193 }]);
});

kernel("pagemap() refuses what is not in the window or the bitmap", () => {
  const owner = new Kernel(module);
  const last = BITMAP_BYTES_MAX * 8 - 8;
  assert.is(owner.pagemap(8, PAGEMAP_SOFT_DIRTY, last), 0);
  for (const [count, first] of [
    [PAGEMAP_WORDS_MAX + 1, 0],
    [8, 4],
    [8, -8],
    [9, last],
  ] as const) {
    assert.throws(() => owner.pagemap(count, PAGEMAP_SOFT_DIRTY, first), /words|bit/);
  }
});

kernel("encodeStaged() stores what does not compress, and decodeBlocks() gives it back", () => {
  const owner = new Kernel(module);
  for (const length of [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1, WINDOW_BYTES]) {
    const noise = new Uint8Array(length);
    for (let at = 0; at < length; at += BLOCK_BYTES) {
      crypto.getRandomValues(noise.subarray(at, at + BLOCK_BYTES));
    }
    owner.stage(noise);
    const encoded = owner.encodeStaged(length).slice();
    assert.is(encoded.length, length + Math.ceil(length / BLOCK_BYTES) * 4);
    assert.ok(encoded.length <= ENCODED_BYTES_MAX);
    assert.is(Buffer.compare(owner.decodeBlocks(encoded, length), noise), 0);
  }
});

kernel("compress() makes the LZ4 block that the reference makes too", () => {
  const owner = new Kernel(module);
  const bytes = mixture(3, 100_000);
  const first = lz4Encode(bytes.subarray(0, BLOCK_BYTES));
  assert.is(Buffer.compare(owner.compress(bytes.subarray(0, BLOCK_BYTES)), first), 0);
  assert.is(Buffer.compare(owner.decompress(first, BLOCK_BYTES), bytes.slice(0, BLOCK_BYTES)), 0);
});

kernel("encodeStaged() makes LZ4 blocks of 64 KiB, each behind its length", () => {
  const owner = new Kernel(module);
  const bytes = mixture(3, 100_000);
  owner.stage(bytes);
  const encoded = Buffer.from(owner.encodeStaged(bytes.length));
  const second = 4 + encoded.readUInt32LE(0);
  assert.is(second + 4 + encoded.readUInt32LE(second), encoded.length);
  const blocks = [encoded.subarray(4, second), encoded.subarray(second + 4)];
  const contents = [bytes.subarray(0, BLOCK_BYTES), bytes.subarray(BLOCK_BYTES)];
  for (const [index, content] of contents.entries()) {
    const block = blocks[index]!;
    assert.is(Buffer.compare(lz4Decode(block, content.length)!, content), 0);
    assert.ok(block.length < lz4Encode(content).length * 1.02, "about as short as LZ4's own");
  }
});

kernel("decodeDelta() makes the pages that encodeDelta() was given", () => {
  const pages = 40;
  const owner = new Kernel(module, 3 * WINDOW_BYTES);
  const offset = WINDOW_BYTES + 8 * PAGE_BYTES;
  const old = mixture(5, pages * PAGE_BYTES);
  owner.window.set(old);
  owner.selectAll(pages);
  owner.updateShadow(offset, pages);
  const current = Uint8Array.from(old);
  for (const page of [0, 7, 8, 39]) current[page * PAGE_BYTES + 100 * page]! ^= 1;
  current.fill(0, 9 * PAGE_BYTES, 10 * PAGE_BYTES);
  crypto.getRandomValues(current.subarray(20 * PAGE_BYTES, 21 * PAGE_BYTES));
  owner.window.set(current);
  assert.is(owner.compare(offset, pages), 6);
  assert.is(owner.zeroPages(pages), 1);
  const stream = owner.encodeDelta(offset, pages);
  const [changed, zero] = [owner.changed.slice(0, 5), owner.zero.slice(0, 5)];
  const [deltas, lengths] = [stream.deltas.slice(), stream.lengths.slice()];
  assert.equal(bitsOf(deltas, pages), [0, 7, 8, 39]);
  assert.is(stream.bytes, PAGE_BYTES + 4 * 3 + 3);
  // What decodes it is another kernel, which holds the old pages.
  const receiver = new Kernel(module);
  const blocks = owner.encodeStaged(stream.bytes).slice();
  receiver.window.set(old);
  receiver.decodeBlocks(blocks, stream.bytes);
  const check = receiver.decodeDelta({ pages, changed, zero, deltas, lengths }, stream.bytes);
  assert.is(check, stream.check);
  current.set(old.subarray(9 * PAGE_BYTES, 10 * PAGE_BYTES), 9 * PAGE_BYTES);
  const made = receiver.window.subarray(0, current.length);
  assert.is(Buffer.compare(made, current), 0);
  // The shadow has followed, zero page and all.
  owner.window.set(current);
  owner.window.fill(0, 9 * PAGE_BYTES, 10 * PAGE_BYTES);
  assert.is(owner.compare(offset, pages), 0);
});

kernel("spread() puts pages back where gather() found them", () => {
  const pages = 100;
  const owner = new Kernel(module);
  const content = mixture(3, pages * PAGE_BYTES);
  owner.window.set(content);
  owner.zero.fill(0);
  for (const numbers of [
    [0],
    [99],
    [0, 1, 2, 50, 98, 99],
    Array.from({ length: 100 }, (_, n) => n),
  ]) {
    owner.changed.fill(0);
    for (const page of numbers) owner.changed[page >> 3]! |= 1 << (page & 7);
    const changed = owner.changed.slice();
    const packed = owner.gather(pages).slice();
    assert.is(packed.length, numbers.length * PAGE_BYTES);
    const other = new Kernel(module);
    other.spread(changed, pages, packed);
    for (let page = 0; page < pages; page++) {
      const at = page * PAGE_BYTES;
      const expected = numbers.includes(page)
        ? content.subarray(at, at + PAGE_BYTES)
        : new Uint8Array(PAGE_BYTES);
      assert.is(Buffer.compare(other.window.subarray(at, at + PAGE_BYTES), expected), 0);
    }
    assert.throws(() => other.spread(changed, pages, packed.subarray(PAGE_BYTES)), /other pages/);
  }
});

kernel(
  "decodeDelta() refuses a stream of another length, and lengths that are none of its own",
  () => {
    const owner = new Kernel(module, WINDOW_BYTES);
    const [changed, zero, deltas] = [0b11, 0, 0b01].map((bits) => Uint8Array.of(bits));
    const whole = { pages: 2, changed: changed!, zero: zero!, deltas: deltas! };
    // One page of one other byte, one whole page.
    owner.stage(Uint8Array.of(0, 1, 9));
    const lengths = Uint8Array.of(3, 0);
    owner.decodeDelta({ ...whole, lengths }, 3 + PAGE_BYTES);
    for (const bytes of [0, 2, 3, 2 + PAGE_BYTES, 4 + PAGE_BYTES]) {
      assert.throws(() => owner.decodeDelta({ ...whole, lengths }, bytes), isCorrupt);
    }
    for (const length of [0, 2, 4]) {
      const bad = { ...whole, lengths: Uint8Array.of(length, 0) };
      assert.throws(() => owner.decodeDelta(bad, 3 + PAGE_BYTES), isCorrupt, `${length} bytes`);
    }
  },
);

/** A block as it travels: its length, with the top bit if it is stored, and its bytes. */
function framed(stored: boolean, length: number, ...bytes: number[]): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32LE(stored ? length + 0x8000_0000 : length);
  return Buffer.concat([head, Buffer.from(bytes)]);
}

const FIVE = [1, 2, 3, 4, 5];
const refused: readonly [name: string, bytes: Buffer, rawLength: number][] = [
  ["no block for some bytes", Buffer.alloc(0), 5],
  ["half a length", framed(true, 5).subarray(0, 3), 5],
  ["a length without its bytes", framed(true, 5), 5],
  ["a length of 2 GiB", framed(false, 0x7fff_ffff, ...FIVE), 5],
  ["a stored block that is too short", framed(true, 4, 1, 2, 3, 4), 5],
  ["a stored block that is too long", framed(true, 6, ...FIVE, 6), 5],
  ["a block that compression made longer", framed(false, 6, 0x50, ...FIVE), 5],
  ["a byte behind the last block", Buffer.concat([framed(true, 5, ...FIVE), Buffer.alloc(1)]), 5],
  ["a block for no bytes", framed(true, 0), 0],
];

for (const [name, bytes, rawLength] of refused) {
  kernel(`decodeBlocks() refuses ${name}`, () => {
    const owner = new Kernel(module);
    owner.decodeBlocks(framed(true, 5, ...FIVE), 5);
    assert.throws(() => owner.decodeBlocks(bytes, rawLength), isCorrupt);
  });
}

kernel("decodeBlocks() and decompress() refuse more than their input region holds", () => {
  const owner = new Kernel(module);
  const long = new Uint8Array(ENCODED_BYTES_MAX + PAGE_BYTES).fill(0xff);
  assert.throws(() => owner.decodeBlocks(long, 10), isCorrupt);
  assert.throws(() => owner.decompress(long, 10), isCorrupt);
  assert.equal(bitsOf(owner.changed, WINDOW_PAGES), [], "wrote behind the region");
});

kernel("decodeBlocks() gives the exact bytes or FRAME_CORRUPT, and leaves the shadow alone", () => {
  const owner = new Kernel(module, WINDOW_BYTES);
  const input = mixture(11, 150_000);
  owner.stage(input);
  const sound = owner.encodeStaged(input.length).slice();
  owner.window.fill(0);
  let refused = 0;
  fc.assert(
    fc.property(fc.nat(), fc.nat(255), fc.boolean(), (at, value, cut) => {
      const bad = sound.slice(0, cut ? at % sound.length : sound.length);
      if (!cut) bad[at % sound.length] = value;
      try {
        assert.is(owner.decodeBlocks(bad, input.length).length, input.length);
      } catch (thrown) {
        assert.ok(isCorrupt(thrown), String(thrown));
        refused++;
      }
      assert.is(owner.compare(0, WINDOW_PAGES), 0, "the shadow or the window was written");
    }),
    { seed: 1, numRuns: 300 },
  );
  assert.ok(refused > 150);
});

kernel.run();
