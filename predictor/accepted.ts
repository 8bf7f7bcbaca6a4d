/**
 * Baselines that an operator has acknowledged: "three media errors are fine until the fourth".
 *
 * A baseline belongs to the hardware that is there when it is first seen: other hardware (or, of
 * what keeps its counts for one boot only, another boot) is judged as if nothing had been said.
 *
 * A count is held against the hardware's own counter, by the rule that reads it. A measure (a
 * rate, a level beyond its limit) is held against what a rule has found, here. Neither bits nor
 * words can be acknowledged: they cannot grow, so nothing would be found ever after.
 */
import { z } from "zod";
import { BASELINES_MAX, baseline as said } from "../protocol/prediction.ts";
import { type Evidence, type Finding, quiet } from "./evidence.ts";
import { FAMILIES } from "./families.ts";
import { type Component, DISK_COUNTERS, type Reading, type Signal } from "./reading.ts";
import { isAcceptedFact, isNoWorse, type Situation } from "./situation.ts";

export const baseline = said.extend({
  /** Acknowledging again gives another one. */
  baselineId: z.string().max(63),
  /** The hardware it was said of; absent until that is seen. */
  instance: z.string().max(4_096).optional(),
});
export type Baseline = z.infer<typeof baseline>;
export const baselines = z.array(baseline).max(BASELINES_MAX);

type Signals = Readonly<Partial<Record<Component, readonly Signal[]>>>;

/** Counts that are told as they are. */
const COUNTS: Signals = {
  disk: [...DISK_COUNTERS, "media-errors", "array-degraded"],
  memory: ["uncorrected-errors"],
};
/** Counts of which is told what came of late. */
const LATE_COUNTS: Signals = {
  disk: ["grown-defects", "uncorrected-errors", "io-errors"],
  memory: ["corrected-errors"],
  pcie: ["corrected-errors", "nonfatal-errors", "fatal-errors"],
};
const MEASURES: Signals = {
  disk: ["percentage-used"],
  nic: [
    "rx-crc-errors",
    "symbol-errors",
    "fec-corrected",
    "fec-uncorrectable",
    "carrier-losses",
    "rx-power",
  ],
  temperature: ["temperature"],
  fan: ["fan-speed"],
  power: ["voltage", "current", "power"],
};

/** The signals that can be acknowledged. */
export function acceptable(of: Component): readonly Signal[] {
  return [COUNTS, LATE_COUNTS, MEASURES].flatMap((signals) => signals[of] ?? []);
}

/** Whether a value that was told of a signal is no value of its counter. */
export function isToldOtherwise(component: Component, signal: string): boolean {
  return (LATE_COUNTS[component] ?? []).some((one) => one === signal);
}

/** The worse of two facts of one signal: farther beyond the limit, on whichever side that is. */
export function worseOf<Fact extends Pick<Evidence, "value" | "threshold">>(
  a: Fact,
  b: Fact,
): Fact {
  return isNoWorse(a, b.value) ? b : a;
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

/**
 * What is left of findings once their acknowledged measures are taken away. A trend says where a
 * level will be, and what is fine now is no word on that.
 */
export function withoutAccepted(
  findings: readonly Finding[],
  component: Component,
  accepted: Situation["accepted"],
): readonly Finding[] {
  const measures = MEASURES[component];
  if (accepted === NOTHING || measures === undefined) return findings;
  const isFine = (fact: Evidence): boolean => {
    return measures.includes(fact.signal) && isAcceptedFact(accepted, fact);
  };
  return findings.map((finding) => {
    const { rule, known, evidence } = finding;
    if (evidence.length === 0 || rule === "temperature-trend") return finding;
    const left = evidence.filter((fact) => !isFine(fact));
    if (left.length === 0) return quiet(rule, known);
    return left.length === evidence.length ? finding : { ...finding, evidence: left };
  });
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
