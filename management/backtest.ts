/**
 * How well the predictor did on this site's own record: alarms, what became of them, and failures
 * that nothing had told of.
 *
 * Rule 1: only what is known counts; how much is not known stands beside each figure.
 * Rule 2: a figure never goes without its 95 % interval.
 */
import type { Component } from "../protocol/prediction.ts";
import {
  type AlarmRecord,
  cameTrue,
  type FailureRecord,
  type Outcome,
  outcomeOf,
} from "./alarm.ts";
import {
  countInterval,
  type Interval,
  medianInterval,
  quantile,
  shareInterval,
} from "./figures.ts";

const YEAR_MS = 365.25 * 86_400_000;
/** Points of the picture; the figures are of all. */
export const LEADS_ANSWERED_MAX = 1_000;

export interface Share {
  readonly hits: number;
  readonly all: number;
  /** Undefined of none. */
  readonly share: number | undefined;
  readonly interval: Interval;
}

export interface Figures {
  /** What these are of: "all", a component, or a rule. */
  readonly of: string;
  readonly alarms: number;
  /** Alarms of which it is not known whether they came true. */
  readonly unknown: number;
  /** Of the known alarms, those that came true. */
  readonly precision: Share;
  /** Of the recorded failures, those that an alarm had told of; a rule misses none by itself. */
  readonly recall: Share | undefined;
  readonly lead: Lead | undefined;
  readonly falseAlarms: number;
  /** Undefined where no time was watched. */
  readonly falsePer1000HostYears: number | undefined;
  readonly falseInterval: Interval | undefined;
}

export interface Lead {
  readonly medianMs: number;
  /** Undefined of fewer than six. */
  readonly medianIntervalMs: Interval | undefined;
  /** A quarter of them was shorter. */
  readonly p25Ms: number;
}

export interface Backtest {
  /** Time that servers were watched, all together. */
  readonly hostYears: number;
  readonly since: string | undefined;
  readonly all: Figures;
  readonly byComponent: readonly Figures[];
  readonly byRule: readonly Figures[];
  readonly outcomes: Readonly<Partial<Record<Outcome, number>>>;
  /** From alarm to failure, the shortest first. */
  readonly leadsMs: readonly number[];
}

export function backtest(
  alarms: readonly AlarmRecord[],
  missed: readonly FailureRecord[],
  watchedMs: number,
): Backtest {
  const hostYears = watchedMs / YEAR_MS;
  const components = [...new Set([...alarms, ...missed].map(({ component }) => component))];
  const rules = [...new Set(alarms.flatMap((alarm) => alarm.rules))];
  const outcomes: Partial<Record<Outcome, number>> = {};
  for (const alarm of alarms) outcomes[outcomeOf(alarm)] = (outcomes[outcomeOf(alarm)] ?? 0) + 1;
  const ofComponent = (one: Component): Figures => {
    const of = <Item extends { component: Component }>(all: readonly Item[]): Item[] =>
      all.filter(({ component }) => component === one);
    return figuresOf(one, of(alarms), of(missed), hostYears);
  };
  const ofRule = (rule: string): Figures => {
    const fired = alarms.filter((alarm) => alarm.rules.includes(rule));
    return figuresOf(rule, fired, undefined, hostYears);
  };
  return {
    hostYears,
    since: alarms.map(({ wallTime }) => wallTime).sort()[0],
    all: figuresOf("all", alarms, missed, hostYears),
    byComponent: components.sort().map(ofComponent),
    byRule: rules.sort().map(ofRule),
    outcomes,
    leadsMs: leadsOf(alarms).slice(0, LEADS_ANSWERED_MAX),
  };
}

function figuresOf(
  of: string,
  alarms: readonly AlarmRecord[],
  missed: readonly FailureRecord[] | undefined,
  hostYears: number,
): Figures {
  const verdicts = alarms.map(cameTrue);
  const hits = verdicts.filter((one) => one === true).length;
  const falseAlarms = verdicts.filter((one) => one === false).length;
  const perYears = (count: number): number => (count * 1_000) / hostYears;
  const [low, high] = countInterval(falseAlarms);
  return {
    of,
    alarms: alarms.length,
    unknown: alarms.length - hits - falseAlarms,
    precision: shareOf(hits, hits + falseAlarms),
    recall: missed === undefined ? undefined : shareOf(hits, hits + missed.length),
    lead: leadOf(leadsOf(alarms)),
    falseAlarms,
    falsePer1000HostYears: hostYears > 0 ? perYears(falseAlarms) : undefined,
    falseInterval: hostYears > 0 ? [perYears(low), perYears(high)] : undefined,
  };
}

function shareOf(hits: number, all: number): Share {
  const share = all === 0 ? undefined : hits / all;
  return { hits, all, share, interval: shareInterval(hits, all) };
}

/** From the first prediction to the failure. */
function leadsOf(alarms: readonly AlarmRecord[]): number[] {
  return alarms
    .flatMap(({ wallTime, word }) =>
      word?.failedAt === undefined ? [] : [Date.parse(word.failedAt) - Date.parse(wallTime)],
    )
    .sort((a, b) => a - b);
}

function leadOf(leadsMs: readonly number[]): Lead | undefined {
  if (leadsMs.length === 0) return undefined;
  return {
    medianMs: quantile(leadsMs, 0.5),
    medianIntervalMs: medianInterval(leadsMs),
    p25Ms: quantile(leadsMs, 0.25),
  };
}
