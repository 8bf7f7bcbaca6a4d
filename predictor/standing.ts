/**
 * Predictions that were told and not yet taken back: who made one says when it is over.
 *
 *   told --healthy by the predictor's own hysteresis--> healed
 *        --another drive in its place-----------------> replaced
 *        --all that it rested on was acknowledged-----> acknowledged
 *
 * Rule 1: what was told in an earlier life of the program is healed only after the device was
 * healthy for as long as the way from failing takes: nobody knows what it did meanwhile.
 * Rule 2: a prediction told for a whole group (see fold.ts) stands while one of it is unwell.
 * Rule 3: a device that is seen no more heals nothing.
 */
import { z } from "zod";
import { component, type PredictionCleared } from "../protocol/prediction.ts";
import { acceptedOf } from "./accepted.ts";
import type { Config } from "./config.ts";
import type { Effect, Prediction, Risk } from "./evidence.ts";
import { groupOf } from "./fold.ts";
import type { ComponentState, State } from "./predictor.ts";

/** At most one a device; the oldest gives way. */
const STANDING_MAX = 512;
const SIGNALS_MAX = 16;
/** From failing to suspect, and from suspect to healthy. */
const STEPS_DOWN = 2;

const told = z.strictObject({
  predictionId: z.string().max(63),
  component,
  device: z.string().max(4_096),
  /** Which drive, where it says so; "" of anything else, whose names last for one boot only. */
  hardware: z.string().max(4_096),
  /** What it rested on. */
  signals: z.array(z.string().max(1_024)).max(SIGNALS_MAX),
});

type Told = z.infer<typeof told>;

/** What was told, and must outlive the program. */
export const reported = z.strictObject({
  standing: z.array(told).max(STANDING_MAX),
  /** Devices that were told to be suspect or failing: "disk/sda". */
  unwell: z.array(z.string().max(4_200)).max(STANDING_MAX),
});
export type Reported = z.infer<typeof reported>;
export const NOTHING_REPORTED: Reported = { standing: [], unwell: [] };

export interface Ledger {
  readonly standing: readonly Told[];
  readonly unwell: readonly string[];
  /** Since when the device is seen healthy, by prediction. */
  readonly healthySinceMs: Readonly<Record<string, number>>;
}

/** One that holds no more. */
export type Cleared = Pick<
  PredictionCleared,
  "predictionId" | "component" | "device" | "cause" | "reason"
>;

export function openLedger(kept: Reported): Ledger {
  return { ...kept, healthySinceMs: {} };
}

/** What of a ledger must outlive the program. */
export function kept({ standing, unwell }: Ledger): Reported {
  return { standing: [...standing], unwell: [...unwell] };
}

/** A risk changed; the same ledger is returned where nobody needs to know. */
export function risked(ledger: Ledger, change: Effect & { type: "risk" }): Ledger {
  const key = `${change.component}/${change.device}`;
  const known = ledger.unwell.includes(key);
  if (isBad(change.to) === known) return known ? { ...ledger } : ledger;
  const others = ledger.unwell.filter((one) => one !== key);
  const unwell = known ? others : [...others, key].slice(-STANDING_MAX);
  return { ...ledger, unwell };
}

function isBad(risk: Risk): boolean {
  return risk === "suspect" || risk === "failing";
}

/** A prediction was made: the newest of a device stands for all of them. */
export function noted(ledger: Ledger, prediction: Prediction, state: State): Ledger {
  const { id: predictionId, component: what, device } = prediction;
  const hardware = hardwareOf(state.components[`${what}/${device}`]);
  const signals = [...new Set(prediction.evidence.map(({ signal }) => signal))];
  const others = ledger.standing.filter((one) => one.component !== what || one.device !== device);
  const about = { predictionId, component: what, device, hardware };
  const all = [...others, { ...about, signals: signals.slice(0, SIGNALS_MAX) }];
  return { ...ledger, standing: all.slice(-STANDING_MAX) };
}

/** Takes back what holds no more. The same ledger is returned where nothing changed. */
export function settled(
  ledger: Ledger,
  state: State,
  config: Config,
): readonly [ledger: Ledger, cleared: readonly Cleared[]] {
  if (ledger.standing.length === 0) return [ledger, []];
  const healthySinceMs: Record<string, number> = {};
  const cleared: Cleared[] = [];
  for (const one of ledger.standing) {
    const sinceMs = ledger.healthySinceMs[one.predictionId] ?? state.atMs;
    if (isWell(one, state)) healthySinceMs[one.predictionId] = sinceMs;
    const end = endOf(one, state, sinceMs, config);
    if (end !== undefined) cleared.push({ ...subjectOf(one), ...end });
  }
  if (cleared.length === 0) return [{ ...ledger, healthySinceMs }, []];
  const over = new Set<string>(cleared.map(({ predictionId }) => predictionId));
  const left = ledger.standing.filter(({ predictionId }) => !over.has(predictionId));
  return [{ ...ledger, standing: left, healthySinceMs }, cleared];
}

function subjectOf({ predictionId, component: what, device }: Told) {
  return { predictionId: predictionId as Cleared["predictionId"], component: what, device };
}

function endOf(
  one: Told,
  state: State,
  healthySinceMs: number,
  config: Config,
): Pick<Cleared, "cause" | "reason"> | undefined {
  const known = state.components[`${one.component}/${one.device}`];
  const hardware = hardwareOf(known);
  if (one.hardware !== "" && hardware !== "" && hardware !== one.hardware) {
    return { cause: "replaced", reason: `Another drive is in its place: ${hardware}` };
  }
  if (known !== undefined && known.risk.risk !== "failing") {
    const accepted = acceptedOf(state.baselines, known, []);
    if (one.signals.length > 0 && one.signals.every((signal) => signal in accepted)) {
      return { cause: "acknowledged", reason: `Acknowledged: ${one.signals.join(", ")}` };
    }
  }
  if (known === undefined || !isWell(one, state)) return undefined;
  const waitMs = STEPS_DOWN * config.clearMs[one.component];
  // Only a way down leaves this behind: who begins healthy has not been seen to get there.
  const cameDown = known.risk.clearSinceMs !== undefined;
  if (!cameDown && state.atMs - healthySinceMs < waitMs) return undefined;
  return { cause: "healed", reason: `No rule has found anything for ${waitMs / 60_000} minutes` };
}

/** Seen healthy itself, and no other of its group unwell. */
function isWell({ component: what, device }: Told, state: State): boolean {
  if (state.components[`${what}/${device}`]?.risk.risk !== "healthy") return false;
  const group = groupOf(device);
  if (group === device) return true;
  return !Object.values(state.components).some(
    (other) =>
      other.component === what && groupOf(other.device) === group && isBad(other.risk.risk),
  );
}

/** Model and serial number, as smartctl says them: the first family of a disk is its own word. */
function hardwareOf(known: ComponentState | undefined): string {
  return known?.component === "disk" ? (known.families[0]?.instance ?? "") : "";
}
