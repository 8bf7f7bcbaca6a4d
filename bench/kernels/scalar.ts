/**
 * XBZRLE in plain TypeScript, byte by byte: what the kernels are to be faster than.
 * @module
 */

/** Lengths of a page take at most two bytes of ULEB128. */
const LENGTH_BYTES_MAX = 2;

/** The encoding's length; 0 if nothing differs, -1 if `target` has no room for it. */
export function encodeXbzrle(old: Uint8Array, current: Uint8Array, target: Uint8Array): number {
  let at = 0;
  let out = 0;
  for (;;) {
    const start = at;
    while (at < current.length && old[at] === current[at]) at++;
    if (at === current.length) return out;
    const fresh = at;
    while (at < current.length && old[at] !== current[at]) at++;
    if (out + LENGTH_BYTES_MAX > target.length) return -1;
    out = putLength(target, out, fresh - start);
    if (out + LENGTH_BYTES_MAX > target.length) return -1;
    out = putLength(target, out, at - fresh);
    if (out + (at - fresh) > target.length) return -1;
    for (let byte = fresh; byte < at; byte++) target[out++] = current[byte]!;
  }
}

function putLength(target: Uint8Array, at: number, length: number): number {
  if (length < 128) {
    target[at] = length;
    return at + 1;
  }
  target[at] = (length & 127) | 128;
  target[at + 1] = length >> 7;
  return at + 2;
}

/** Brings `page` up to date; -1, with `page` half done, if it is no encoding of such a page. */
export function decodeXbzrle(encoded: Uint8Array, page: Uint8Array): number {
  let at = 0;
  let done = 0;
  const takeLength = (): number => {
    const first = encoded[at++] ?? Number.NaN;
    if (!(first >= 128)) return first;
    const second = encoded[at++] ?? Number.NaN;
    return second < 128 ? (first & 127) | (second << 7) : Number.NaN;
  };
  while (at < encoded.length) {
    const equal = takeLength();
    if (!(equal > 0 || (equal === 0 && done === 0))) return -1;
    done += equal;
    const fresh = takeLength();
    if (!(fresh > 0 && fresh <= page.length - done && fresh <= encoded.length - at)) return -1;
    for (let byte = 0; byte < fresh; byte++) page[done++] = encoded[at++]!;
  }
  return done;
}
