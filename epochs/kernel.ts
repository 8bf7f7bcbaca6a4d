/**
 * The one typed wrapper over the WASM core (assembly/index.ts).
 *
 * A kernel owns one linear memory: a window of guest pages, scratch for encoding and decoding, and
 * behind them a shadow of up to 512 MiB. Compile the module once, make a kernel for each owner: it
 * is not re-entrant. Every view that a method returns is valid until the next call.
 * @module
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { SystemError } from "../protocol/error.ts";

export const PAGE_BYTES = 4096;
export const WINDOW_PAGES = 256;
export const WINDOW_BYTES = WINDOW_PAGES * PAGE_BYTES;
/** The unit of compression. */
export const BLOCK_BYTES = 64 * 1024;
/** The most shadow that one kernel holds: far enough below the 4 GiB of a WASM memory. */
export const SHADOW_BYTES_MAX = 512 * 1024 * 1024;
/** The longest bitmap that `runs` and `list` take: 16 GiB of pages. */
export const BITMAP_BYTES_MAX = 512 * 1024;
/** The longest difference that travels as one: assembly/delta.ts. */
export const DELTA_BYTES_MAX = 3072;
/** A window of blocks that are all stored as they are, each behind its length. */
export const ENCODED_BYTES_MAX = WINDOW_BYTES + (WINDOW_BYTES / BLOCK_BYTES) * 4;
/** The most numbers that one call of `list` gives. */
export const LIST_MAX = 8192;
/** The words of /proc/PID/pagemap that one call of `pagemap` takes: 512 MiB of pages. */
export const PAGEMAP_WORDS_MAX = WINDOW_BYTES / 8;

/** Bits of such a word (Linux, Documentation/admin-guide/mm/pagemap.rst). */
export const PAGEMAP_SOFT_DIRTY = 1n << 55n;
export const PAGEMAP_WRITE_PROTECTED = 1n << 57n;
export const PAGEMAP_SWAPPED = 1n << 62n;
export const PAGEMAP_PRESENT = 1n << 63n;

const WASM = new URL("../assembly/build/release.wasm", import.meta.url);
/** The unit of WASM memory. */
const MEMORY_PAGE_BYTES = 64 * 1024;

/** Neighbours in a bitmap. */
export interface Run {
  readonly start: number;
  readonly length: number;
}

/** The exports of assembly/index.ts, as raw as WebAssembly gives them. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly PAIRS_MAX: WebAssembly.Global<"i32">;
  readonly window: WebAssembly.Global<"i32">;
  readonly staged: WebAssembly.Global<"i32">;
  readonly encoded: WebAssembly.Global<"i32">;
  readonly changed: WebAssembly.Global<"i32">;
  readonly zero: WebAssembly.Global<"i32">;
  readonly deltas: WebAssembly.Global<"i32">;
  readonly lengths: WebAssembly.Global<"i32">;
  readonly check: WebAssembly.Global<"i32">;
  readonly bitmap: WebAssembly.Global<"i32">;
  readonly pairs: WebAssembly.Global<"i32">;
  compare(current: number, shadow: number, count: number, out: number): number;
  zeroPages(pages: number, selected: number, count: number, out: number): number;
  copyPages(from: number, selected: number, count: number, to: number): void;
  gatherPages(from: number, selected: number, excepted: number, count: number, to: number): number;
  list(bitmap: number, bits: number, from: number, out: number, max: number): number;
  pagemap(words: number, count: number, mask: bigint, out: number): number;
  popcount(bitmap: number, bytes: number): number;
  runs(bitmap: number, bits: number, from: number, gap: number, out: number, max: number): number;
  compress(source: number, length: number, target: number): number;
  decompress(source: number, length: number, target: number, targetLength: number): number;
  encodeDelta(count: number, shadow: number): number;
  decodeDelta(count: number, total: number): number;
  encodeBlocks(length: number): number;
  decodeBlocks(length: number, rawLength: number): number;
}

/** A stream of differences and whole pages, staged for `encodeStaged`: assembly/delta.ts. */
export interface DeltaStream {
  readonly bytes: number;
  /** One bit a page of the window: which travel as differences. */
  readonly deltas: Uint8Array;
  /** How long each of those is, as u16 one behind the other. */
  readonly lengths: Uint8Array;
  /** A hash over what they come to. */
  readonly check: bigint;
}

