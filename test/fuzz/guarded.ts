/**
 * A range of a core's memory between two bands: what is written outside of it shows.
 * @module
 */
import type { RawInstance } from "../unit/assembly/raw.ts";

/** Bytes were written where none may be. */
export class StrayWrite extends Error {
  override readonly name = "StrayWrite";
}

const BAND_BYTES = 4_096;
const GUARD = 0xa5;
const BAND = Buffer.alloc(BAND_BYTES, GUARD);

export interface Guarded {
  /** Where the range begins. */
  readonly address: number;
  /** The range and what may be touched behind it: prepared, then checked. */
  prepare(length: number): Uint8Array;
  /**
   * @throws StrayWrite if a byte before the range changed, or one more than `slack` behind it
   */
  check(length: number, slack: number): void;
}

/** A range of at most `bytesMax` bytes from `at` on; the bands are around it. */
export function guarded({ bytes }: RawInstance, at: number, bytesMax: number): Guarded {
  const memory = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const address = at + BAND_BYTES;
  const endMax = address + bytesMax + BAND_BYTES;
  memory.fill(GUARD, at, endMax);
  let spoilt = 0;
  return {
    address,
    prepare(length) {
      // Whatever the last one may have touched is a band again.
      memory.fill(GUARD, address, Math.max(address + spoilt, address + length));
      spoilt = 0;
      return bytes.subarray(address, address + length);
    },
    check(length, slack) {
      spoilt = length + slack;
      const behind = address + spoilt;
      const before = memory.compare(BAND, 0, BAND_BYTES, at, address);
      const after = memory.compare(
        BAND,
        0,
        BAND_BYTES - slack,
        behind,
        behind + BAND_BYTES - slack,
      );
      if (before !== 0) throw new StrayWrite("Bytes before the range were written");
      if (after !== 0)
        throw new StrayWrite(`Bytes more than ${slack} behind the range were written`);
    },
  };
}
