/**
 * XBZRLE in plain TypeScript, one byte at a time, by QEMU's docs/devel/migration/xbzrle.rst.
 * @module
 */

/** What makes `old` to `current`; undefined if that takes more than `limit` bytes. */
export function xbzrleEncode(
  old: Uint8Array,
  current: Uint8Array,
  limit: number,
): Uint8Array | undefined {
  const out: number[] = [];
  let at = 0;
  const runOf = (differing: boolean): number => {
    const start = at;
    while (at < current.length && (current[at] !== old[at]) === differing) at++;
    return at - start;
  };
  while (at < current.length) {
    const equal = runOf(false);
    if (at === current.length) break;
    const start = at;
    const other = runOf(true);
    out.push(...uleb128(equal), ...uleb128(other), ...current.subarray(start, at));
  }
  return out.length <= limit ? Uint8Array.from(out) : undefined;
}

/** The page and how much of it the encoding covers; undefined if it is none. */
export function xbzrleDecode(
  encoding: Uint8Array,
  old: Uint8Array,
): { readonly page: Uint8Array; readonly covered: number } | undefined {
  const page = Uint8Array.from(old);
  let covered = 0;
  let at = 0;
  const length = (): number => {
    const low = encoding[at++] ?? Number.NaN;
    if (low < 128) return low;
    const high = encoding[at++] ?? Number.NaN;
    return high > 0 && high < 128 ? low - 128 + high * 128 : Number.NaN;
  };
  while (at < encoding.length) {
    const equal = length();
    const other = length();
    if (!(other > 0 && (equal > 0 || (equal === 0 && covered === 0)))) return undefined;
    if (equal + other > page.length - covered || other > encoding.length - at) return undefined;
    covered += equal;
    for (let i = 0; i < other; i++) page[covered++] = encoding[at++]!;
  }
  return { page, covered };
}

export function uleb128(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, value >> 7];
}
