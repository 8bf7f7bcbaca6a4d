// Draws what a terminal showed: text on standard input, an SVG on standard output. The picture of
// the README was made from a real run, whole and unchanged:
//
//   lifeboat demo --once 2>&1 | node docs/terminal-svg.mjs > docs/demo.svg
import { text } from "node:stream/consumers";

const CHARACTER_WIDTH = 7.23;
const LINE_HEIGHT = 16;
const MARGIN = 14;
const COLUMNS_MIN = 80;

const STYLE = `
  rect { fill: #14181d }
  text { font: 12px "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #c9d1d9; white-space: pre }
  .time { fill: #6e7781 }
  .message { fill: #79c0ff }
  .alarm { fill: #ffa657 }
  .good { fill: #7ee787 }`;

/** What is coloured: the first pattern that fits a line, its groups by class in order. */
const COLOURS = [
  [
    /^( *\d+\.\d s)( {2}[a-z:]+ -> [a-z:]+ +)(prediction)( +)(.*)$/,
    ["time", "", "alarm", "", "alarm"],
  ],
  [/^( *\d+\.\d s)( {20,})(.*)$/, ["time", "", "alarm"]],
  [
    /^( *\d+\.\d s)( {2}[a-z:]+ -> [a-z:]+ +| {2}management +)([a-z-]+)( .*)$/,
    ["time", "", "message", ""],
  ],
  [/^( *\d+\.\d s)(.*last pause.*)$/, ["time", "good"]],
  [/^( *\d+\.\d s)(.*)$/, ["time", ""]],
  [/^(.*)(Nothing was lost\.)$/, ["", "good"]],
];

const escaped = (part) =>
  part.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function coloured(line) {
  for (const [pattern, classes] of COLOURS) {
    const groups = pattern.exec(line)?.slice(1);
    if (groups === undefined) continue;
    return groups
      .map((part, at) =>
        classes[at] === ""
          ? escaped(part)
          : `<tspan class="${classes[at]}">${escaped(part)}</tspan>`,
      )
      .join("");
  }
  return escaped(line);
}

const lines = (await text(process.stdin)).trimEnd().split("\n");
const columns = Math.max(COLUMNS_MIN, ...lines.map((line) => line.length));
const width = Math.ceil(columns * CHARACTER_WIDTH) + 2 * MARGIN;
const height = lines.length * LINE_HEIGHT + 2 * MARGIN;
const rows = lines.map((line, at) => {
  const y = MARGIN + (at + 0.8) * LINE_HEIGHT;
  return `<text x="${MARGIN}" y="${y}" xml:space="preserve">${coloured(line)}</text>`;
});
process.stdout.write(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}">
<desc>A real run: lifeboat demo --once 2&gt;&amp;1 | node docs/terminal-svg.mjs</desc>
<style>${STYLE}
</style>
<rect width="${width}" height="${height}" rx="8"/>
${rows.join("\n")}
</svg>
`);
