// Faults of every component but disks' SMART, injected into readings: each is found, in so many
// seconds, by its rule; and what is none is left alone.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DEFAULT_CONFIG } from "../../../predictor/config.ts";
import type { Prediction } from "../../../predictor/evidence.ts";
import { risks, type State, start, step } from "../../../predictor/predictor.ts";
import type { Reading } from "../../../predictor/reading.ts";
import { FAULT_CASES, type FaultCase } from "./fault-cases.ts";
import { readingsOf } from "./readings.ts";

const faults = suite("faults");
const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;

const SEVERITY = ["unknown", "healthy", "suspect", "failing"];

/** Plays a device alone on its host; the fault begins at second 0. */
function play({ component, values, seconds = 900, stepSeconds = 1 }: FaultCase) {
  let state: State = start(0);
  let worst = "unknown";
  let atSecond = 0;
  const predictions: Prediction[] = [];
  for (let second = -60 * stepSeconds; second <= seconds; second += stepSeconds) {
    const readings = readingsOf(component, "chip/one1", values(second));
    const atMs = (second + 60 * stepSeconds) * SECOND_MS;
    const [next, effects] = step(state, { type: "readings", atMs, readings }, DEFAULT_CONFIG);
    state = next;
    for (const effect of effects) {
      if (effect.type === "prediction") predictions.push(effect.prediction);
      if (effect.type !== "risk" || SEVERITY.indexOf(effect.to) <= SEVERITY.indexOf(worst))
        continue;
      [worst, atSecond] = [effect.to, second];
    }
  }
  return { worst, atSecond, predictions };
}

faults("each fault is found by its rule in its time, and what is none is left alone", () => {
  const shown = process.env["SHOW_FAULTS"] !== undefined;
  for (const one of FAULT_CASES) {
    const { worst, atSecond, predictions } = play(one);
    if (shown) console.log(`${one.what}: ${worst} after ${atSecond} s`);
    assert.is(worst, one.risk, `${one.what}: ${worst} after ${atSecond} s`);
    if (one.afterSeconds !== undefined) assert.is(atSecond, one.afterSeconds, one.what);
    const told = predictions.flatMap(({ evidence }) => evidence.map(({ signal }) => signal));
    assert.is(told[0], one.signal, one.what);
  }
});

/** Readings of several devices in one step. */
function round(state: State, atMs: number, readings: readonly Reading[]) {
  return step(state, { type: "readings", atMs, readings }, DEFAULT_CONFIG);
}

faults("a fan that others can stand in for is suspect; a second one is failing", () => {
  const fans = (broken: number): Reading[] =>
    [1, 2, 3].flatMap((fan) =>
      readingsOf("fan", `board/fan${fan}`, {
        "fan-speed": 5_000,
        "fan-alarm": fan <= broken ? 1 : 0,
      }),
    );
  let state = start(0);
  const worst: string[] = [];
  for (const [second, broken] of [0, 1, 1, 1, 2, 2, 2].entries()) {
    [state] = round(state, second * 2_000, fans(broken));
    worst.push(
      risks(state)
        .map(({ risk }) => risk[0])
        .join(""),
    );
  }
  assert.equal(worst, ["hhh", "hhh", "shh", "shh", "shh", "sfh", "ffh"]);
});

faults("the sensors of one chip are told once, at once or one after the other", () => {
  const hot = (count: number): Reading[] =>
    Array.from({ length: 8 }, (_, index) =>
      readingsOf("temperature", `cpu/temp${index}`, {
        temperature: index < count ? 99 : 50,
        "temperature-critical": 95,
      }),
    ).flat();
  let state = start(0);
  const told: Prediction[] = [];
  for (const [second, count] of [0, 0, 3, 3, 3, 3, 8, 8, 8, 8].entries()) {
    const [next, effects] = round(state, second * 1_000, hot(count));
    state = next;
    for (const effect of effects) if (effect.type === "prediction") told.push(effect.prediction);
  }
  assert.equal(
    told.map(({ device, evidence }) => [device, evidence.length]),
    [["cpu/temp0", 3]],
  );
  assert.is(risks(state).filter(({ risk }) => risk === "failing").length, 8);
});

faults("the duty of an output is that of the fan with its number", () => {
  const [state] = round(start(0), 0, [
    ...readingsOf("fan", "board/pwm2", { "fan-duty": 100 }),
    ...readingsOf("fan", "board/fan2", { "fan-speed": 4_000, "fan-alarm": 0 }),
  ]);
  assert.equal(
    risks(state).map(({ device }) => device),
    ["board/fan2"],
  );
});

faults("what is acknowledged is fine until it grows, and until it is another drive", () => {
  const drive = (errors: number, instance = "model/1"): Reading[] =>
    readingsOf("disk", "nvme0", { health: "passed", "media-errors": errors }, instance);
  const three = { baselineId: "b1", component: "disk", signal: "media-errors", value: 3 } as const;
  const acknowledged = (device = "nvme0") =>
    ({ type: "baselines", atMs: 1, baselines: [{ ...three, device }] }) as const;
  let state = start(0);
  const risk = (): string => risks(state)[0]!.risk;
  [state] = round(state, 0, drive(3));
  assert.is(risk(), "suspect");
  [state] = step(state, acknowledged(), DEFAULT_CONFIG);
  [state] = round(state, 2, drive(3));
  assert.is(risk(), "healthy");
  const persisted = structuredClone(state);
  [state] = round(persisted, 3, drive(4));
  assert.is(risk(), "suspect", "the fourth");
  [state] = round(persisted, 3, drive(3, "model/2"));
  assert.is(risk(), "suspect", "another drive");
  const [unknown, effects] = step(start(0), acknowledged("sdz"), DEFAULT_CONFIG);
  assert.equal([risks(unknown), effects], [[], []]);
});

faults("an acknowledged cause lets a failing disk go down at once, by one step", () => {
  const dying = readingsOf("disk", "sda", { health: "passed", "smart-5": 8, "smart-197": 8 });
  let [state] = round(start(0), 0, dying);
  assert.is(risks(state)[0]!.risk, "failing");
  const cause = { component: "disk", device: "sda", value: 8 } as const;
  const baselines = ["smart-5", "smart-197"].map((signal) => ({
    baselineId: signal,
    signal,
    ...cause,
  }));
  [state] = step(state, { type: "baselines", atMs: 1, baselines }, DEFAULT_CONFIG);
  [state] = round(state, 2, dying);
  assert.is(risks(state)[0]!.risk, "suspect");
});

faults("sources of one device judge apart, and neither heals what the other found", () => {
  const failing = readingsOf("disk", "sda", { health: "failed" }, "model/serial");
  const quiet = readingsOf("disk", "sda", { "io-errors": 0n }, "boot/sda");
  let [state] = round(start(0), 0, failing);
  for (let hour = 1; hour < 100; hour += 1) [state] = round(state, hour * HOUR_MS, quiet);
  assert.is(risks(state)[0]!.risk, "failing");
  const well = readingsOf("disk", "sda", { health: "passed" }, "model/serial");
  for (let hour = 100; hour < 200; hour += 1) {
    [state] = round(state, hour * HOUR_MS, hour % 5 === 0 ? well : quiet);
  }
  assert.is(risks(state)[0]!.risk, "healthy");
});

faults.run();