/** Which pages of a window a stream has, in bits of whole bytes; see `DeltaStream`. */
export interface DeltaPages extends Pick<DeltaStream, "deltas" | "lengths"> {
  readonly pages: number;
  readonly changed: Uint8Array;
  readonly zero: Uint8Array;
}

/** Compiles the WASM core, once a process. `npm run build` makes the file. */
export function loadKernelModule(path: string | URL = WASM): WebAssembly.Module {
  try {
    return new WebAssembly.Module(readFileSync(path));
  } catch (cause) {
    throw new SystemError("FILE_FAILED", `Cannot load the WASM core from ${path}`, { cause });
  }
}

/** See the head of this file. `shadowBytes` (a multiple of 4096, or 0) is reserved at once. */
export class Kernel {
  readonly shadowBytes: number;
  /** The guest's pages as they are now: read into it, then call `compare` or `selectAll`. */
  readonly window: Uint8Array;
  /** After `compare` or `selectAll`: one bit a page of the window, least significant first. */
  readonly changed: Uint8Array;
  /** After `zeroPages`: which of the changed pages are all zero. */
  readonly zero: Uint8Array;
  /** Room for 512 KiB of bits: what `pagemap` fills, and what other bitmaps are copied to. */
  readonly bitmap: Uint8Array;
  private readonly deltas: Uint8Array;
  private readonly lengths: Uint8Array;
  private readonly check: BigUint64Array;
  private readonly exports: Exports;
  private readonly memory: Uint8Array;
  private readonly shadow: number;
  private readonly pairs: Uint32Array;

  constructor(module: WebAssembly.Module, shadowBytes = 0) {
    assert(shadowBytes >= 0 && shadowBytes <= SHADOW_BYTES_MAX, `shadow of ${shadowBytes} bytes`);
    assert(shadowBytes % PAGE_BYTES === 0, `shadow of ${shadowBytes} bytes: no whole pages`);
    this.exports = new WebAssembly.Instance(module).exports as unknown as Exports;
    this.shadowBytes = shadowBytes;
    this.shadow = grow(this.exports.memory, shadowBytes);
    const { memory, window, changed, zero, bitmap, pairs, PAIRS_MAX } = this.exports;
    this.memory = new Uint8Array(memory.buffer);
    this.window = this.view(window, WINDOW_BYTES);
    this.changed = this.view(changed, WINDOW_PAGES / 8);
    this.zero = this.view(zero, WINDOW_PAGES / 8);
    this.bitmap = this.view(bitmap, BITMAP_BYTES_MAX);
    this.deltas = this.view(this.exports.deltas, WINDOW_PAGES / 8);
    this.lengths = this.view(this.exports.lengths, WINDOW_PAGES * 2);
    this.check = new BigUint64Array(memory.buffer, this.exports.check.value, 1);
    this.pairs = new Uint32Array(memory.buffer, pairs.value, PAIRS_MAX.value * 2);
  }

  /** How many of the window's first `pages` differ from the shadow at `offset` (bytes). */
  compare(offset: number, pages: number): number {
    const { compare, window, changed } = this.exports;
    return compare(window.value, this.shadowAt(offset, pages), pages, changed.value);
  }

  /** Marks the window's first `pages` as changed, whatever the shadow holds. */
  selectAll(pages: number): void {
    assert(pages > 0 && pages <= WINDOW_PAGES, `window of ${pages} pages`);
    this.changed.fill(0);
    this.changed.fill(0xff, 0, pages >> 3);
    if (pages % 8 !== 0) this.changed[pages >> 3] = (1 << (pages % 8)) - 1;
  }

  /** How many of the changed pages are all zero; `zero` says which. */
  zeroPages(pages: number): number {
    assert(pages > 0 && pages <= WINDOW_PAGES, `window of ${pages} pages`);
    const { zeroPages, window, changed, zero } = this.exports;
    return zeroPages(window.value, changed.value, pages, zero.value);
  }

  /** Packs the changed pages that are not zero for `encodeStaged`; the view holds them. */
  gather(pages: number): Uint8Array {
    assert(pages > 0 && pages <= WINDOW_PAGES, `window of ${pages} pages`);
    const { gatherPages, window, changed, zero, staged } = this.exports;
    const target = staged.value;
    const length = gatherPages(window.value, changed.value, zero.value, pages, target);
    return this.view(staged, length);
  }

  /** Copies the changed pages of the window into the shadow at `offset` (bytes). */
  updateShadow(offset: number, pages: number): void {
    const { copyPages, window, changed } = this.exports;
    copyPages(window.value, changed.value, pages, this.shadowAt(offset, pages));
  }

