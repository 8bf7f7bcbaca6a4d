/**
 * Bytes to compress, the same at every run: from nothing to a full block, from all equal to noise.
 * @module
 */
import fc from "fast-check";

/** A small generator (xorshift32), so that recorded digests never depend on a library. */
function noise(seed: number): () => number {
  let state = seed * 2654435761 + 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** `length` bytes of stretches: noise, one byte repeated, a short pattern, or what came before. */
export function mixture(seed: number, length: number): Uint8Array {
  const next = noise(seed);
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    const stretch = Math.min(length - at, 1 + (next() % (1 << (1 + (next() % 12)))));
    const kind = next() % 4;
    const distance = 1 + (next() % Math.max(1, kind === 3 ? at : Math.min(at, 20)));
    const filling = next();
    for (const end = at + stretch; at < end; at++) {
      if (kind === 0 || at < distance) bytes[at] = next() >>> 7;
      else if (kind === 1) bytes[at] = filling;
      else bytes[at] = bytes[at - distance]!;
    }
  }
  return bytes;
}

/** Every short length, and the lengths around what the format treats specially. */
export const LENGTHS: readonly number[] = [
  ...Array.from({ length: 70 }, (_, length) => length),
  ...[255, 256, 269, 270, 271, 272, 273, 274, 525, 526, 4095, 4096, 4097],
  ...[20_000, 65_535, 65_536],
];

/** A sample for each length and seed. */
export function samples(seeds: number): Uint8Array[] {
  return LENGTHS.flatMap((length) =>
    Array.from({ length: seeds }, (_, seed) => mixture(seed * 65_537 + length, length)),
  );
}

/** Any mixture up to a block. */
export const anyMixture: fc.Arbitrary<Uint8Array> = fc
  .tuple(fc.nat(0x7fffffff), fc.oneof(fc.nat(300), fc.nat(65_536)))
  .map(([seed, length]) => mixture(seed, length));

/** The set bits of a bitmap of `bits` bits that lies `skew` bytes from an aligned address. */
export interface Bits {
  readonly bits: number;
  readonly set: readonly number[];
  readonly skew: number;
}

/** Bitmaps of every density, from empty to full, alone and in stretches of both kinds. */
export const anyBits: fc.Arbitrary<Bits> = fc
  .record({
    bits: fc.integer({ min: 1, max: 6_000 }),
    density: fc.constantFrom(0, 0.0005, 0.004, 0.02, 0.07, 0.1, 0.5, 0.9, 0.99, 1),
    stretch: fc.constantFrom(1, 1, 16, 600),
    skew: fc.nat(15),
    seed: fc.nat(0x7fffffff),
  })
  .map(({ bits, density, stretch, skew, seed }) => {
    const next = noise(seed);
    const set: number[] = [];
    for (let at = 0; at < bits; at += stretch) {
      const filled = next() / 2 ** 32 < density;
      for (let bit = at; filled && bit < Math.min(at + stretch, bits); bit++) set.push(bit);
    }
    return { bits, set, skew };
  });
