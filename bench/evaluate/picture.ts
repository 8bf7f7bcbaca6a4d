/**
 * Pictures of an evaluation, as SVG.
 */
import type { Decile } from "./reliability.ts";

export interface Picture {
  readonly name: string;
  readonly svg: string;
}

interface Axis {
  readonly label: string;
  readonly ticks: readonly number[];
  /** Where a value lies, from 0 to 1. */
  readonly place: (value: number) => number;
}

const [WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM] = [640, 420, 64, 20, 20, 52];

export function curvePicture(
  name: string,
  curve: readonly (readonly [falseRate: number, detected: number])[],
  rules: readonly {
    readonly name: string;
    readonly falseRate: number;
    readonly detected: number;
  }[],
): Picture {
  const x = logAxis("good drives alarmed in 30 days", -4, -1);
  const y: Axis = {
    label: "failing drives found",
    ticks: [0, 0.2, 0.4, 0.6, 0.8],
    place: (value) => value / 0.8,
  };
  const marks = rules.map(({ name: text, ...rule }) => {
    const [left, top] = at(x, y, rule.falseRate, rule.detected);
    return `${dot(left, top, "#c2410c")}${label(left + 8, top + 4, text)}`;
  });
  return { name, svg: frame(x, y, `${line(x, y, curve)}${marks.join("")}`) };
}

export function reliabilityPicture(name: string, deciles: readonly Decile[]): Picture {
  const x = logAxis("predicted to fail in 30 days", -4, 0);
  const y = logAxis("failed", -4, 0);
  const ideal = line(x, y, [
    [1e-4, 1e-4],
    [1, 1],
  ]);
  const dots = deciles.map(({ predicted, observed }) =>
    dot(...at(x, y, predicted, Math.max(1e-4, observed)), "#c2410c"),
  );
  return { name, svg: frame(x, y, `${ideal}${dots.join("")}`) };
}

function logAxis(text: string, from: number, to: number): Axis {
  const ticks = Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index));
  return { label: text, ticks, place: (value) => (Math.log10(value) - from) / (to - from) };
}

function at(x: Axis, y: Axis, across: number, up: number): [left: number, top: number] {
  const left = LEFT + x.place(across) * (WIDTH - LEFT - RIGHT);
  const top = HEIGHT - BOTTOM - y.place(up) * (HEIGHT - TOP - BOTTOM);
  return [Number(left.toFixed(1)), Number(top.toFixed(1))];
}

function line(x: Axis, y: Axis, points: readonly (readonly [number, number])[]): string {
  const path = points.map(([across, up]) => at(x, y, across, up).join(",")).join(" ");
  return `<polyline points="${path}" fill="none" stroke="#1d4ed8" stroke-width="2"/>\n`;
}

function dot(left: number, top: number, colour: string): string {
  return `<circle cx="${left}" cy="${top}" r="4" fill="${colour}"/>\n`;
}

function label(left: number, top: number, text: string, anchor = "start"): string {
  return `<text x="${left}" y="${top}" text-anchor="${anchor}">${text}</text>\n`;
}

function frame(x: Axis, y: Axis, inside: string): string {
  const percent = (value: number): string => `${Number((100 * value).toPrecision(3))} %`;
  const across = x.ticks.map((tick) => {
    const [left] = at(x, y, tick, y.ticks[0]!);
    return label(left, HEIGHT - BOTTOM + 18, percent(tick), "middle");
  });
  const up = y.ticks.map((tick) => {
    const [, top] = at(x, y, x.ticks[0]!, tick);
    const grid = `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${top}" y2="${top}" stroke="#ddd"/>`;
    return `${grid}\n${label(LEFT - 8, top + 4, percent(tick), "end")}`;
  });
  const names =
    label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x.label, "middle") + label(4, 14, y.label);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}"`,
    ' font-family="sans-serif" font-size="12" fill="#222">\n',
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>\n`,
    ...across,
    ...up,
    names,
    inside,
    "</svg>\n",
  ].join("");
}
