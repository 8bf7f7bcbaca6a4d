// LZ4 block compression, of one block of at most 64 KiB.
//
// The format is lz4's doc/lz4_Block_format.md. The search (hash of four bytes, 13 bits, one
// candidate, faster steps where nothing is found) is the one of LZ4_compress_default 1.9.4 for
// inputs of this size, so the output is the same byte for byte.

const MATCH_MIN: u32 = 4;
/** The format ends a block with at least five literals... */
const LITERALS_LAST: u32 = 5;
/** ...and starts no match in the last twelve bytes. */
const MATCH_LIMIT: u32 = 12;
/** After 64 fruitless steps each step is one byte longer, after 128 two, and so on. */
const SKIP_SHIFT: u32 = 6;
const HASH_BITS: u32 = 13;

/** Last position of each hash, as u16: what bounds a block to 64 KiB. */
const table: usize = memory.data((1 << HASH_BITS) * 2, 16);

/**
 * Compresses `length` bytes (at most 64 KiB) at `source` to `target`, which must have room for the
 * worst case, and returns the compressed length. 15 bytes behind either end may be touched.
 */
export function compress(source: usize, length: u32, target: usize): u32 {
  const end = source + length;
  let anchor = source;
  let out = target;
  if (length > MATCH_LIMIT) {
    memory.fill(table, 0, (1 << HASH_BITS) * 2);
    const limit = end - MATCH_LIMIT + 1;
    let found = search(source, source + 1, limit);
    while (found !== 0) {
      let at = <usize>(found >> 32);
      let match = <usize>(found & 0xffffffff);
      while (at > anchor && match > source && load<u8>(at - 1) === load<u8>(match - 1)) {
        at--;
        match--;
      }
      let token = out;
      out = writeLiterals(anchor, <u32>(at - anchor), out);
      while (match !== 0) {
        const more = countEqual(at + MATCH_MIN, match + MATCH_MIN, end - LITERALS_LAST);
        out = writeMatch(token, out, <u32>(at - match), more);
        at += MATCH_MIN + more;
        match = at < limit ? follow(source, at) : 0;
        if (match === 0) break;
        token = out++;
        store<u8>(token, 0);
      }
      anchor = at;
      found = at < limit ? search(source, at + 1, limit) : 0;
    }
  }
  return <u32>(writeLiterals(anchor, <u32>(end - anchor), out) - target);
}

/** The next position from `at` on with an earlier match: (position << 32 | match), or 0. */
function search(source: usize, at: usize, limit: usize): u64 {
  let step: usize = 1;
  let tries: u32 = 1 << SKIP_SHIFT;
  let slot = slotOf(load<u32>(at));
  while (true) {
    const next = at + step;
    step = tries++ >> SKIP_SHIFT;
    if (next > limit) return 0;
    const match = source + load<u16>(slot);
    store<u16>(slot, <u16>(at - source));
    if (load<u32>(match) === load<u32>(at)) return ((<u64>at) << 32) | <u64>match;
    slot = slotOf(load<u32>(next));
    at = next;
  }
}

/** The match of the four bytes right behind another match, or 0. */
function follow(source: usize, at: usize): usize {
  store<u16>(slotOf(load<u32>(at - 2)), <u16>(at - 2 - source));
  const slot = slotOf(load<u32>(at));
  const match = source + load<u16>(slot);
  store<u16>(slot, <u16>(at - source));
  return load<u32>(match) === load<u32>(at) ? match : 0;
}

/** Where the table keeps the hash of four bytes: Knuth's multiplicative one, as lz4 has it. */
function slotOf(four: u32): usize {
  return table + (((four * 2654435761) >> (32 - HASH_BITS)) << 1);
}

/** How many bytes are equal from `a` and `b` on, `a` (the later one) not passing `limit`. */
function countEqual(a: usize, b: usize, limit: usize): u32 {
  const start = a;
  while (limit - a >= 8) {
    const difference = load<u64>(a) ^ load<u64>(b);
    if (difference !== 0) return <u32>(a - start) + (<u32>ctz(difference) >> 3);
    a += 8;
    b += 8;
    // Long matches go on sixteen bytes a step.
    while (limit - a >= 16 && i8x16.all_true(i8x16.eq(v128.load(a), v128.load(b)))) {
      a += 16;
      b += 16;
    }
  }
  while (a < limit && load<u8>(a) === load<u8>(b)) {
    a++;
    b++;
  }
  return <u32>(a - start);
}

/** Writes a token with its literals at `out`, and returns what comes behind. */
function writeLiterals(from: usize, length: u32, out: usize): usize {
  store<u8>(out, <u8>(min(length, 15) << 4));
  out = length >= 15 ? writeLength(out + 1, length - 15) : out + 1;
  const end = out + length;
  for (; out < end; out += 16, from += 16) v128.store(out, v128.load(from));
  return end;
}

/** Writes the distance and the length (over four) of a match, and returns what comes behind. */
function writeMatch(token: usize, out: usize, distance: u32, more: u32): usize {
  store<u16>(out, <u16>distance);
  store<u8>(token, load<u8>(token) | <u8>min(more, 15));
  return more >= 15 ? writeLength(out + 2, more - 15) : out + 2;
}

/** Writes what a token's four bits cannot hold: bytes of 255, then the rest. */
function writeLength(out: usize, length: u32): usize {
  const full = length / 255;
  memory.fill(out, 255, full);
  store<u8>(out + full, <u8>(length - full * 255));
  return out + full + 1;
}
