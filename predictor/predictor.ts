/**
 * Predicts the failure of a server's components from their readings, as a pure machine.
 *
 * Rule 1: every verdict comes with the readings it rests on.
 * Rule 2: a sensor that is missing, stuck or implausible is told as such; it is no evidence, and
 * it heals nothing (see risk.ts for the states of a component).
 * Rule 3: other hardware under the same name starts anew, with nothing remembered but what an
 * earlier life kept of that very drive.
 * Rule 4: what an operator acknowledged is no evidence until it grows.
 */
import assert from "node:assert/strict";
import { BASELINES_MAX } from "../protocol/prediction.ts";
import { acceptedOf, type Baseline, bound, withoutAccepted } from "./accepted.ts";
import type { Config } from "./config.ts";
import { seriesBound } from "./detectors/budget.ts";
import type { DrivePasts } from "./drive.ts";
import type { Effect, Finding, Risk, Rule } from "./evidence.ts";
import { FAMILIES, type Family, SERIES } from "./families.ts";
import { fanOf } from "./fan.ts";
import { foldPredictions } from "./fold.ts";
import type { Component, Reading } from "./reading.ts";
import { assess, forgiven, type RiskState, UNKNOWN } from "./risk.ts";
import { believe, remember, report, type SensorState } from "./sensor.ts";
import type { Situation } from "./situation.ts";
import { gaugeOf } from "./values.ts";

export interface ComponentState {
  readonly component: Component;
  readonly device: string;
  readonly seenAtMs: number;
  readonly risk: RiskState;
  /** In the order of `FAMILIES`; undefined where one has not judged yet. */
  readonly families: readonly (FamilyState | undefined)[];
  /** The newest finding of each rule. */
  readonly findings: readonly Finding[];
  /** By signal. */
  readonly sensors: Readonly<Record<string, SensorState>>;
}

interface FamilyState {
  /** What tells this hardware in this boot from another, in the words of the family's source. */
  readonly instance: string;
  readonly history: unknown;
}

export interface State {
  readonly atMs: number;
  /** By component and device: "disk/sda". At most `COMPONENTS_MAX`. */
  readonly components: Readonly<Record<string, ComponentState>>;
  /** Predictions made so far. */
  readonly sequence: number;
  /** Components forgotten because there were too many. */
  readonly dropped: number;
  /** How busy the processors were, when last said. */
  readonly load: { readonly atMs: number; readonly share: number } | undefined;
  /** What an operator has acknowledged; see accepted.ts. */
  readonly baselines: readonly Baseline[];
  /** Of drives not seen yet in this life, what an earlier one kept; see drive-past.ts. */
  readonly pasts: DrivePasts;
}

/**
 * Readings taken at `atMs` (monotonic); those of one device from one source come together. Or all
 * that an operator has acknowledged of this server, in the place of what was said before.
 */
export type Event = Readonly<
  | { type: "readings"; atMs: number; readings: readonly Reading[] }
  | { type: "baselines"; atMs: number; baselines: readonly Baseline[] }
>;

export type Step = readonly [state: State, effects: readonly Effect[]];

const COMPONENTS_MAX = 512;
/** A load said longer ago than this says nothing of now. */
const LOAD_MS = 60_000;

export function start(atMs: number, pasts: DrivePasts = new Map()): State {
  const nothing = { components: {}, sequence: 0, dropped: 0, load: undefined, baselines: [] };
  return { atMs, ...nothing, pasts };
}

export function step(state: State, event: Event, config: Config): Step {
  assert(event.atMs >= state.atMs, "time went backwards");
  switch (event.type) {
    case "readings":
      return observeAll(state, event.readings, event.atMs, config);
    case "baselines":
      return [acknowledge(state, event.baselines, event.atMs), []];
  }
}

export interface ComponentRisk {
  readonly component: Component;
  readonly device: string;
  readonly risk: Risk;
  /** Of its failing, by the likeliest rule that holds it so; 0 for any other risk. */
  readonly probability: number;
}

/** The present risk of each device, for those who ask instead of listening to effects. */
export function risks(state: State): readonly ComponentRisk[] {
  const devices = Object.values(state.components).filter(isJudged);
  return devices.map(({ component, device, risk: { risk, probability } }) => {
    return { component, device, risk, probability };
  });
}

/** Whether any rule looks at it: how busy a host is says nothing of what may fail. */
function isJudged({ families }: ComponentState): boolean {
  return families.length > 0;
}

