/**
 * The predictor on healthy servers for years: whatever it says is false.
 * @module
 */
import { type Config, DEFAULT_CONFIG } from "../predictor/config.ts";
import type { Effect, Rule } from "../predictor/evidence.ts";
import { STATISTICAL_RULES } from "../predictor/families.ts";
import { type State, start, step } from "../predictor/predictor.ts";
import { fractions } from "../predictor/training/chance.ts";
import { type HealthyHost, type HostSize, healthyHost } from "./healthy-host.ts";

export interface Soak {
  readonly seed: number;
  readonly size: HostSize;
  readonly years: number;
  /** Between two looks, where nothing sudden happens. */
  readonly stepMs: number;
}

export interface SoakCounts {
  readonly years: number;
  readonly rounds: number;
  /** Failures predicted, by any rule. */
  readonly predictions: number;
  /** Components that a statistical rule made suspect. */
  readonly suspects: number;
  /** How often each rule of the above fired. */
  readonly rules: Readonly<Partial<Record<Rule, number>>>;
}

const YEAR_MS = 365.25 * 86_400_000;
/** Something sudden is looked at this closely, for so long. */
const CLOSE_STEP_MS = 15_000;
const CLOSE_MS = 10 * 60_000;

/** Plays one server through its years. */
export function soak({ seed, size, years, stepMs }: Soak): SoakCounts {
  const host = healthyHost(size, fractions(seed));
  // Samples must not be further apart than what may be compared.
  const config: Config = { ...DEFAULT_CONFIG, gapMs: Math.max(DEFAULT_CONFIG.gapMs, 3 * stepMs) };
  const tally = { years, rounds: 0, predictions: 0, suspects: 0, rules: {} };
  const endMs = years * YEAR_MS;
  let state = start(0);
  let closeUntilMs = 0;
  for (let atMs = 0; atMs < endMs; ) {
    if (atMs >= host.nextEventMs) closeUntilMs = atMs + CLOSE_MS;
    const [next, effects] = look(state, host, atMs, config);
    state = next;
    tally.rounds += 1;
    for (const effect of effects) count(tally, effect, state);
    const pace = atMs < closeUntilMs ? Math.min(stepMs, CLOSE_STEP_MS) : stepMs;
    atMs = Math.min(atMs + pace, Math.max(atMs + 1, host.nextEventMs));
  }
  return tally;
}

function look(state: State, host: HealthyHost, atMs: number, config: Config) {
  return step(state, { type: "readings", atMs, readings: host.readings(atMs) }, config);
}

function count(
  tally: { predictions: number; suspects: number; rules: Partial<Record<Rule, number>> },
  effect: Effect,
  state: State,
): void {
  if (effect.type === "prediction") tally.predictions += 1;
  if (effect.type !== "risk" || (effect.to !== "suspect" && effect.to !== "failing")) return;
  if (effect.from === "failing") return;
  const { findings } = state.components[`${effect.component}/${effect.device}`]!;
  const firing = findings.filter(({ risk }) => risk === effect.to).map(({ rule }) => rule);
  if (effect.to === "suspect" && !firing.some((rule) => STATISTICAL_RULES.includes(rule))) return;
  if (effect.to === "suspect") tally.suspects += 1;
  for (const rule of firing) tally.rules[rule] = (tally.rules[rule] ?? 0) + 1;
}

/** What several soaks come to. */
export function summed(all: readonly SoakCounts[]): SoakCounts {
  const total = { years: 0, rounds: 0, predictions: 0, suspects: 0 };
  const rules: Partial<Record<Rule, number>> = {};
  for (const one of all) {
    total.years += one.years;
    total.rounds += one.rounds;
    total.predictions += one.predictions;
    total.suspects += one.suspects;
    for (const [rule, times] of Object.entries(one.rules)) {
      rules[rule as Rule] = (rules[rule as Rule] ?? 0) + times;
    }
  }
  return { ...total, rules };
}
