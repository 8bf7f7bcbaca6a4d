/**
 * The ratios of the kernels bench as a picture: one bar a row on a scale of powers of two, to the
 * right of the peer's speed or to the left, the aim as a mark. It has a ground of its own, so it
 * reads on light and dark.
 * @module
 */
import { aimText, type Row } from "../report.ts";

const LABEL_WIDTH = 520;
const PLOT_WIDTH = 430;
const WIDTH = LABEL_WIDTH + PLOT_WIDTH + 90;
const ROW_HEIGHT = 18;
const BAR_HEIGHT = 11;
const TOP = 56;
const BOTTOM = 34;
/** The scale's ends, as powers of two: 1/4 to 16 times. */
const [LOG_MIN, LOG_MAX] = [-2, 4];

const STYLE = `
  svg { font: 12px system-ui, "DejaVu Sans", sans-serif }
  .ground { fill: #ffffff } .text { fill: #1f2328 } .dim { fill: #656d76 }
  .line { stroke: #d0d7de } .one { stroke: #656d76; stroke-dasharray: 3 3 }
  .reached { fill: #1a7f37 } .missed { fill: #bc4c00 }
  .aim { stroke: #1f2328; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } .text { fill: #e6edf3 } .dim { fill: #8d96a0 }
    .line { stroke: #30363d } .one { stroke: #8d96a0 }
    .reached { fill: #3fb950 } .missed { fill: #db6d28 }
    .aim { stroke: #e6edf3 }
  }`;

/** The picture of those rows whose ratio of speeds has an aim. */
export function drawKernels(rows: readonly Row[]): string {
  const shown = rows.filter(({ ratio, aim }) => ratio !== undefined && aim === "ratio at least");
  const height = TOP + shown.length * ROW_HEIGHT + BOTTOM;
  const body = [
    `<rect class="ground" width="${WIDTH}" height="${height}" rx="6"/>`,
    text(16, 24, "text", "Speed of the WASM kernels / speed of the peer", "font-weight='600'"),
    text(
      16,
      42,
      "dim",
      "right of 1 x is faster than the peer; | is the aim; green reached it, orange did not",
    ),
    ...scale(height),
    ...shown.flatMap(bar),
  ];
  const size = `width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img">
<title>Speed of the WASM kernels against native code</title>
<style>${STYLE}
</style>
${body.join("\n")}
</svg>
`;
}

/** Where a ratio lies on the scale; what is beyond its ends lies on them. */
function xOf(ratio: number): number {
  const log = Math.min(LOG_MAX, Math.max(LOG_MIN, Math.log2(ratio)));
  const share = (log - LOG_MIN) / (LOG_MAX - LOG_MIN);
  return Math.round((LABEL_WIDTH + share * PLOT_WIDTH) * 10) / 10;
}

function scale(height: number): string[] {
  const ticks = Array.from({ length: LOG_MAX - LOG_MIN + 1 }, (_, step) => 2 ** (LOG_MIN + step));
  return ticks.flatMap((ratio) => {
    const x = xOf(ratio);
    const [from, to] = [TOP - 6, height - BOTTOM + 4];
    return [
      `<path class="${ratio === 1 ? "one" : "line"}" d="M${x} ${from}V${to}"/>`,
      text(x, height - 14, "dim", `${ratio} x`, "text-anchor='middle'"),
    ];
  });
}

function bar(row: Row, index: number): string[] {
  const { ratio = Number.NaN, target = Number.NaN } = row;
  const top = TOP + index * ROW_HEIGHT;
  const baseline = top + 11;
  const [end, aim] = [xOf(ratio), xOf(target)];
  const kind = row.reached === true ? "reached" : "missed";
  const label = `${row.case}, ${row.input ?? ""}`;
  const peer = row.peerName ?? "";
  const [left, right] = [Math.min(end, xOf(1)), Math.max(end, xOf(1))];
  const width = Math.round((right - left) * 10) / 10;
  return [
    "<g>",
    `<title>${escaped(`${label} / ${peer}: ${ratio.toFixed(2)} ${aimText(row) ?? ""}`)}</title>`,
    text(LABEL_WIDTH - 8, baseline, "text", shortened(`${label} / ${peer}`), "text-anchor='end'"),
    `<rect class="${kind}" x="${left}" y="${top + 2}" width="${width}" ` +
      `height="${BAR_HEIGHT}" rx="2"/>`,
    text(Math.max(right, aim) + 6, baseline, "dim", ratio.toFixed(2)),
    `<path class="aim" d="M${aim} ${top}v${BAR_HEIGHT + 4}"/>`,
    "</g>",
  ];
}

const LABEL_CHARACTERS = 86;

function shortened(label: string): string {
  return label.length <= LABEL_CHARACTERS ? label : `${label.slice(0, LABEL_CHARACTERS - 1)}…`;
}

function text(x: number, y: number, kind: string, content: string, more = ""): string {
  const attributes = more === "" ? "" : ` ${more.replaceAll("'", '"')}`;
  return `<text class="${kind}" x="${x}" y="${y}"${attributes}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
