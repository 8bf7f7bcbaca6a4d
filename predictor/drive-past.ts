/**
 * What is known of each drive's past, kept for the predictor's next life: without it a drive that
 * rose yesterday looks, after a restart, like one that has always been so.
 *
 * Rule 1: a past belongs to the hardware, by model and serial number, and is taken up once.
 * Rule 2: times are kept as days before the moment of keeping. How long nobody watched is said by
 * the wall clock; one that is wrong ages evidence wrongly, and decides nothing else.
 * @module
 */
import { z } from "zod";
import type { DrivePasts } from "./drive.ts";
import { HISTORY_SIZE, isHistory, shifted } from "./drive-model/history.ts";
import { FAMILIES } from "./families.ts";
import type { State } from "./predictor.ts";

/** Drives remembered; those watched the longest ago give way. */
const PASTS_MAX = 512;
const DAY_MS = 86_400_000;
/** Nobody watched for longer than this: all evidence has decayed, whatever the clock says. */
const AWAY_DAYS_MAX = 3_650;

const history = z
  .array(z.number().nullable())
  .length(HISTORY_SIZE)
  .refine((values) => isHistory(values.map(known), 0), "is no history of a drive");

/** The pasts as a document. */
export const keptPasts = z.strictObject({
  keptAt: z.iso.datetime(),
  drives: z
    .array(
      z.strictObject({
        hardware: z.string().min(1).max(4_096),
        takenDaysAgo: z.number().nonnegative(),
        /** A `DriveHistory`; null is unknown. */
        history,
      }),
    )
    .max(PASTS_MAX),
});
export type KeptPasts = z.infer<typeof keptPasts>;
export const NO_PASTS: KeptPasts = { keptAt: "1970-01-01T00:00:00Z", drives: [] };

/** Of all drives that are watched, and of those that were and are not seen yet. */
export function pastsOf({ components, pasts }: State): DrivePasts {
  const all = new Map(pasts);
  for (const { component, families } of Object.values(components)) {
    for (const [place, one] of families.entries()) {
      const watch = one && FAMILIES[component][place]?.past?.of(one.history);
      if (watch && one.instance !== "" && watch.takenAtMs > -Infinity) all.set(one.instance, watch);
    }
  }
  const newest = [...all].sort(([, a], [, b]) => b.takenAtMs - a.takenAtMs);
  return new Map(newest.slice(0, PASTS_MAX));
}

/** As a document, at `atMs` (monotonic), when the wall clock says `wallTime`. */
export function keepPasts(pasts: DrivePasts, atMs: number, wallTime: string): KeptPasts {
  const drives = [...pasts].map(([hardware, watch]) => {
    const values = shifted(watch.history, -atMs / DAY_MS);
    return {
      hardware,
      takenDaysAgo: (atMs - watch.takenAtMs) / DAY_MS,
      history: values.map((value) => (Number.isNaN(value) ? null : value)),
    };
  });
  return { keptAt: wallTime, drives };
}

/** Out of the document, by the clocks of this life. */
export function resumePasts(kept: KeptPasts, atMs: number, wallTime: string): DrivePasts {
  const awayDays = (Date.parse(wallTime) - Date.parse(kept.keptAt)) / DAY_MS;
  const keptAtDays = atMs / DAY_MS - Math.min(AWAY_DAYS_MAX, Math.max(0, awayDays));
  return new Map(
    kept.drives.map(({ hardware, takenDaysAgo, history: values }) => {
      const takenAtMs = (keptAtDays - takenDaysAgo) * DAY_MS;
      return [hardware, { history: shifted(values.map(known), keptAtDays), takenAtMs }];
    }),
  );
}

function known(value: number | null): number {
  return value ?? Number.NaN;
}
