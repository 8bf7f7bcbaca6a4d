/**
 * What there is to do between two cuts: merging layers, and catching up.
 *
 * Rule 1: nothing reads frozen disks while layers are merged. Merging has the first half of the
 *         time, and longer only when a chain has few layers left.
 * Rule 2: everybody who waits has a turn between any two cuts, however little time there is: where
 *         cuts take as long as their interval, nobody would be filled otherwise.
 */
import type { Clock } from "../../runtime/clock.ts";
import { catchUp, wantsMore } from "./catch-up.ts";
import type { SecondaryLink } from "./secondary-link.ts";
import type { Session } from "./session.ts";
import type { Between } from "./swap.ts";

/** A chain of so many layers, half of what a record holds, is merged before it is cut again. */
const LAYERS_LONG = 32;

export interface BetweenPorts {
  readonly goesOn: () => boolean;
  /** Until a moment, or until something has changed. */
  readonly rest: (untilMs: number) => Promise<void>;
}

export function betweenCuts(session: Session, { goesOn, rest }: BetweenPorts): Between {
  const { clock, merges, standing, breathe } = session.ports;
  return async (dueMs, stop) => {
    const nowMs = clock.nowMs();
    const mergedMs = nowMs + (dueMs - nowMs) / 2;
    merges.begin();
    const still = async (): Promise<void> => {
      const layers = Object.values(standing.chains()).map(({ length }) => length);
      if (Math.max(0, ...layers) >= LAYERS_LONG) await merges.idle();
      else await within(clock, merges.idle(), mergedMs);
      await merges.stop();
      session.frozen.forget();
    };
    const served = new Set<SecondaryLink>();
    while (goesOn() && !stop()) {
      const waiting = [...session.links.values()].filter((link) => wantsMore(session, link));
      const link = waiting.find((one) => !served.has(one));
      if (link !== undefined) {
        served.add(link);
        await catchUp(session, link, still);
      } else if (clock.nowMs() >= dueMs) break;
      else if (waiting.length === 0) await rest(dueMs);
      else served.clear();
      await breathe();
    }
    if (!goesOn() || stop()) await merges.stop();
    else await still();
  };
}

/** Resolves with the work, or when its time is over. */
export async function within(clock: Clock, work: Promise<void>, untilMs: number): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = clock.after(Math.max(0, untilMs - clock.nowMs()), () => late.resolve());
  await Promise.race([work, late.promise]);
  timer.cancel();
}
