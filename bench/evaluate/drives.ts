/**
 * The drive model on drives and a year it did not know, next to the rules: detection in the 30
 * days before a failure against false alarms in 30 days of a good drive; the year 2015 replayed;
 * and whether the probabilities come true.
 */
import { fractions } from "../../predictor/training/chance.ts";
import { ChangeLog } from "../../predictor/training/change-log.ts";
import { readTable } from "../../runtime/csv.ts";
import { forEachLine } from "../../runtime/lines.ts";
import { quantile } from "../statistics.ts";
import { CHANGES } from "../train/drives.ts";
import { type JudgedDrive, judgeHalves, type Point } from "./judged.ts";
import { curvePicture, type Picture, reliabilityPicture } from "./picture.ts";
import { rateAbove, rateOf, rateText, thresholdAt } from "./rates.ts";
import { type Decile, reliabilityOf } from "./reliability.ts";
import { type Policy, type Replay, replayYear } from "./replay.ts";

const WINDOWS = "eval_windows_dev_2015.csv.gz";
const dayOf = (date: string): number => Date.parse(date) / 86_400_000;
const YEAR = [dayOf("2015-01-01"), dayOf("2016-01-01")] as const;
const RATES = [0.001, 0.005, 0.01];
/** The aim, in 1000 drive-years. */
const FALSE_ALARMS = 5;

export interface DrivesReport {
  readonly text: string;
  readonly pictures: readonly Picture[];
}

export async function evaluateDrives(folder: string): Promise<DrivesReport> {
  const log = new ChangeLog();
  await forEachLine(`${folder}/${CHANGES}`, (line) => log.add(line));
  const drives = judgeHalves(log.finish(), YEAR[0]);
  const windows = await windowsOf(`${folder}/${WINDOWS}`, drives);
  const reliability = reliabilityOf(drives, YEAR);
  const rules = [1, 2, 3].map((count) => ({
    name: `at least ${count} of five above zero`,
    ...ruleRates(windows, count),
  }));
  const text = [detectionTable(windows, rules), replayTable(drives), reliabilityTable(reliability)];
  const pictures = [
    curvePicture("drive-detection.svg", curveOf(windows), rules),
    reliabilityPicture("drive-reliability.svg", reliability),
  ];
  return { text: text.join("\n\n"), pictures };
}

interface Windows {
  /** The greatest score, and the most of five above zero, in each window. */
  readonly failed: readonly Worst[];
  readonly good: readonly Worst[];
}

interface Worst {
  readonly score: number;
  readonly nonZero: number;
}

async function windowsOf(path: string, drives: readonly JudgedDrive[]): Promise<Windows> {
  const { header, rows } = await readTable(path);
  const place = (name: string): number => header.indexOf(name);
  const [serial, kind, from, to] = ["serial_number", "kind", "hours_from", "hours_to"].map(place);
  const bySerial = new Map(drives.map((drive) => [drive.serial, drive.points]));
  const windows: { failed: Worst[]; good: Worst[] } = { failed: [], good: [] };
  for (const row of rows) {
    const points = bySerial.get(row[serial!]!) ?? [];
    const worst = worstOf(points, Number(row[from!]) / 24, Number(row[to!]) / 24);
    windows[row[kind!] === "failed" ? "failed" : "good"].push(worst);
  }
  return windows;
}

/** A score holds until the next: the last one before the window counts as well. */
function worstOf(points: readonly Point[], fromDays: number, toDays: number): Worst {
  const first = Math.max(
    0,
    points.findLastIndex(({ atDays }) => atDays <= fromDays),
  );
  const inside = points.slice(first).filter(({ atDays }) => atDays <= toDays);
  const most = (pick: (point: Point) => number): number => Math.max(-1, ...inside.map(pick));
  return { score: most(({ score }) => score), nonZero: most(({ nonZero }) => nonZero) };
}

interface Rule {
  readonly name: string;
  readonly detected: number;
  readonly falseRate: number;
}

function ruleRates({ failed, good }: Windows, count: number): Omit<Rule, "name"> {
  const share = (all: readonly Worst[]): number =>
    all.filter(({ nonZero }) => nonZero >= count).length / all.length;
  return { detected: share(failed), falseRate: share(good) };
}

function scoresOf({ failed, good }: Windows): [failed: number[], good: number[]] {
  return [failed.map(({ score }) => score), good.map(({ score }) => score)];
}

