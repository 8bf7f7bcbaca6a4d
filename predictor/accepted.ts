/**
 * Baselines that an operator has acknowledged: "three media errors are fine until the fourth".
 *
 * A baseline belongs to the hardware that is there when it is first seen: other hardware (or, of
 * what keeps its counts for one boot only, another boot) is judged as if nothing had been said.
 */
import { z } from "zod";
import { BASELINES_MAX, baseline as said } from "../protocol/prediction.ts";
import { FAMILIES } from "./families.ts";
import { type Component, DISK_COUNTERS, type Reading, type Signal } from "./reading.ts";
import type { Situation } from "./situation.ts";

export const baseline = said.extend({
  /** Acknowledging again gives another one. */
  baselineId: z.string().max(63),
  /** The hardware it was said of; absent until that is seen. */
  instance: z.string().max(4_096).optional(),
});
export type Baseline = z.infer<typeof baseline>;
export const baselines = z.array(baseline).max(BASELINES_MAX);

const OF_COMPONENT: Readonly<Partial<Record<Component, readonly Signal[]>>> = {
  disk: [...DISK_COUNTERS, "media-errors"],
  memory: ["corrected-errors", "uncorrected-errors"],
};

/** The signals that can be acknowledged: counts that only grow, of disks and memory. */
export function acceptable(of: Component): readonly Signal[] {
  return OF_COMPONENT[of] ?? [];
}

/** Of a device: what its sources call its hardware, in the order of `FAMILIES`. */
interface Known {
  readonly component: Component;
  readonly device: string;
  readonly families: readonly ({ readonly instance: string } | undefined)[];
}
type Devices = Readonly<Record<string, Known>>;

const NOTHING: Situation["accepted"] = {};

/** What is accepted of a device whose readings are at hand. */
export function acceptedOf(
  all: readonly Baseline[],
  known: Known,
  raw: readonly Reading[],
): Situation["accepted"] {
  if (all.length === 0) return NOTHING;
  const own = all.filter((one) => isOf(one, known));
  if (own.length === 0) return NOTHING;
  const holding = own.filter(({ signal, instance }) => {
    const seen = instanceOf(known, signal, raw);
    return instance === undefined || seen === "" || seen === instance;
  });
  return Object.fromEntries(holding.map(({ signal, value }) => [signal, value]));
}

/** Ties each baseline to the hardware that is there, once. The same list where nothing changed. */
export function bound(all: readonly Baseline[], components: Devices): readonly Baseline[] {
  if (all.every(({ instance }) => instance !== undefined)) return all;
  let changed = false;
  const next = all.map((one) => {
    const known = components[`${one.component}/${one.device}`];
    const instance = known === undefined ? "" : instanceOf(known, one.signal);
    if (one.instance !== undefined || instance === "") return one;
    changed = true;
    return { ...one, instance };
  });
  return changed ? next : all;
}

/** Baselines of hardware that is not there any more: they mean nothing now. */
export function lapsed(all: readonly Baseline[], components: Devices): readonly string[] {
  const isLapsed = (one: Baseline): boolean => {
    const known = components[`${one.component}/${one.device}`];
    if (known === undefined || one.instance === undefined) return false;
    const instance = instanceOf(known, one.signal);
    return instance !== "" && instance !== one.instance;
  };
  return all.filter(isLapsed).map(({ baselineId }) => baselineId);
}

function isOf(one: Baseline, known: Known): boolean {
  return one.component === known.component && one.device === known.device;
}

/** What the source of a signal calls this hardware; "" where it has not said. */
function instanceOf(known: Known, signal: string, raw: readonly Reading[] = []): string {
  const families = FAMILIES[known.component];
  const place = families.findIndex(({ speaks }) => speaks(signal as Signal));
  const family = families[place];
  if (family === undefined) return "";
  const said = raw.find((one) => one.instance !== undefined && family.speaks(one.signal));
  return said?.instance ?? known.families[place]?.instance ?? "";
}
