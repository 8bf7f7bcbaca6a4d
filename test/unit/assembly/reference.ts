/**
 * Each kernel again, in plain TypeScript, one byte at a time: slow, and plainly right.
 * @module
 */

export const PAGE = 4096;

/** Whether bit `index` is set, least significant first. */
export function bitAt(bitmap: Uint8Array, index: number): boolean {
  return (bitmap[index >> 3]! & (1 << (index & 7))) !== 0;
}

/** A bitmap with exactly these bits set. */
export function bitmapOf(bits: Iterable<number>, length: number): Uint8Array {
  const bitmap = new Uint8Array(Math.ceil(length / 8));
  for (const bit of bits) bitmap[bit >> 3]! |= 1 << (bit & 7);
  return bitmap;
}

export function bitsOf(bitmap: Uint8Array, length: number): number[] {
  return Array.from({ length }, (_, bit) => bit).filter((bit) => bitAt(bitmap, bit));
}

export function comparePages(current: Uint8Array, shadow: Uint8Array): number[] {
  const pages = Array.from({ length: current.length / PAGE }, (_, page) => page);
  return pages.filter((page) => {
    for (let at = page * PAGE; at < (page + 1) * PAGE; at++) {
      if (current[at] !== shadow[at]) return true;
    }
    return false;
  });
}

/** The pages whose word of /proc/PID/pagemap has any bit of `mask`. */
export function pagemapOf(words: BigUint64Array, mask: bigint): number[] {
  return [...words].flatMap((word, page) => ((word & mask) !== 0n ? [page] : []));
}

/** Runs of [start, length] of set bits; up to `gap` clear bits between two are swallowed. */
export function runsOf(bits: readonly number[], gap: number): [number, number][] {
  const runs: [number, number][] = [];
  for (const bit of bits) {
    const last = runs.at(-1);
    if (last !== undefined && bit - (last[0] + last[1]) <= gap) last[1] = bit + 1 - last[0];
    else runs.push([bit, 1]);
  }
  return runs;
}

/** LZ4 block decoding by lz4_Block_format.md; undefined if it is not a block of that length. */
export function lz4Decode(block: Uint8Array, length: number): Uint8Array | undefined {
  const out: number[] = [];
  let at = 0;
  const extended = (nibble: number): number => {
    let total = nibble;
    for (let more = nibble === 15 ? 255 : 0; more === 255; total += more) {
      more = block[at++] ?? Number.NaN;
    }
    return total;
  };
  while (at < block.length) {
    const token = block[at++]!;
    const literals = extended(token >> 4);
    if (!(literals <= block.length - at && literals <= length - out.length)) return undefined;
    for (let i = 0; i < literals; i++) out.push(block[at++]!);
    if (at === block.length) return out.length === length ? Uint8Array.from(out) : undefined;
    if (block.length - at < 2) return undefined;
    const distance = block[at]! | (block[at + 1]! << 8);
    at += 2;
    const match = extended(token & 15) + 4;
    if (distance === 0 || distance > out.length) return undefined;
    if (!(match + 5 <= length - out.length)) return undefined;
    for (let i = 0; i < match; i++) out.push(out[out.length - distance]!);
  }
  return undefined;
}

/** From here on LZ4_compress_default hashes five bytes and looks at distances. */
const WIDE_BYTES = 65_536 + 11;

/** LZ4 block encoding with the search of LZ4_compress_default on 64-bit machines. */
export function lz4Encode(input: Uint8Array): Uint8Array {
  const out: number[] = [];
  const table = new Uint32Array(1 << 13);
  const wide = input.length >= WIDE_BYTES;
  const four = (at: number): number =>
    input[at]! | (input[at + 1]! << 8) | (input[at + 2]! << 16) | (input[at + 3]! << 24);
  const hash = (at: number): number => (wide ? hashFive(input, at) : hashFour(four(at)));
  const lookUp = (at: number): number | undefined => {
    const slot = hash(at);
    const match = table[slot]!;
    table[slot] = at;
    return four(match) === four(at) && at - match < 65_536 ? match : undefined;
  };
  const last = input.length - 12;
  let anchor = 0;
  let at = 1;
  if (last > 0) table[hash(0)] = 0;
  while (at <= last) {
    const [found, match] = lz4Search(at, last, lookUp);
    if (match === undefined) break;
    let back = 0;
    while (found - back > anchor && match > back) {
      if (input[found - back - 1] !== input[match - back - 1]) break;
      back++;
    }
    let start = found - back;
    let from: number | undefined = match - back;
    while (from !== undefined) {
      let length = 4;
      const limit = input.length - 5;
      while (start + length < limit && input[start + length] === input[from + length]) length++;
      lz4Sequence(out, input.subarray(anchor, start), start - from, length);
      anchor = start + length;
      start = anchor;
      if (start > last) break;
      table[hash(start - 2)] = start - 2;
      from = lookUp(start);
    }
    at = start + 1;
  }
  lz4Sequence(out, input.subarray(anchor), 0, 0);
  return Uint8Array.from(out);
}

function hashFour(four: number): number {
  return Math.imul(four, 2654435761) >>> 19;
}

function hashFive(input: Uint8Array, at: number): number {
  const eight = Buffer.from(input.buffer, input.byteOffset + at, 8).readBigUInt64LE();
  return Number(BigInt.asUintN(64, BigInt.asUintN(64, eight << 24n) * 889523592379n) >> 52n);
}

/** Looks at ever fewer positions while nothing is found. */
function lz4Search(
  from: number,
  last: number,
  lookUp: (at: number) => number | undefined,
): [at: number, match: number | undefined] {
  let step = 1;
  for (let at = from, tries = 64; ; tries++) {
    if (at + step > last + 1) return [at, undefined];
    const match = lookUp(at);
    if (match !== undefined) return [at, match];
    at += step;
    step = tries >> 6;
  }
}

function lz4Sequence(out: number[], literals: Uint8Array, distance: number, length: number): void {
  const extend = (total: number): void => {
    if (total < 15) return;
    for (let rest = total - 15; ; rest -= 255) {
      out.push(Math.min(rest, 255));
      if (rest < 255) return;
    }
  };
  const match = Math.max(length - 4, 0);
  out.push((Math.min(literals.length, 15) << 4) | Math.min(match, 15));
  extend(literals.length);
  out.push(...literals);
  if (distance === 0) return;
  out.push(distance & 0xff, distance >> 8);
  extend(match);
}
