/**
 * A set of numbers below a size, as a bitmap that knows how many it holds.
 * @module
 */
import assert from "node:assert/strict";

const BITS_SET = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let bits = byte; bits !== 0; bits &= bits - 1) count++;
  return count;
});

export class Bits {
  readonly size: number;
  private readonly bytes: Uint8Array;
  private total = 0;

  constructor(size: number) {
    this.size = size;
    this.bytes = new Uint8Array(Math.ceil(size / 8));
  }

  /** How many there are. */
  get count(): number {
    return this.total;
  }

  has(index: number): boolean {
    return (this.bytes[index >> 3]! & (1 << (index & 7))) !== 0;
  }

  /** Adds `from` up to, and without, `end`. */
  addRange(from: number, end: number): void {
    assert(from >= 0 && end <= this.size, `${from} to ${end} of ${this.size}`);
    for (let index = from; index < end; ) {
      const whole = (index & 7) === 0 && index + 8 <= end;
      const at = index >> 3;
      this.put(at, this.bytes[at]! | (whole ? 0xff : 1 << (index & 7)));
      index += whole ? 8 : 1;
    }
  }

  removeRange(from: number, end: number): void {
    assert(from >= 0 && end <= this.size, `${from} to ${end} of ${this.size}`);
    for (let index = from; index < end; index++) {
      const at = index >> 3;
      this.put(at, this.bytes[at]! & ~(1 << (index & 7)));
    }
  }

  /** Adds those whose bits are set in `bitmap`, which begins at `first`, a multiple of 8. */
  addBitmap(first: number, bitmap: Uint8Array): void {
    assert(first % 8 === 0, `first ${first}`);
    const start = first / 8;
    for (const [at, bits] of bitmap.entries()) {
      if (bits !== 0) this.put(start + at, this.bytes[start + at]! | bits);
    }
  }

  addAll(other: Bits): void {
    assert.equal(other.size, this.size, "sets of different sizes");
    this.addBitmap(0, other.bytes);
  }

  addEverything(): void {
    this.addRange(0, this.size);
  }

  clear(): void {
    this.bytes.fill(0);
    this.total = 0;
  }

  /** The lowest one that is not below `from`; undefined if there is none. */
  next(from: number): number | undefined {
    if (from >= this.size) return undefined;
    const first = from >> 3;
    let bits = this.bytes[first]! & (0xff << (from & 7));
    for (let at = first; ; bits = this.bytes[at]!) {
      if (bits !== 0) return at * 8 + (31 - Math.clz32(bits & -bits));
      at++;
      if (at >= this.bytes.length) return undefined;
    }
  }

  /** Where the run of them that begins at `from` ends, at most at `end`. */
  runEnd(from: number, end: number): number {
    let index = from;
    while (index < end && this.has(index)) index++;
    return index;
  }

  /** Takes those of `length` from `first` on, both multiples of 8, out of the set. */
  take(first: number, length: number): Uint8Array {
    const from = first / 8;
    const taken = this.bytes.slice(from, from + length / 8);
    for (let at = from; at < from + taken.length; at++) this.put(at, 0);
    return taken;
  }

  private put(at: number, bits: number): void {
    const before = this.bytes[at];
    assert(before !== undefined, "past the end");
    this.total += BITS_SET[bits]! - BITS_SET[before]!;
    this.bytes[at] = bits;
  }
}
