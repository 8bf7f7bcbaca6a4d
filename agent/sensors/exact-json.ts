/**
 * JSON whose integers stay exact: those beyond 2^53 become bigint, where `JSON.parse` rounds.
 * @module
 */

/** A number where that is exact, else its decimal digits. */
export type Exact = number | string;

/** What goes back into JSON; absent is null. */
export function exact(value: number | bigint | undefined): Exact | null {
  if (value === undefined) return null;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

/** JSON.parse's reviver as Node 24 calls it; TypeScript's library does not know `context` yet. */
type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

const INTEGER = /^-?\d+$/;
/** A 128-bit counter has 39 digits; converting a million digits would take seconds. */
const DIGITS_MAX = 40;

const exactInteger: Reviver = (_key, value, { source }) => {
  if (typeof value !== "number" || source === undefined || Number.isSafeInteger(value)) {
    return value;
  }
  return INTEGER.test(source) && source.length <= DIGITS_MAX ? BigInt(source) : value;
};

/**
 * Parses `text`, refusing anything nested deeper than `depthMax` before it is parsed: the walk
 * over the parsed value is recursive.
 * @throws SyntaxError
 */
export function parseExactJson(text: string, depthMax: number): unknown {
  if (depthOf(text) > depthMax) throw new SyntaxError(`Nested deeper than ${depthMax}`);
  return JSON.parse(text, exactInteger as (key: string, value: unknown) => unknown);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING: readonly number[] = [0x5b, 0x7b];
const CLOSING: readonly number[] = [0x5d, 0x7d];

function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (quoted) {
      if (code === BACKSLASH) index += 1;
      else if (code === QUOTE) quoted = false;
    } else if (code === QUOTE) quoted = true;
    else if (OPENING.includes(code)) deepest = Math.max(deepest, ++depth);
    else if (CLOSING.includes(code)) depth -= 1;
  }
  return deepest;
}
