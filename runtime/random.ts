/**
 * Chance as an argument, so that a seed replays whatever it decided.
 * @module
 */
import { randomBytes } from "node:crypto";

export interface Random {
  bytes(count: number): Uint8Array;
  /** `count` random bytes as 2 x `count` hexadecimal digits. */
  hex(count: number): string;
  /** A random UUID (RFC 9562, version 4), in lower case. */
  uuid(): string;
  /** Uniform in [0, 1). */
  fraction(): number;
}

/** The system's cryptographic generator. */
export const realRandom: Random = over((count) => randomBytes(count));

/**
 * A reproducible sequence, for simulation and tests; never for secrets.
 * mulberry32 (Tommy Ettinger, public domain): 32 bits of state, period 2^32.
 */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return over((count) => Uint8Array.from({ length: count }, () => next() >>> 24));
}

function over(bytes: (count: number) => Uint8Array): Random {
  const hex = (count: number): string => Buffer.from(bytes(count)).toString("hex");
  return {
    bytes,
    hex,
    uuid() {
      const digits = bytes(16);
      digits[6] = (digits[6]! & 0x0f) | 0x40;
      digits[8] = (digits[8]! & 0x3f) | 0x80;
      const text = Buffer.from(digits).toString("hex");
      return text.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
    },
    /** 48 bits: more than any choice here needs. */
    fraction: () => Number.parseInt(hex(6), 16) / 2 ** 48,
  };
}
