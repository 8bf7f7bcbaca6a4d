/**
 * Mutation of byte strings under a seed: the same seed gives the same inputs for ever.
 * @module
 */

/** A whole number in [0, bound). */
export type Pick = (bound: number) => number;

/** Mulberry32 (T. Ettinger, public domain): 32 bits of state are plenty to choose mutations. */
export function seededPick(seed: number): Pick {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  };
}

/** Where lengths, signs and limits break. */
const INTERESTING = [
  0, 1, 2, 0x0a, 0x20, 0x22, 0x5c, 0x7b, 0x7d, 0x7f, 0x80, 0xff, 0x100, 0x1000, 0x7fff, 0x8000,
  0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
];
const STACKED_MAX = 4;
const INSERTED_BYTES_MAX = 64;

type Mutation = (bytes: Buffer, pick: Pick, other: Uint8Array) => Buffer;

const flipBit: Mutation = (bytes, pick) => {
  const at = pick(bytes.length);
  bytes[at] = bytes[at]! ^ (1 << pick(8));
  return bytes;
};

const setByte: Mutation = (bytes, pick) => {
  bytes[pick(bytes.length)] = pick(256);
  return bytes;
};

const setInteresting: Mutation = (bytes, pick) => {
  const value = INTERESTING[pick(INTERESTING.length)]!;
  const width = [1, 2, 4][pick(3)]!;
  if (bytes.length < width) return bytes;
  const at = pick(bytes.length - width + 1);
  const cut = value % 2 ** (8 * width);
  if (pick(2) === 0) bytes.writeUIntBE(cut, at, width);
  else bytes.writeUIntLE(cut, at, width);
  return bytes;
};

const truncate: Mutation = (bytes, pick) => bytes.subarray(0, pick(bytes.length));

const remove: Mutation = (bytes, pick) => {
  const [from, to] = range(bytes, pick);
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
};

const repeat: Mutation = (bytes, pick) => {
  const [from, to] = range(bytes, pick);
  return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)]);
};

const insert: Mutation = (bytes, pick) => {
  const at = pick(bytes.length + 1);
  const added = Buffer.alloc(1 + pick(INSERTED_BYTES_MAX), pick(256));
  return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at)]);
};

const splice: Mutation = (bytes, pick, other) =>
  Buffer.concat([bytes.subarray(0, pick(bytes.length + 1)), other.subarray(pick(other.length))]);

const MUTATIONS = [
  flipBit,
  setByte,
  setByte,
  setInteresting,
  truncate,
  remove,
  repeat,
  insert,
  splice,
] as const;

/** A changed copy of `bytes`, at most `bytesMax` long; `other` lends a part to a splice. */
export function mutate(
  bytes: Uint8Array,
  other: Uint8Array,
  pick: Pick,
  bytesMax: number,
): Uint8Array {
  let copy: Buffer = Buffer.from(bytes);
  for (let left = 1 + pick(STACKED_MAX); left > 0; left--) {
    const mutation = copy.length === 0 ? insert : MUTATIONS[pick(MUTATIONS.length)]!;
    copy = mutation(copy, pick, other);
  }
  return new Uint8Array(copy.subarray(0, bytesMax));
}

function range(bytes: Buffer, pick: Pick): [from: number, to: number] {
  const from = pick(bytes.length);
  return [from, from + 1 + pick(bytes.length - from)];
}
