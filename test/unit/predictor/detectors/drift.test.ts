import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  NO_BASELINE,
  usualAt,
  WARM_UP,
  withPoint,
} from "../../../../predictor/detectors/baseline.ts";
import {
  BLOCK_MS,
  type DriftSpec,
  type DriftState,
  NO_DRIFT,
  observeDrift,
} from "../../../../predictor/detectors/drift.ts";
import { normals } from "../noise.ts";

const drift = suite("drift");
const ALLOWANCE = { falseAlarmsPerHostYear: 0.01, series: 64 };
const UP: DriftSpec = { direction: "up", deviationMin: 2, method: "sum" };
const BOTH: DriftSpec = { direction: "both", deviationMin: 0.02, method: { changeMin: 0.15 } };

/** Hours of samples; the circumstances go round between 0 and 1 over a day. */
function hours(
  count: number,
  value: (hour: number, load: number) => number,
  spec: DriftSpec,
  state: DriftState = NO_DRIFT,
  from = 0,
): DriftState {
  let next = state;
  for (let hour = from; hour < from + count; hour += 1) {
    const load = (1 + Math.sin((hour * 2 * Math.PI) / 24)) / 2;
    const sample = { atMs: hour * BLOCK_MS, value: value(hour, load), circumstances: load };
    next = observeDrift(next, sample, spec, ALLOWANCE);
  }
  return next;
}

drift("usualAt() draws the line through the circumstances, wild values or not", () => {
  const next = normals(9);
  let baseline = NO_BASELINE;
  for (let hour = 0; hour < WARM_UP; hour += 1) {
    assert.is(usualAt(baseline, 0.5), undefined);
    const x = (hour % 24) / 24;
    const y = hour % 9 === 0 ? 500 : 40 + 30 * x + next();
    baseline = withPoint(baseline, { x, y });
  }
  const usual = usualAt(baseline, 0.5)!;
  assert.ok(Math.abs(usual.value - 55) < 1, `${usual.value}`);
  assert.ok(usual.deviation > 0.7 && usual.deviation < 2.5, `${usual.deviation}`);
  assert.is(usualAt(baseline, 3), undefined, "never seen");
});

drift("a shift at the same load is found within hours; load, noise and spikes are none", () => {
  const next = normals(10);
  const warm = (_hour: number, load: number): number => 40 + 35 * load + next();
  const state = hours(300, warm, UP);
  assert.not.ok(state.alarmed);
  const spiky = hours(48, (h, load) => warm(h, load) + (h % 12 === 0 ? 60 : 0), UP, state, 300);
  assert.not.ok(spiky.alarmed);
  const shifted = hours(10, (h, load) => warm(h, load) + 10, UP, state, 300);
  assert.ok(shifted.alarmed);
  const cooler = hours(10, (h, load) => warm(h, load) - 10, UP, state, 300);
  assert.not.ok(cooler.alarmed);
});

drift("an alarm ends when the shift does, and a shift that lasts becomes the usual", () => {
  const next = normals(11);
  const warm = (_hour: number, load: number): number => 40 + 35 * load + next();
  const shifted = hours(20, (h, load) => warm(h, load) + 10, UP, hours(300, warm, UP), 300);
  assert.ok(shifted.alarmed);
  assert.not.ok(hours(24, warm, UP, shifted, 320).alarmed);
  const lasting = hours(500, (h, load) => warm(h, load) + 10, UP, shifted, 320);
  assert.not.ok(lasting.alarmed);
});

drift("an average must be off by what matters, not only by what can be measured", () => {
  const next = normals(12);
  const steady = (): number => 8 + 0.005 * next();
  const state = hours(300, steady, BOTH);
  assert.not.ok(hours(40, () => steady() + 0.1, BOTH, state, 300).alarmed);
  assert.ok(hours(40, () => steady() + 0.3, BOTH, state, 300).alarmed);
  assert.ok(hours(40, () => steady() - 0.3, BOTH, state, 300).alarmed);
});

drift.run();