  /** Fills the window's first `pages` from the shadow at `offset` (bytes). */
  readShadow(offset: number, pages: number): void {
    const from = this.shadowAt(offset, pages);
    this.memory.copyWithin(this.exports.window.value, from, from + pages * PAGE_BYTES);
  }

  /** The reverse of `gather` with no page zero: puts the changed pages at their places. */
  spread(changed: Uint8Array, pages: number, content: Uint8Array): void {
    this.changed.set(changed);
    let packed = 0;
    for (const { start, length } of this.runs(this.changed, pages)) {
      const from = packed;
      packed += length * PAGE_BYTES;
      this.window.set(content.subarray(from, packed), start * PAGE_BYTES);
    }
    assert.equal(packed, content.length, "content of other pages");
  }

  /**
   * Stages the window's changed pages as differences against the shadow at `offset` (bytes), and
   * brings the shadow up to them.
   */
  encodeDelta(offset: number, pages: number): DeltaStream {
    const shadow = this.shadowAt(offset, pages);
    const bytes = this.exports.encodeDelta(pages, shadow);
    const deltas = this.deltas.subarray(0, Math.ceil(pages / 8));
    const lengths = this.lengths.subarray(0, 2 * countBits(deltas));
    return { bytes, deltas, lengths, check: this.check[0]! };
  }

  /**
   * The reverse, of the `bytes` that `decodeBlocks` has just staged: makes the data pages at their
   * places in the window, where the old ones are, and returns the hash over those that were
   * differences. Throws FRAME_CORRUPT; the window is then worth nothing.
   */
  decodeDelta({ pages, changed, zero, deltas, lengths }: DeltaPages, bytes: number): bigint {
    assert(pages > 0 && pages <= WINDOW_PAGES, `window of ${pages} pages`);
    assert(lengths.length === 2 * countBits(deltas), "lengths of other pages");
    this.changed.set(changed);
    this.zero.set(zero);
    this.deltas.set(deltas);
    this.lengths.set(lengths);
    if (this.exports.decodeDelta(pages, bytes) !== 0) {
      throw new SystemError("FRAME_CORRUPT", "Cannot decode: no XBZRLE of such a page");
    }
    return this.check[0]!;
  }

  /** The runs among the first `bits` of a bitmap; at most `gap` clear bits are swallowed. */
  runs(bitmap: Uint8Array, bits: number, gap = 0): Run[] {
    this.takeBitmap(bitmap, bits);
    const { exports } = this;
    const max = exports.PAIRS_MAX.value;
    const found: Run[] = [];
    for (let from = 0, count = max; count === max; ) {
      count = exports.runs(exports.bitmap.value, bits, from, gap, exports.pairs.value, max);
      for (let pair = 0; pair < count; pair++) {
        const start = this.pairs[pair * 2]!;
        const length = this.pairs[pair * 2 + 1]!;
        found.push({ start, length });
        from = start + length;
      }
    }
    return found;
  }

  /**
   * The numbers of the bits that are set among the first `bits` of a bitmap, from bit `from` on. If
   * there are LIST_MAX, there may be more: call again with `from` behind the last one.
   */
  list(bitmap: Uint8Array, bits: number, from = 0): Uint32Array {
    this.takeBitmap(bitmap, bits);
    const { exports } = this;
    const { value } = exports.pairs;
    return this.pairs.subarray(0, exports.list(exports.bitmap.value, bits, from, value, LIST_MAX));
  }

  /** How many of the first `bytes` * 8 bits of a bitmap are set. */
  popcount(bitmap: Uint8Array, bytes = bitmap.length): number {
    this.takeBitmap(bitmap, bytes * 8);
    return this.exports.popcount(this.exports.bitmap.value, bytes);
  }

  /**
   * Takes the window as `count` words of /proc/PID/pagemap, and sets the bit of each that has any
   * bit of `mask`, in `bitmap` from bit `first` (a multiple of 8) on. Returns how many there are.
   */
  pagemap(count: number, mask: bigint, first = 0): number {
    assert(count >= 0 && count <= PAGEMAP_WORDS_MAX, `${count} words`);
    assert(first >= 0 && first % 8 === 0, `bit ${first}`);
    assert(first + count <= BITMAP_BYTES_MAX * 8, `bit ${first}`);
    const { pagemap, window, bitmap } = this.exports;
    return pagemap(window.value, count, mask, bitmap.value + first / 8);
  }

