import { suite } from "uvu";
import * as assert from "uvu/assert";
import { drawKernels } from "../../../bench/kernels/picture.ts";
import type { Row } from "../../../bench/report.ts";

const picture = suite("picture");

const speed: Row = {
  case: "hash",
  input: "pages",
  unit: "GB/s",
  ours: 10,
  peer: 5,
  ratio: 2,
  target: 1.5,
  aim: "ratio at least",
  reached: true,
};

/** The width of the only bar. */
function barWidth(row: Row): number {
  const match = /<rect class="(?:reached|missed)"[^>]* width="([\d.]+)"/.exec(drawKernels([row]));
  return Number(match?.[1]);
}

picture(
  "drawKernels() draws a bar for each ratio of speeds that has an aim, and for no other",
  () => {
    const size: Row = { ...speed, aim: "ratio at most" };
    const { target: _target, aim: _aim, ...aimless } = speed;
    const { ratio: _ratio, ...missing } = speed;
    const bars = drawKernels([speed, size, missing, aimless, speed]).match(
      /<rect class="reached"/g,
    );
    assert.is(bars?.length, 2);
  },
);

picture("drawKernels() makes each doubling as long as the other, either way from 1", () => {
  const widths = [0.25, 0.5, 1, 2, 4].map((ratio) => barWidth({ ...speed, ratio }));
  const [quarter, half, one, two, four] = widths as [number, number, number, number, number];
  assert.is(one, 0);
  assert.ok(two > 0);
  for (const [long, short] of [
    [four, two],
    [quarter, half],
  ] as const) {
    assert.ok(Math.abs(long - 2 * short) < 0.3);
  }
});

picture("drawKernels() ends with its scale", () => {
  const [end, beyond] = [16, 64].map((ratio) => barWidth({ ...speed, ratio }));
  assert.is(beyond, end);
});

for (const [reached, kind] of [
  [true, "reached"],
  [false, "missed"],
] as const) {
  picture(`drawKernels() of a row with reached: ${reached} is coloured as ${kind}`, () => {
    const svg = drawKernels([{ ...speed, reached }]);
    assert.match(svg, new RegExp(`<rect class="${kind}"`));
    assert.match(svg, /<path class="aim"/);
  });
}

picture("drawKernels() escapes what it is given", () => {
  const svg = drawKernels([{ ...speed, input: "<&>" }]);
  assert.match(svg, /&lt;&amp;&gt;/);
  assert.not.match(svg, /<&>/);
});

picture.run();
