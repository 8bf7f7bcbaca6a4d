/**
 * Predicts the failure of disks and network adapters from their readings, as a pure machine.
 *
 * Rule 1: every verdict comes with the readings it rests on.
 * Rule 2: a sensor that is missing, stuck or implausible is told as such; it is no evidence, and
 * it heals nothing (see risk.ts for the states of a component).
 * Rule 3: other hardware under the same name starts anew, with nothing remembered.
 * @module
 */
import assert from "node:assert/strict";
import type { Config } from "./config.ts";
import { judgeDisk } from "./disk.ts";
import type { Effect, Risk } from "./evidence.ts";
import { EMPTY_HISTORY, judgeNic, type NicHistory, observeNic } from "./nic.ts";
import type { Component, Reading } from "./reading.ts";
import { assess, outlookOf, type RiskState, UNKNOWN } from "./risk.ts";
import { believe, remember, report, type SensorState } from "./sensor.ts";

export interface ComponentState {
  readonly component: Component;
  readonly device: string;
  readonly instance: string;
  readonly seenAtMs: number;
  readonly risk: RiskState;
  readonly nic: NicHistory;
  /** By signal. */
  readonly sensors: Readonly<Record<string, SensorState>>;
}

export interface State {
  readonly atMs: number;
  /** By component and device: "disk/sda". At most `COMPONENTS_MAX`. */
  readonly components: Readonly<Record<string, ComponentState>>;
  /** Predictions made so far. */
  readonly sequence: number;
  /** Components forgotten because there were too many. */
  readonly dropped: number;
}

/** A set of readings taken at `atMs` (monotonic). A disk's or adapter's readings come together. */
export type Event = Readonly<{ type: "readings"; atMs: number; readings: readonly Reading[] }>;

export type Step = readonly [state: State, effects: readonly Effect[]];

const COMPONENTS_MAX = 512;

export function start(atMs: number): State {
  return { atMs, components: {}, sequence: 0, dropped: 0 };
}

export function step(state: State, event: Event, config: Config): Step {
  assert(event.atMs >= state.atMs, "time went backwards");
  const components = { ...state.components };
  const effects: Effect[] = [];
  let { sequence } = state;
  for (const [key, readings] of Object.entries(groups(event.readings))) {
    const [component, told] = observe(
      components[key],
      readings!,
      { atMs: event.atMs, sequence: sequence + 1 },
      config,
    );
    components[key] = component;
    sequence += told.filter(({ type }) => type === "prediction").length;
    effects.push(...told);
  }
  const dropped = state.dropped + dropOldest(components);
  return [{ atMs: event.atMs, components, sequence, dropped }, effects];
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
  const devices = Object.values(state.components).filter(({ sensors }) => !("scan" in sensors));
  return devices.map(({ component, device, risk: { risk, raisedBy } }) => {
    const probability = risk === "failing" ? outlookOf(raisedBy).probability : 0;
    return { component, device, risk, probability };
  });
}

function groups(readings: readonly Reading[]) {
  return Object.groupBy(readings, ({ component, device }) => `${component}/${device}`);
}

function observe(
  previous: ComponentState | undefined,
  raw: readonly Reading[],
  { atMs, sequence }: { readonly atMs: number; readonly sequence: number },
  config: Config,
): readonly [ComponentState, readonly Effect[]] {
  const { component, device } = raw[0]!;
  const state = continued(previous, raw[0]!, atMs);
  const effects: Effect[] = [];
  const sensors = { ...state.sensors };
  const readings = raw.map((reading) => {
    const sensor = sensors[reading.signal];
    const believed = believe(sensor, reading, atMs, config);
    effects.push(...report(sensor, believed, atMs));
    sensors[reading.signal] = remember(sensor, reading, believed, atMs);
    return believed;
  });
  const nic = component === "nic" ? observeNic(state.nic, readings, atMs, config) : state.nic;
  const findings = component === "nic" ? judgeNic(nic, config) : judgeDisk(readings);
  const [risk, told] = assess(state.risk, findings, { component, device, atMs, sequence }, config);
  return [{ ...state, seenAtMs: atMs, risk, nic, sensors }, [...effects, ...told]];
}

/** A device that gives no instance (asleep, unreadable) is taken for the one known. */
function continued(
  previous: ComponentState | undefined,
  { component, device, instance = previous?.instance ?? "" }: Reading,
  atMs: number,
): ComponentState {
  const same = previous?.instance === instance || previous?.instance === "";
  if (previous !== undefined && same) return { ...previous, instance };
  const anew = { risk: UNKNOWN, nic: EMPTY_HISTORY, sensors: {} };
  return { component, device, instance, seenAtMs: atMs, ...anew };
}

function dropOldest(components: Record<string, ComponentState>): number {
  const surplus = Object.keys(components).length - COMPONENTS_MAX;
  if (surplus <= 0) return 0;
  const oldest = Object.entries(components).sort(([, a], [, b]) => a.seenAtMs - b.seenAtMs);
  for (const [key] of oldest.slice(0, surplus)) delete components[key];
  return surplus;
}