function observeAll(
  state: State,
  readings: readonly Reading[],
  atMs: number,
  config: Config,
): Step {
  const load = loadOf(state, readings, atMs, config);
  const census = censusOf(state, config);
  const components = { ...state.components };
  const effects: Effect[] = [];
  let { sequence, pasts } = state;
  // A rule may look at the loss of another device's spare: as it was before this step.
  for (const [key, own] of groups(readings)) {
    const previous = continued(components[key], key, own, atMs);
    const accepted = acceptedOf(state.baselines, previous, own);
    const situation = situationOf(previous, census, load?.share, atMs, config, accepted);
    const [next, told] = observe(previous, own, pasts, situation, sequence + 1);
    components[key] = next;
    pasts = untaken(pasts, next);
    for (const effect of told) {
      if (effect.type === "prediction") sequence += 1;
      effects.push(effect);
    }
  }
  const dropped = state.dropped + dropOldest(components);
  const baselines = bound(state.baselines, components);
  const next: State = { atMs, components, sequence, dropped, load, baselines, pasts };
  return [next, foldPredictions(effects, state.components)];
}

/** What is new is forgiven at once; what was taken back is found again at the next look. */
function acknowledge(state: State, said: readonly Baseline[], atMs: number): State {
  const before = new Map(state.baselines.map((one) => [one.baselineId, one]));
  const components = { ...state.components };
  const baselines = said.slice(0, BASELINES_MAX).map((one) => {
    const old = before.get(one.baselineId);
    if (old !== undefined) return { ...one, ...instanceFrom(one.instance ?? old.instance) };
    const key = `${one.component}/${one.device}`;
    const known = components[key];
    if (known !== undefined) components[key] = { ...known, risk: forgiven(known.risk) };
    return one;
  });
  return { ...state, atMs, components, baselines: bound(baselines, components) };
}

function instanceFrom(instance: string | undefined): { instance?: string } {
  return instance === undefined ? {} : { instance };
}

/** A source gives the readings of a device one after the other: seldom is a key needed twice. */
function groups(readings: readonly Reading[]): ReadonlyMap<string, readonly Reading[]> {
  const byKey = new Map<string, Reading[]>();
  let last: Reading | undefined;
  let group: Reading[] = [];
  for (const reading of readings) {
    const { component, device } = reading;
    if (last?.device !== device || last.component !== component) {
      const key = `${component}/${component === "fan" ? fanOf(device) : device}`;
      group = byKey.get(key) ?? [];
      byKey.set(key, group);
    }
    group.push(reading);
    last = reading;
  }
  return byKey;
}

function loadOf(state: State, readings: readonly Reading[], atMs: number, config: Config) {
  const share = gaugeOf(readings, "load");
  if (share !== undefined) return { atMs, share: Math.min(1, Math.max(0, share)) };
  const { load } = state;
  const longestMs = Math.max(LOAD_MS, config.gapMs);
  return load !== undefined && atMs - load.atMs <= longestMs ? load : undefined;
}

interface Census {
  readonly allowance: Situation["allowance"];
  readonly total: Readonly<Partial<Record<Component, number>>>;
  readonly bad: Readonly<Partial<Record<Component, number>>>;
}

function censusOf({ components }: State, config: Config): Census {
  const total: Partial<Record<Component, number>> = {};
  const bad: Partial<Record<Component, number>> = {};
  let series = 0;
  for (const key in components) {
    const one = components[key]!;
    if (!isJudged(one)) continue;
    const { component, risk } = one;
    total[component] = (total[component] ?? 0) + 1;
    if (isBad(risk)) bad[component] = (bad[component] ?? 0) + 1;
    series += SERIES[component];
  }
  const { falseAlarmsPerHostYear, gapMs } = config;
  return { total, bad, allowance: { falseAlarmsPerHostYear, series: seriesBound(series), gapMs } };
}

function isBad({ risk }: RiskState): boolean {
  return risk === "suspect" || risk === "failing";
}

function situationOf(
  known: ComponentState,
  { allowance, total, bad }: Census,
  load: number | undefined,
  atMs: number,
  config: Config,
  accepted: Situation["accepted"],
): Situation {
  const { component, risk } = known;
  const others = (total[component] ?? 0) - (isJudged(known) ? 1 : 0);
  const othersBad = (bad[component] ?? 0) - (isBad(risk) ? 1 : 0);
  return { atMs, config, allowance, load, others, othersBad, accepted };
}

