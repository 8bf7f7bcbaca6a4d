/**
 * How long a condition has held: one reading is a spike, and a spike is no fault.
 * @module
 */

/** Since when the condition holds; undefined while it does not, or cannot be seen. */
export type Since = number | undefined;

export function holdSince(since: Since, holds: boolean, atMs: number): Since {
  return holds ? (since ?? atMs) : undefined;
}

/** The same with hysteresis: on from `on`, and off only once `off` is true. */
export function holdBetween(since: Since, on: boolean, off: boolean, atMs: number): Since {
  return since === undefined ? holdSince(undefined, on, atMs) : off ? undefined : since;
}

export function hasHeld(since: Since, atMs: number, forMs: number): boolean {
  return since !== undefined && atMs - since >= forMs;
}
