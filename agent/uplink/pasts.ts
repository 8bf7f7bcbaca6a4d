/**
 * What the predictor knows of each drive's past, kept in the agent's state folder for its next
 * life.
 * @module
 */
import type { DrivePasts } from "../../predictor/drive.ts";
import { type KeptPasts, keepPasts, pastsOf } from "../../predictor/drive-past.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Kept } from "../../runtime/document.ts";
import type { Watch } from "../sensors/watch.ts";

export interface PastKeeper {
  /** Now and then: whether there is more to keep. A drive's history grows by a day at a time. */
  look(): void;
}

export function keepDrivePasts(
  watch: Pick<Watch, "state">,
  kept: Kept<KeptPasts>,
  clock: Pick<Clock, "nowMs" | "wallTime">,
): PastKeeper {
  let seen: DrivePasts = new Map();
  return {
    look() {
      const pasts = pastsOf(watch.state());
      if (isSame(pasts, seen)) return;
      kept.save(keepPasts(pasts, clock.nowMs(), clock.wallTime()));
      seen = pasts;
    },
  };
}

/** By identity: a history that grew is another one. */
function isSame(one: DrivePasts, other: DrivePasts): boolean {
  return one.size === other.size && [...one].every(([name, watch]) => other.get(name) === watch);
}
