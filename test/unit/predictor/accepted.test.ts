// What an operator has acknowledged beside a disk's counts: rates, limits, and what moved.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { acceptable, isToldOtherwise, worseOf } from "../../../predictor/accepted.ts";
import { DEFAULT_CONFIG } from "../../../predictor/config.ts";
import { FAMILIES } from "../../../predictor/families.ts";
import { risks, type State, start, step } from "../../../predictor/predictor.ts";
import type { Component, Signal } from "../../../predictor/reading.ts";
import { readingsOf } from "./readings.ts";

const accepted = suite("accepted measures");
const MINUTE_MS = 60_000;

type Values = { readonly [signal in Signal]?: number | bigint | string };

interface Case {
  readonly what: string;
  readonly component: Component;
  readonly signal: Signal;
  /** The value that is acknowledged. */
  readonly upTo: number;
  /** Of which a rule says nothing any more, and of which it still does, after `minutes`. */
  readonly fine: (minute: number) => Values;
  readonly worse: (minute: number) => Values;
  readonly risk: "suspect" | "failing";
  readonly minutes?: number;
}

const frames = (minute: number, errors: number): Values => ({
  "rx-packets": BigInt(minute) * 1_000_000n,
  "rx-crc-errors": BigInt(minute * errors),
});
const WARM = { "temperature-max": 80, "temperature-critical": 95 };
const VOLTS = { "voltage-min": 11.4, "voltage-max": 12.6 };

const CASES: readonly Case[] = [
  {
    what: "CRC errors a frame",
    component: "nic",
    signal: "rx-crc-errors",
    upTo: 2e-6,
    fine: (minute) => frames(minute, 1),
    worse: (minute) => frames(minute, 10),
    risk: "failing",
  },
  {
    what: "losses of carrier in ten minutes",
    component: "nic",
    signal: "carrier-losses",
    upTo: 2,
    fine: (minute) => ({ "carrier-losses": BigInt(minute > 20 ? 2 : 0), "admin-up": 1 }),
    worse: (minute) => ({ "carrier-losses": BigInt(minute > 20 ? 3 : 0), "admin-up": 1 }),
    risk: "failing",
    minutes: 24,
  },
  {
    what: "a temperature above its highest",
    component: "temperature",
    signal: "temperature",
    upTo: 86,
    fine: () => ({ ...WARM, temperature: 86 }),
    worse: () => ({ ...WARM, temperature: 87 }),
    risk: "suspect",
  },
  {
    what: "a fan below its least speed",
    component: "fan",
    signal: "fan-speed",
    upTo: 500,
    fine: () => ({ "fan-speed": 500, "fan-min": 600 }),
    worse: () => ({ "fan-speed": 499, "fan-min": 600 }),
    risk: "failing",
  },
  {
    what: "a voltage below its least",
    component: "power",
    signal: "voltage",
    upTo: 11.2,
    fine: () => ({ ...VOLTS, voltage: 11.2 }),
    worse: () => ({ ...VOLTS, voltage: 11.1 }),
    risk: "suspect",
  },
  {
    what: "a voltage on the other side of its limits",
    component: "power",
    signal: "voltage",
    upTo: 12.8,
    fine: () => ({ ...VOLTS, voltage: 12.8 }),
    worse: () => ({ ...VOLTS, voltage: 12.9 }),
    risk: "suspect",
  },
  {
    what: "transactions that a PCIe device lost, by its counter",
    component: "pcie",
    signal: "nonfatal-errors",
    upTo: 3,
    fine: (minute) => ({ "nonfatal-errors": BigInt(Math.min(3, minute)), "fatal-errors": 0n }),
    worse: (minute) => ({ "nonfatal-errors": BigInt(Math.min(4, minute)), "fatal-errors": 0n }),
    risk: "suspect",
  },
  {
    what: "a drive beyond what its vendor expects",
    component: "disk",
    signal: "percentage-used",
    upTo: 110,
    fine: () => ({ health: "passed", "percentage-used": 110 }),
    worse: () => ({ health: "passed", "percentage-used": 111 }),
    risk: "suspect",
  },
];

/** The risk at the end of so many minutes, of what is acknowledged from the start, or is not. */
function riskOf(one: Case, values: Case["fine"], isAcknowledged: boolean): string {
  const { component, signal, upTo: value, minutes = 30 } = one;
  const said = { baselineId: "b1", component, device: "chip/one1", signal, value };
  const baselines = isAcknowledged ? [said] : [];
  let state: State = start(0);
  [state] = step(state, { type: "baselines", atMs: 0, baselines }, DEFAULT_CONFIG);
  for (let minute = 0; minute <= minutes; minute += 1) {
    const readings = readingsOf(component, "chip/one1", values(minute));
    const atMs = minute * MINUTE_MS;
    [state] = step(state, { type: "readings", atMs, readings }, DEFAULT_CONFIG);
  }
  return risks(state)[0]!.risk;
}

for (const one of CASES) {
  accepted(`${one.what}: fine up to what was acknowledged, and not beyond`, () => {
    const found = ["suspect", "failing"];
    assert.ok(found.includes(riskOf(one, one.fine, false)), "found, unless acknowledged");
    assert.is(riskOf(one, one.fine, true), "healthy");
    assert.is(riskOf(one, one.worse, true), one.risk);
  });
}

accepted("an acknowledged level says nothing of where it is going", () => {
  const rising = (minute: number): Values => ({ ...WARM, temperature: 72 + minute / 2 });
  const most = { component: "temperature", signal: "temperature", upTo: 94 } as const;
  const one = { ...most, what: "", fine: rising, worse: rising, risk: "failing" } as const;
  assert.is(riskOf({ ...one, minutes: 40 }, rising, true), "failing");
});

accepted("a second trouble of a supply counts, and an acknowledged one does not", () => {
  const values = { ...VOLTS, voltage: 11.2, "voltage-alarm": 1 };
  const most = { component: "power", signal: "voltage", upTo: 11.2, minutes: 2 } as const;
  const one = { ...most, what: "", fine: () => values, worse: () => values } as const;
  assert.is(riskOf({ ...one, risk: "failing" }, one.fine, false), "failing");
  assert.is(riskOf({ ...one, risk: "suspect" }, one.fine, true), "suspect");
});

accepted("acceptable() names signals that rules look at, and neither bits nor words", () => {
  for (const component of Object.keys(FAMILIES) as Component[]) {
    for (const signal of acceptable(component)) {
      assert.ok(
        FAMILIES[component].some(({ speaks }) => speaks(signal)),
        signal,
      );
      assert.not.match(signal, /alarm|fault|health|warning/);
    }
  }
  assert.equal(acceptable("cpu"), []);
  assert.ok(isToldOtherwise("memory", "corrected-errors"));
  assert.not(isToldOtherwise("memory", "uncorrected-errors"));
});

accepted("worseOf() is farther beyond the limit, on its side of it", () => {
  const fact = (value: number, threshold: number) => ({ value, threshold });
  assert.is(worseOf(fact(3, 0), fact(8, 0)).value, 8);
  assert.is(worseOf(fact(8, 0), fact(3, 0)).value, 8);
  assert.is(worseOf(fact(-9, -3), fact(-7, -3)).value, -9);
  assert.is(worseOf(fact(-7, -3), fact(-9, -3)).value, -9);
});

accepted.run();