  /** Puts bytes (at most 1 MiB) where `encodeStaged` takes them. */
  stage(bytes: Uint8Array): void {
    assert(bytes.length <= WINDOW_BYTES, `${bytes.length} bytes`);
    this.memory.set(bytes, this.exports.staged.value);
  }

  /** The first `length` staged bytes as LZ4 blocks of 64 KiB: form in assembly/blocks.ts. */
  encodeStaged(length: number): Uint8Array {
    assert(length >= 0 && length <= WINDOW_BYTES, `${length} bytes`);
    return this.view(this.exports.encoded, this.exports.encodeBlocks(length));
  }

  /** The reverse: exactly `rawLength` (at most 1 MiB) bytes, or FRAME_CORRUPT. */
  decodeBlocks(bytes: Uint8Array, rawLength: number): Uint8Array {
    assert(rawLength >= 0 && rawLength <= WINDOW_BYTES, `${rawLength} bytes`);
    this.takeEncoded(bytes);
    if (this.exports.decodeBlocks(bytes.length, rawLength) !== 0) throw corrupt(bytes, rawLength);
    return this.view(this.exports.staged, rawLength);
  }

  /** One LZ4 block of at most 64 KiB, without a length before it. */
  compress(bytes: Uint8Array): Uint8Array {
    assert(bytes.length <= BLOCK_BYTES, `${bytes.length} bytes`);
    this.stage(bytes);
    const { staged, encoded, compress } = this.exports;
    return this.view(encoded, compress(staged.value, bytes.length, encoded.value));
  }

  /** The reverse: exactly `rawLength` (at most 1 MiB) bytes, or FRAME_CORRUPT. */
  decompress(bytes: Uint8Array, rawLength: number): Uint8Array {
    assert(rawLength >= 0 && rawLength <= WINDOW_BYTES, `${rawLength} bytes`);
    this.takeEncoded(bytes);
    const { staged, encoded, decompress } = this.exports;
    const answer = decompress(encoded.value, bytes.length, staged.value, rawLength);
    if (answer !== 0) throw corrupt(bytes, rawLength);
    return this.view(staged, rawLength);
  }

  private takeEncoded(bytes: Uint8Array): void {
    if (bytes.length > ENCODED_BYTES_MAX) throw corrupt(bytes, WINDOW_BYTES);
    this.memory.set(bytes, this.exports.encoded.value);
  }

  /** A bitmap that is the kernel's own is there already. */
  private takeBitmap(bytes: Uint8Array, bits: number): void {
    assert(bits <= bytes.length * 8 && bytes.length <= BITMAP_BYTES_MAX, `${bits} bits`);
    const { memory, bitmap } = this.exports;
    if (bytes.buffer === memory.buffer && bytes.byteOffset === bitmap.value) return;
    this.memory.set(bytes, bitmap.value);
  }

  private shadowAt(offset: number, pages: number): number {
    assert(pages > 0 && pages <= WINDOW_PAGES, `window of ${pages} pages`);
    assert(offset >= 0 && offset % PAGE_BYTES === 0, `shadow offset ${offset}`);
    assert(offset + pages * PAGE_BYTES <= this.shadowBytes, `shadow offset ${offset}`);
    return this.shadow + offset;
  }

  private view(start: WebAssembly.Global<"i32">, length: number): Uint8Array {
    return this.memory.subarray(start.value, start.value + length);
  }
}

/** How many bits of a bitmap are set. */
export function countBits(bitmap: Uint8Array): number {
  let total = 0;
  for (const byte of bitmap) for (let bits = byte; bits !== 0; bits &= bits - 1) total++;
  return total;
}

/** Appends the shadow; never done again, since it would detach every view. */
function grow(memory: WebAssembly.Memory, bytes: number): number {
  try {
    return memory.grow(Math.ceil(bytes / MEMORY_PAGE_BYTES)) * MEMORY_PAGE_BYTES;
  } catch (cause) {
    throw new SystemError("NO_SPACE", `Cannot reserve ${bytes} bytes of shadow`, { cause });
  }
}

function corrupt(bytes: Uint8Array, rawLength: number): SystemError {
  const detail = { encodedBytes: bytes.length, rawBytes: rawLength };
  return new SystemError("FRAME_CORRUPT", "Cannot decompress: not such an LZ4 block", { detail });
}
