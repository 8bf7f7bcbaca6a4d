/**
 * A picture of a backtest in SVG: shares with their intervals, and how early alarms came. Readable
 * on light and dark ground, and without colour.
 * @module
 */
import type { Backtest, Figures, Share } from "../../management/backtest.ts";
import { timeText } from "./explain.ts";

const WIDTH = 720;
const LEFT = 150;
const RIGHT = 24;
const ROW = 22;
const CURVE = 180;
const SPAN = WIDTH - LEFT - RIGHT;
const HOUR_MS = 3_600_000;
const LEAD_MIN_MS = HOUR_MS;
const LEAD_MARKS_MS = [1, 6, 24, 7 * 24, 30 * 24, 90 * 24].map((hours) => hours * HOUR_MS);

const STYLE = `
svg { font: 12px sans-serif; background: #ffffff; color: #1b1f24 }
text { fill: currentColor } .quiet { opacity: .65 } .grid { stroke: currentColor; opacity: .15 }
.precision { stroke: #0a66c2; fill: #0a66c2 } .recall { stroke: #b35900; fill: #b35900 }
.curve { stroke: #0a66c2; fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  svg { background: #14171a; color: #e6e8ea }
  .precision { stroke: #6cb2ff; fill: #6cb2ff } .recall { stroke: #ffb066; fill: #ffb066 }
  .curve { stroke: #6cb2ff }
}`;

export function drawBacktest(result: Backtest): string {
  const { all, byComponent, byRule, hostYears, leadsMs } = result;
  const rows = [all, ...byComponent, ...byRule];
  const top = 70;
  const bottom = top + rows.length * ROW;
  const height = bottom + 70 + CURVE + 40;
  const years = `${hostYears.toFixed(2)} host-years, ${all.alarms} alarms, ${all.unknown} unknown`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    "<title>Backtest of the failure predictor</title>",
    `<style>${STYLE}</style>`,
    text(LEFT, 22, `Precision and recall with 95 % intervals: ${years}`),
    `<circle class="precision" cx="${LEFT + 5}" cy="40" r="4"/>`,
    text(LEFT + 14, 44, "precision, of the alarms known"),
    `<rect class="recall" x="${LEFT + 240}" y="36" width="8" height="8"/>`,
    text(LEFT + 254, 44, "recall, of the failures recorded"),
    ...shareGrid(top, bottom),
    ...rows.flatMap((row, at) => figuresRow(row, top + at * ROW + ROW / 2)),
    ...curve(leadsMs, bottom + 70),
    "</svg>\n",
  ].join("\n");
}

function shareGrid(top: number, bottom: number): string[] {
  return [0, 0.25, 0.5, 0.75, 1].flatMap((share) => {
    const x = LEFT + share * SPAN;
    return [line(x, top, x, bottom), text(x, top - 6, `${100 * share} %`, "middle", "quiet")];
  });
}

function figuresRow({ of, precision, recall }: Figures, y: number): string[] {
  return [
    text(LEFT - 10, y + 4, of, "end"),
    ...bar(precision, y - 4, "precision"),
    ...(recall === undefined ? [] : bar(recall, y + 4, "recall")),
  ];
}

function bar({ share, interval }: Share, y: number, className: string): string[] {
  if (share === undefined) return [];
  const [low, high] = interval.map((end) => LEFT + end * SPAN) as [number, number];
  const x = LEFT + share * SPAN;
  const range = `x1="${fixed(low)}" y1="${y}" x2="${fixed(high)}" y2="${y}"`;
  const mark =
    className === "precision"
      ? `<circle class="precision" cx="${fixed(x)}" cy="${y}" r="4"/>`
      : `<rect class="recall" x="${fixed(x - 4)}" y="${y - 4}" width="8" height="8"/>`;
  return [`<line class="${className}" ${range}/>`, mark];
}

/** The share of failures told of at least so long before. */
function curve(leadsMs: readonly number[], top: number): string[] {
  const bottom = top + CURVE;
  const most = Math.max(LEAD_MARKS_MS.at(-1)!, ...leadsMs);
  const place = (ms: number): number =>
    LEFT +
    (Math.log(Math.max(ms, LEAD_MIN_MS) / LEAD_MIN_MS) / Math.log(most / LEAD_MIN_MS)) * SPAN;
  const grid = LEAD_MARKS_MS.flatMap((ms) => [
    line(place(ms), top, place(ms), bottom),
    text(place(ms), bottom + 16, timeText(ms), "middle", "quiet"),
  ]);
  const shares = [0, 0.5, 1].map((share) =>
    text(LEFT - 10, bottom - share * CURVE + 4, `${100 * share} %`, "end", "quiet"),
  );
  const points = leadsMs.map((ms, at) => {
    const left = (leadsMs.length - at) / leadsMs.length;
    return `${fixed(place(ms))},${fixed(bottom - left * CURVE)}`;
  });
  const end = leadsMs.length === 0 ? [] : [`${fixed(place(leadsMs.at(-1)!))},${bottom}`];
  const title = `Failures told of at least so long before, of ${leadsMs.length} that were`;
  return [
    text(LEFT, top - 14, title),
    ...grid,
    ...shares,
    line(LEFT, bottom, LEFT + SPAN, bottom),
    `<polyline class="curve" points="${[...points, ...end].join(" ")}"/>`,
  ];
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  return `<line class="grid" x1="${fixed(x1)}" y1="${y1}" x2="${fixed(x2)}" y2="${y2}"/>`;
}

type Anchor = "start" | "middle" | "end";

function text(x: number, y: number, words: string, anchor: Anchor = "start", own = ""): string {
  const safe = words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const place = `x="${fixed(x)}" y="${y}" text-anchor="${anchor}"`;
  return `<text ${place}${own === "" ? "" : ` class="${own}"`}>${safe}</text>`;
}

function fixed(value: number): string {
  return String(Number(value.toFixed(1)));
}
