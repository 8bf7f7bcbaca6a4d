import { suite } from "uvu";
import * as assert from "uvu/assert";
import { OpticalLine, type OpticalReading } from "../../../predictor/optical.ts";
import { seededRandom } from "../../../runtime/random.ts";

const optical = suite("optical");
const STEP_MS = 3_500;
const MINUTE = Math.round(60_000 / STEP_MS);

/** What a line says of each reading: its input power in dBm and the receiver's other values. */
function verdicts(
  powers: readonly number[],
  receiver: (power: number, index: number) => OpticalReading["values"] = healthy,
) {
  const line = new OpticalLine();
  return powers.map((power, index) => {
    const atMs = index * STEP_MS;
    const first = line.observe({ atMs, point: "amplifier", values: { "input-power": power } });
    const second = line.observe({ atMs, point: "receiver", values: receiver(power, index) });
    return { ...second, alarm: first.alarm || second.alarm };
  });
}

/** Three decades of errors and 10 dB of OSNR for 10 dB of power, as coherent receivers have it. */
function healthy(power: number): OpticalReading["values"] {
  return { ber: 10 ** (-6 - (power + 20) * 0.3), osnr: 24 + power + 20 };
}

/** Stretches of one power each: `[minutes, dBm]`. */
function stretches(...parts: readonly (readonly [number, number])[]): number[] {
  return parts.flatMap(([minutes, power]) => Array<number>(minutes * MINUTE).fill(power));
}

/** How often the alarm began, and in which minute first. */
function begun(found: readonly { alarm: boolean }[]): { alarms: number; minute: number } {
  const starts = found.flatMap(({ alarm }, index) =>
    alarm && found[index - 1]?.alarm !== true ? [index] : [],
  );
  return { alarms: starts.length, minute: Math.floor((starts[0] ?? -1) / MINUTE) };
}

const LINES: readonly [string, number[], number, number][] = [
  ["a steady line", stretches([60, -20]), 0, -1],
  ["10 dB lost for a minute, twice", stretches([30, -20], [1, -30], [3, -20], [1, -30]), 2, 30],
  ["2 dB lost", stretches([30, -20], [30, -22]), 0, -1],
  ["light that returns stronger", stretches([30, -20], [30, -10]), 0, -1],
  ["a line dark from the start", stretches([1, -38]), 1, 0],
  ["10 dB lost before there is a baseline", stretches([1, -20], [1, -30]), 0, -1],
  ["a new level, kept", stretches([30, -20], [60, -30]), 1, 30],
  ["a soft fault every 4 minutes of a line that swings", softFaults(), 46, 120],
];

/** A sine of 2 dB, half a decibel a minute, and from the third hour 10 dB less every 4th minute. */
function softFaults(): number[] {
  return stretches(
    ...Array.from({ length: 120 + 46 * 4 }, (_, minute): [number, number] => {
      const faulty = minute >= 120 && minute % 4 === 0;
      return [1, -20 + Math.sin(minute / 2) - (faulty ? 10 : 0)];
    }),
  );
}

for (const [name, powers, alarms, minute] of LINES) {
  optical(`OpticalLine raises ${alarms} for ${name}`, () => {
    assert.equal(begun(verdicts(powers)), { alarms, minute });
  });
}

optical("OpticalLine comes to terms with a level that stays", () => {
  const found = verdicts(stretches([30, -20], [60, -30]));
  assert.is(found[35 * MINUTE]?.alarm, true);
  assert.is(found.at(-1)?.alarm, false);
});

optical("OpticalLine takes a swing for the line's habit, and the dark of it still for dark", () => {
  const random = seededRandom(4);
  const swing = Array.from({ length: 60 * MINUTE }, () => -20 - Math.floor(16 * random.fraction()));
  const found = verdicts([...stretches([30, -20]), ...swing, ...stretches([1, -38], [1, -20])]);
  const settled = found.slice(45 * MINUTE);
  assert.equal(begun(settled), { alarms: 1, minute: 45 });
});

optical("OpticalLine believes an OSNR only when it says it twice, and 0 at once", () => {
  const powers = stretches([30, -20]);
  const last = powers.length - 1;
  const outlier = (at: number, osnr: number) => (power: number, index: number) =>
    index === at ? { ...healthy(power), osnr } : healthy(power);
  assert.is(verdicts(powers, outlier(last, 14))[last]?.alarm, false);
  assert.is(verdicts(powers, outlier(last, 0))[last]?.alarm, true);
  const twice = (power: number, index: number) =>
    index >= last - 1 ? { ...healthy(power), osnr: 14 } : healthy(power);
  assert.is(verdicts(powers, twice)[last]?.alarm, true);
});

optical("OpticalLine learns nothing from an error rate of 0, an absurd one, or none", () => {
  for (const ber of [0, Number.NaN, 7, -1]) {
    const found = verdicts(stretches([60, -20]), (_, index) => ({
      ber: index % 3 === 0 ? ber : 1e-6,
    }));
    assert.equal(begun(found), { alarms: 0, minute: -1 }, `BER ${ber}`);
  }
});

optical("OpticalLine scores the threshold as 1", () => {
  const found = verdicts(stretches([30, -20], [1, -21.5], [1, -24]), () => ({}));
  assert.is(found[31 * MINUTE - 1]?.score, 0.5);
  assert.ok(found.at(-1)!.score > 1);
});

optical.run();