function observe(
  previous: ComponentState,
  raw: readonly Reading[],
  pasts: DrivePasts,
  situation: Situation,
  sequence: number,
): readonly [ComponentState, readonly Effect[]] {
  const { component, device } = previous;
  const { atMs, config } = situation;
  const effects: Effect[] = [];
  const [sensors, readings] = sense(previous.sensors, raw, situation, effects);
  let { families, findings } = previous;
  const all = FAMILIES[component];
  for (let place = 0; place < all.length; place += 1) {
    const family = all[place]!;
    if (!isSpokenOf(family, readings)) continue;
    const before = families[place];
    const instance = instanceIn(raw, family) ?? before?.instance ?? "";
    const history = before === undefined ? family.start : before.history;
    const past = pasts.get(instance);
    const whole = past && family.past ? family.past.resume(history, past) : history;
    const [next, found] = family.judge(whole, readings, situation);
    families = replaced(families, place, { instance, history: next });
    findings = merged(findings, withoutAccepted(found, component, situation.accepted));
  }
  const subject = { component, device, atMs, sequence };
  const [risk, told] = assess(previous.risk, findings, subject, config);
  const state = { ...previous, seenAtMs: atMs, risk, families, findings, sensors };
  return [state, effects.length === 0 ? told : [...effects, ...told]];
}

/** A past is taken up once: what comes after it is remembered in the component. */
function untaken(pasts: DrivePasts, { component, families }: ComponentState): DrivePasts {
  if (pasts.size === 0) return pasts;
  const place = FAMILIES[component].findIndex(({ past }) => past !== undefined);
  const taken = families[place]?.instance;
  if (taken === undefined || !pasts.has(taken)) return pasts;
  return new Map([...pasts].filter(([hardware]) => hardware !== taken));
}

function sense(
  known: ComponentState["sensors"],
  raw: readonly Reading[],
  { atMs, config }: Situation,
  effects: Effect[],
): readonly [ComponentState["sensors"], readonly Reading[]] {
  let sensors = known;
  const readings: Reading[] = [];
  for (const reading of raw) {
    const sensor = known[reading.signal];
    const believed = believe(sensor, reading, atMs, config);
    readings.push(believed);
    const told = report(sensor, believed, atMs);
    if (told !== undefined) effects.push(told);
    const next = remember(sensor, reading, believed, atMs);
    if (next === sensor) continue;
    if (sensors === known) sensors = { ...known };
    (sensors as Record<string, SensorState>)[reading.signal] = next;
  }
  return [sensors, readings];
}

function replaced(
  families: ComponentState["families"],
  place: number,
  family: FamilyState,
): ComponentState["families"] {
  const next = families.slice();
  while (next.length < place) next.push(undefined);
  next[place] = family;
  return next;
}

/** What was found replaces what the same rules found before; the rest stands. */
function merged(before: readonly Finding[], found: readonly Finding[]): readonly Finding[] {
  // All of them, in the same order: the way of nearly every round.
  const same = before.length === found.length;
  if (same && before.every(({ rule }, place) => rule === found[place]!.rule)) return found;
  const isNew = (rule: Rule): boolean => found.some((finding) => finding.rule === rule);
  const kept = before.filter(({ rule }) => !isNew(rule));
  return kept.length === 0 ? found : [...kept, ...found];
}

function isSpokenOf({ speaks }: Family, readings: readonly Reading[]): boolean {
  for (const { signal } of readings) if (speaks(signal)) return true;
  return false;
}

/** The first that a source of this family's signals names. */
function instanceIn(raw: readonly Reading[], { speaks }: Family): string | undefined {
  for (const { signal, instance } of raw) {
    if (instance !== undefined && speaks(signal)) return instance;
  }
  return undefined;
}

/** A device that gives no instance (asleep, unreadable) is taken for the one known. */
function continued(
  previous: ComponentState | undefined,
  key: string,
  raw: readonly Reading[],
  atMs: number,
): ComponentState {
  const { component } = raw[0]!;
  const differs = (family: Family, place: number): boolean => {
    const known = previous?.families[place]?.instance ?? "";
    const instance = known === "" ? undefined : instanceIn(raw, family);
    return instance !== undefined && known !== instance;
  };
  if (previous !== undefined && !FAMILIES[component].some(differs)) return previous;
  const device = key.slice(component.length + 1);
  const anew = { risk: UNKNOWN, families: [], findings: [], sensors: {} };
  return { component, device, seenAtMs: atMs, ...anew };
}

function dropOldest(components: Record<string, ComponentState>): number {
  let surplus = -COMPONENTS_MAX;
  for (const _ in components) surplus += 1;
  if (surplus <= 0) return 0;
  const oldest = Object.entries(components).sort(([, a], [, b]) => a.seenAtMs - b.seenAtMs);
  for (const [key] of oldest.slice(0, surplus)) delete components[key];
  return surplus;
}
