/**
 * Times and rates as people write them.
 * @module
 */
import { z } from "zod";

const MS = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000 } as const;
const BITS = { kbit: 1_000, Mbit: 1_000_000, Gbit: 1_000_000_000 } as const;

const DURATION = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|min|h)$/;
const RATE = /^(\d{1,9}(?:\.\d{1,3})?)(kbit|Mbit|Gbit)$/;

/** "1s", "500ms", "1.5min" -> whole milliseconds. */
export const duration = z
  .string()
  .regex(DURATION, "must be a time such as 500ms, 1s, 5min or 1h")
  .transform((text) => {
    const [, number, unit] = DURATION.exec(text)!;
    return Math.round(Number(number) * MS[unit as keyof typeof MS]);
  });

/** "20Mbit" a second -> whole bytes a second. */
export const rate = z
  .string()
  .regex(RATE, "must be a rate such as 500kbit, 20Mbit or 1Gbit")
  .transform((text) => {
    const [, number, unit] = RATE.exec(text)!;
    return Math.round((Number(number) * BITS[unit as keyof typeof BITS]) / 8);
  });

/** Milliseconds in the largest unit that keeps two digits: 1234 -> "1.2 s". */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${(ms / 60_000).toFixed(1)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}
