/**
 * How often the predictor raises a false alarm: thousands of host-years of healthy servers, each
 * of its own chance, against the bound of the specification.
 *
 * A year at each second takes a processor an hour, so most years are looked at each hour, and each
 * 15 seconds for ten minutes around whatever happens suddenly; fewer at each minute and second,
 * which judge as often as an agent does. Seeds are 1, 2, 3: the same run is the same result,
 * on however many threads. Ctrl-C ends it, and prints what was reached.
 */
import { availableParallelism } from "node:os";
import { DEFAULT_CONFIG } from "../predictor/config.ts";
import { LARGE, SMALL } from "./healthy-host.ts";
import type { Bench, BenchPorts, Outcome, Row } from "./report.ts";
import { type Soak, type SoakCounts, summed } from "./soak.ts";
import { playAll } from "./soak-pool.ts";
import { openProgress, type Played, type Progress, runName } from "./soak-progress.ts";
import { poissonInterval } from "./statistics.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const NOTE_MS = 60_000;

interface Tier {
  readonly name: string;
  readonly soaks: readonly Soak[];
}

export const falseAlarmsBench: Bench = {
  name: "false-alarms",
  summary: "Plays healthy servers to the predictor and counts what it says: all of it is false.",
  options: {
    years: { default: 10_000, help: "host-years of small servers at each hour" },
    "large-years": { default: 10, help: "host-years of large servers at each hour" },
    "minute-years": { default: 10, help: "host-years of small servers at each minute" },
    "second-days": { default: 30, help: "host-days of small servers at each second" },
    workers: { default: Math.max(1, availableParallelism() - 1), help: "threads" },
  },
  texts: { state: "file that keeps what was played: the same run with the same file goes on" },
  async run({ workers = 1, ...options }, ports, { state }) {
    const progress = openProgress(state, runName(options));
    const stop = new AbortController();
    const onSignal = (): void => stop.abort();
    process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
    const outcomes: Outcome[] = [];
    for (const tier of tiersOf(options)) {
      await playTier(tier, progress, workers, stop.signal, ports);
      outcomes.push(outcomeOf(tier, progress.played(tier.name), ports));
    }
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    return {
      rows: outcomes.flatMap(({ rows }) => rows),
      faults: outcomes.flatMap(({ faults }) => faults),
    };
  },
};

function tiersOf(options: Readonly<Record<string, number>>): readonly Tier[] {
  const yearly = (years: number, size: Soak["size"], stepMs: number): readonly Soak[] =>
    Array.from({ length: years }, (_, index) => ({ seed: index + 1, size, years: 1, stepMs }));
  const day = 1 / 365.25;
  const days = Array.from({ length: options["second-days"] ?? 0 }, (_, index): Soak => {
    return { seed: index + 1, size: SMALL, years: day, stepMs: SECOND_MS };
  });
  return [
    { name: "small, each second", soaks: days },
    { name: "small, each minute", soaks: yearly(options["minute-years"] ?? 0, SMALL, MINUTE_MS) },
    { name: "large, each hour", soaks: yearly(options["large-years"] ?? 0, LARGE, HOUR_MS) },
    { name: "small, each hour", soaks: yearly(options["years"] ?? 0, SMALL, HOUR_MS) },
  ];
}

/** Plays what is left of a tier, and keeps it every minute and at its end. */
async function playTier(
  { name, soaks }: Tier,
  progress: Progress,
  workers: number,
  signal: AbortSignal,
  { clock, note }: BenchPorts,
): Promise<void> {
  const done = new Set(progress.played(name).map(({ seed }) => seed));
  let notedMs = clock.nowMs();
  const left = soaks.filter(({ seed }) => !done.has(seed));
  await playAll(left, workers, signal, ({ seed }, counts) => {
    progress.add(name, { seed, ...counts });
    if (clock.nowMs() - notedMs < NOTE_MS) return;
    notedMs = clock.nowMs();
    progress.save();
    const { years, predictions, suspects } = summed(progress.played(name));
    note(`${name}: ${years.toFixed(1)} host-years, ${predictions + suspects} false alarms`);
  });
  progress.save();
}

function outcomeOf({ name, soaks }: Tier, played: readonly Played[], ports: BenchPorts): Outcome {
  const missing = soaks.length - played.length;
  const unfinished = missing > 0 ? [`${name}: ${missing} of ${soaks.length} were not played`] : [];
  if (played.length === 0) return { rows: [], faults: unfinished };
  const counts = summed(played);
  const alarmed = played.filter(({ predictions, suspects }) => predictions + suspects > 0);
  const seeds = alarmed.map(({ seed }) => seed).toSorted((a, b) => a - b);
  const rules = JSON.stringify(counts.rules);
  ports.note(`${name}: ${counts.rounds} rounds; rules ${rules}; seeds ${JSON.stringify(seeds)}`);
  return { rows: rowsOf(name, counts), faults: [...unfinished, ...faultsOf(name, counts)] };
}

/** Alarms a host-year: the bound is reached once even the upper end of the interval is below it. */
function rowsOf(name: string, { years, predictions, suspects }: SoakCounts): readonly Row[] {
  const bound = DEFAULT_CONFIG.falseAlarmsPerHostYear;
  const row = (what: string, count: number): Row => {
    const [low, high] = poissonInterval(count).map((limit) => limit / years) as [number, number];
    const interval = `${low.toPrecision(2)} to ${high.toPrecision(2)} at 95 %`;
    const input = `${count} in ${years.toFixed(2)} host-years, ${interval}`;
    const unit = "alarms/host-year";
    return {
      case: `${name}: ${what}`,
      input,
      unit,
      ours: count / years,
      target: bound,
      reached: high <= bound,
    };
  };
  return [row("predictions", predictions), row("statistical suspects", suspects)];
}

/** A bound that the interval excludes is broken; one that it holds is only not proven. */
function faultsOf(name: string, { years, predictions, suspects }: SoakCounts): readonly string[] {
  const [low] = poissonInterval(predictions + suspects);
  if (low / years <= DEFAULT_CONFIG.falseAlarmsPerHostYear) return [];
  return [`${name}: ${predictions + suspects} false alarms in ${years} host-years`];
}
