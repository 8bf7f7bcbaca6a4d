// XBZRLE, QEMU's form of what differs between two pages: pairs of a run of equal bytes, given by
// its length, and a run of other bytes, given by its length and the new bytes as they are.
//
//   page = { zero-run length, non-zero-run length, bytes } ...    lengths in ULEB128
//
// Only the first length may be 0 and only that of equal bytes; equal bytes at the end are left out
// (QEMU's docs/devel/migration/xbzrle.rst). The new bytes are there verbatim, not as a difference:
// applied twice, or over a page that is half new already, an encoding gives the same page.
//
// The encoder compares 64 bytes a step into a mask of one bit a byte, and looks only at the places
// where the mask changes: most steps have none.

/**
 * Encodes what makes the `length` bytes (at most 16383: a longer run would take three bytes of
 * length) at `old` those at `current`, into at most `limit` bytes at `target`. Returns the encoded
 * length; 0 if all are equal; -1 if `limit` would be exceeded. With `merge` 1, one equal byte
 * between two others may be taken for one of them: shorter, and QEMU's decoder takes it too.
 * Up to 15 bytes behind `current` may be read, and behind `limit` at `target` be written.
 */
export function xbzrleEncode(
  old: usize,
  current: usize,
  length: u32,
  target: usize,
  limit: u32,
  merge: u32,
): i32 {
  const end = target + limit;
  let out = target;
  // Where the run that is open began, and whether it is one of other bytes.
  let mark: u32 = 0;
  let open: u64 = 0;
  for (let base: u32 = 0; base < length; base += 64) {
    const whole = length - base >= 64;
    let mask = whole
      ? differing(old + base, current + base)
      : differingTail(old, current, base, length);
    if (merge !== 0) mask |= (mask << 1) & (mask >> 1);
    let edges = mask ^ ((mask << 1) | open);
    while (edges !== 0) {
      const edge = base + <u32>ctz(edges);
      edges &= edges - 1;
      if (open !== 0) {
        out = writeRun(current + mark, edge - mark, out, end);
        if (out === 0) return -1;
      } else {
        out = writeLength(out, edge - mark);
      }
      open ^= 1;
      mark = edge;
    }
  }
  if (open !== 0) {
    out = writeRun(current + mark, length - mark, out, end);
    if (out === 0) return -1;
  }
  return <i32>(out - target);
}

/** Which of 64 bytes differ, the first in the lowest bit. */
function differing(a: usize, b: usize): u64 {
  const e0 = i8x16.bitmask(i8x16.eq(v128.load(a, 0), v128.load(b, 0)));
  const e1 = i8x16.bitmask(i8x16.eq(v128.load(a, 16), v128.load(b, 16)));
  const e2 = i8x16.bitmask(i8x16.eq(v128.load(a, 32), v128.load(b, 32)));
  const e3 = i8x16.bitmask(i8x16.eq(v128.load(a, 48), v128.load(b, 48)));
  const low = <u32>e0 | ((<u32>e1) << 16);
  const high = <u32>e2 | ((<u32>e3) << 16);
  return ~(<u64>low | ((<u64>high) << 32));
}

/** The same for what is left of the range, less than 64 bytes, without touching what is behind. */
function differingTail(a: usize, b: usize, from: u32, to: u32): u64 {
  let mask: u64 = 0;
  for (let at = from; at < to; at++) {
    if (load<u8>(a + at) !== load<u8>(b + at)) mask |= (<u64>1) << (at - from);
  }
  return mask;
}

/** Writes a run of other bytes and returns what comes behind; 0 if it does not end by `end`. */
function writeRun(from: usize, length: u32, out: usize, end: usize): usize {
  // The length before may have passed the end already.
  if (<i32>(end - out) < <i32>length + (length < 128 ? 1 : 2)) return 0;
  out = writeLength(out, length);
  const stop = out + length;
  for (; out < stop; out += 16, from += 16) v128.store(out, v128.load(from));
  return stop;
}