function detectionTable(windows: Windows, rules: readonly Rule[]): string {
  const [failed, good] = scoresOf(windows);
  const draws = bootstrap(failed, good);
  const percent = (share: number): string => (100 * share).toFixed(1);
  return [
    `| ${failed.length} failed drives, ${good.length} good ones | found (95 %) | false alarms |`,
    "| --- | --- | --- |",
    ...RATES.map((far, index) => {
      const found = rateAbove(failed, thresholdAt(good, far));
      const [low, high] = [0.025, 0.975].map((at) =>
        quantile(
          draws.map((draw) => draw[index]!),
          at,
        ),
      );
      const interval = `${percent(low!)}-${percent(high!)}`;
      const share = percent(found.hits / found.of);
      return `| drive model | ${share} % (${interval}) | ${percent(far)} % |`;
    }),
    ...rules.map(({ name, detected, falseRate }) => {
      const found = rateOf(Math.round(detected * failed.length), failed.length);
      return `| ${name} | ${rateText(found)} | ${(100 * falseRate).toFixed(2)} % |`;
    }),
  ].join("\n");
}

const DRAWS = 500;

/** Detection at each rate, for drives drawn again with replacement; the threshold moves along. */
function bootstrap(failed: readonly number[], good: readonly number[]): number[][] {
  const fraction = fractions(1);
  const draw = (all: readonly number[]): number[] =>
    all.map(() => all[Math.floor(fraction() * all.length)]!);
  return Array.from({ length: DRAWS }, () => {
    const [ours, theirs] = [draw(failed), draw(good).sort((a, b) => b - a)];
    return RATES.map((far) => {
      const threshold = theirs[Math.floor(far * theirs.length)]!;
      return ours.filter((score) => score > threshold).length / ours.length;
    });
  });
}

function curveOf(windows: Windows): [falseRate: number, detected: number][] {
  const [failed, good] = scoresOf(windows);
  return Array.from({ length: 61 }, (_, at) => {
    const far = 10 ** (-4 + at / 20);
    const { hits, of } = rateAbove(failed, thresholdAt(good, far));
    return [far, hits / of];
  });
}

function replayTable(drives: readonly JudgedDrive[]): string {
  const replay = (policy: Policy): Replay => replayYear(drives, YEAR, policy);
  const [one, two] = [1, 2].map((count) => replay(rulePolicy(count)));
  const allowed = [FALSE_ALARMS, two!.falsePerThousandYears];
  const lines: readonly [name: string, replay: Replay][] = [
    ["drive model, its own threshold", replay(modelPolicy(({ failing }) => failing))],
    ...allowed.map((each): [string, Replay] => [
      `drive model, a threshold chosen afterwards for ${each.toFixed(1)}`,
      replayAllowing(each, replay),
    ]),
    ["at least 2 of five above zero", two!],
    ["at least 1 of five above zero", one!],
  ];
  return [
    tableRow([
      "2015 replayed",
      "found a day before",
      "median lead",
      "new alarms",
      "followed in 60 d",
      "false / 1000 drive-years",
    ]),
    "| --- | --- | --- | --- | --- | --- |",
    ...lines.map(([name, { failed, found, leadDays, alarms, followed, ...rest }]) => {
      const lead = quantile(leadDays, 0.5).toFixed(1);
      const each = rest.falsePerThousandYears.toFixed(1);
      const [recall, precision] = [rateOf(found, failed), rateOf(followed, alarms)].map(rateText);
      return tableRow([name, recall!, `${lead} d`, `${alarms}`, precision!, each]);
    }),
  ].join("\n");
}

/** As an agent's alarms: one counter above zero is suspect by a rule of its own. */
function modelPolicy(thresholdOf: (drive: JudgedDrive) => number): Policy {
  return {
    raises: ({ score }, drive) => score > thresholdOf(drive),
    clears: ({ score, nonZero }, drive) => {
      return nonZero === 0 && score <= Math.min(drive.suspect, thresholdOf(drive));
    },
  };
}

function rulePolicy(count: number): Policy {
  return {
    raises: ({ nonZero }) => nonZero >= count,
    clears: ({ nonZero }) => nonZero === 0,
  };
}

/** The replay at the least threshold, to half a percent, with at most so many false alarms. */
function replayAllowing(allowed: number, replay: (policy: Policy) => Replay): Replay {
  let [low, high] = [0.005, 0.5];
  let best = replay(modelPolicy(() => high));
  while (high / low > 1.005) {
    const middle = Math.sqrt(low * high);
    const next = replay(modelPolicy(() => middle));
    if (next.falsePerThousandYears <= allowed) [best, high] = [next, middle];
    else low = middle;
  }
  return best;
}

function reliabilityTable(deciles: readonly Decile[]): string {
  const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
  return [
    "| tenth of the expected failures | drive-years | predicted in 30 d | observed | ratio |",
    "| --- | --- | --- | --- | --- |",
    ...deciles.map(({ years, predicted, observed }, at) => {
      const ratio = (observed / predicted).toFixed(2);
      return tableRow([
        `${at + 1}`,
        years.toFixed(1),
        percent(predicted),
        percent(observed),
        ratio,
      ]);
    }),
  ].join("\n");
}

function tableRow(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}
