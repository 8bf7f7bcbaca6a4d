import { suite } from "uvu";
import * as assert from "uvu/assert";
import { drawKernels } from "../../../bench/kernels/picture.ts";
import type { Row } from "../../../bench/report.ts";

const picture = suite("picture");

const speed: Row = { case: "hash", input: "pages", unit: "GB/s", ours: 10, peer: 5, ratio: 2 };
const aimed = { target: 1.5, aim: "ratio at least" } as const;

/** The width of the only bar. */
function barWidth(row: Row): number {
  const match = /<rect class="(?:plain|reached|missed)"[^>]* width="([\d.]+)"/.exec(
    drawKernels([row]),
  );
  return Number(match?.[1]);
}

picture("drawKernels() draws one bar a row, and none for sizes and for what is missing", () => {
  const size: Row = { ...speed, unit: "MiB" };
  const missing: Row = { case: "crc", unit: "GB/s", ours: Number.NaN, missing: "no compiler" };
  const bars = drawKernels([speed, size, missing, speed]).match(/<rect class="plain"/g);
  assert.is(bars?.length, 2);
});

picture("drawKernels() makes each doubling as long as the other, and ends with its scale", () => {
  const widths = [1, 2, 4, 16, 64].map((ratio) => barWidth({ ...speed, ratio }));
  const [one, two, four, end, beyond] = widths as [number, number, number, number, number];
  assert.ok(Math.abs(two - one - (four - two)) < 0.2);
  assert.ok(end > four);
  assert.is(beyond, end);
});

for (const [ratio, kind] of [
  [2, "reached"],
  [1.4, "missed"],
] as const) {
  picture(`drawKernels() of ${ratio} against an aim of 1.5: ${kind}, with the aim marked`, () => {
    const svg = drawKernels([{ ...speed, ratio, ...aimed }]);
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