/** ULEB128 of at most 14 bits. */
function writeLength(out: usize, length: u32): usize {
  if (length < 128) {
    store<u8>(out, <u8>length);
    return out + 1;
  }
  store<u16>(out, <u16>((length & 127) | 128 | ((length >> 7) << 8)));
  return out + 2;
}

/**
 * Brings the `pageLength` bytes at `page` up to date with the encoding at `source`, in place.
 * Returns how many of them it covers; -1 if it is no encoding of so many bytes, or one with longer
 * lengths than need be: the page is then worth nothing. Whatever the input, nothing else is read
 * or written.
 *
 * Most lengths are of one byte and most runs short: with enough left behind them, those need no
 * check but one and no loop.
 */
export function xbzrleDecode(source: usize, length: u32, page: usize, pageLength: u32): i32 {
  const end = source + length;
  const pageEnd = page + pageLength;
  let at = source;
  let to = page;
  while (at < end) {
    const both: u32 = end - at >= 2 + SHORT ? load<u16>(at) : LONG_LENGTHS;
    if ((both & LONG_LENGTHS) === 0 && pageEnd - to >= 127 + SHORT) {
      const other = both >> 8;
      if (other - 1 < SHORT) {
        const equal = both & 127;
        if (equal === 0 && to !== page) return -1;
        to += equal;
        copyShort(at + 2, to, other);
        at += 2 + other;
        to += other;
        continue;
      }
    }
    const equal = readLength(at, end);
    at += equal < 128 ? 1 : 2;
    // Two runs of other bytes would be one: only the page may begin with one.
    if (equal > <u32>(pageEnd - to) || (equal === 0 && to !== page)) return -1;
    to += equal;
    const other = readLength(at, end);
    if (other === 0 || other === NO_LENGTH) return -1;
    at += other < 128 ? 1 : 2;
    if (other > <u32>(end - at) || other > <u32>(pageEnd - to)) return -1;
    copy(at, to, other);
    at += other;
    to += other;
  }
  return <i32>(to - page);
}

/** What `copyShort` copies at most. */
const SHORT: u32 = 16;
/** The bits that say, in each of two lengths side by side, that it has a second byte. */
const LONG_LENGTHS: u32 = 0x8080;
const NO_LENGTH: u32 = 0xffffffff;

/** The length at `at`, which is more than 127 if it has two bytes; NO_LENGTH if there is none. */
function readLength(at: usize, end: usize): u32 {
  if (at >= end) return NO_LENGTH;
  const low: u32 = load<u8>(at);
  if (low < 128) return low;
  if (end - at < 2) return NO_LENGTH;
  const high: u32 = load<u8>(at, 1);
  return high === 0 || high >= 128 ? NO_LENGTH : (low & 127) | (high << 7);
}

/**
 * Copies 1 to 16 bytes and leaves those behind as they are: they are the old page's. Up to 8 bytes
 * are read and written as they were. Room for 8 bytes must be on both sides.
 */
function copyShort(from: usize, to: usize, length: usize): void {
  if (length <= 8) {
    const before = load<u64>(to);
    const mask = ~(<u64>0) >> (64 - (length << 3));
    store<u64>(to, before ^ ((before ^ load<u64>(from)) & mask));
  } else {
    const last = length - 8;
    store<u64>(to, load<u64>(from));
    store<u64>(to + last, load<u64>(from + last));
  }
}

/** Copies any length, and touches nothing else. */
function copy(from: usize, to: usize, length: usize): void {
  if (length >= 16) {
    const last = length - 16;
    for (let at: usize = 0; at < last; at += 16) v128.store(to + at, v128.load(from + at));
    v128.store(to + last, v128.load(from + last));
  } else if (length >= 8) {
    const last = length - 8;
    store<u64>(to, load<u64>(from));
    store<u64>(to + last, load<u64>(from + last));
  } else if (length >= 4) {
    const last = length - 4;
    store<u32>(to, load<u32>(from));
    store<u32>(to + last, load<u32>(from + last));
  } else {
    for (let at: usize = 0; at < length; at++) store<u8>(to + at, load<u8>(from + at));
  }
}
