import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  hostParameters,
  type NetworkLoad,
  networkLoad,
  parametersConfig,
  watchParameters,
} from "../../../../agent/uplink/parameters.ts";
import type { Component, Reading, Signal } from "../../../../predictor/reading.ts";
import { parameterValues } from "../../../../protocol/parameters.ts";
import { manualClock } from "../../predictor/manual-clock.ts";

const parameters = suite("agent parameters");

function reading(
  component: Component,
  device: string,
  signal: Signal,
  value: number | bigint | string,
): Reading {
  const instance = component === "nic" ? "boot/2/aa" : "boot";
  return { component, device, signal, instance, source: "/test", status: "ok", value };
}

parameters("hostParameters() says what the sensors say, the highest of several", () => {
  const readings = [
    reading("cpu", "cpu", "load", 0.25),
    reading("cpu", "cpu", "pressure", 1.5),
    reading("memory", "memory", "pressure", 2.5),
    reading("disk", "io", "pressure", 3.5),
    reading("temperature", "board/temp1", "temperature", 40),
    reading("temperature", "board/temp2", "temperature", 71.5),
    reading("temperature", "board/temp2", "temperature-max", 90),
    reading("power", "supply-0", "power", 120),
    reading("power", "consumed-0", "power", 235),
  ];
  assert.equal(hostParameters(readings, {}), {
    "cpu-load": 25,
    "cpu-pressure": 1.5,
    "memory-pressure": 2.5,
    "disk-pressure": 3.5,
    temperature: 71.5,
    power: 235,
  });
  const chosen = { temperatureOf: "board/temp1", powerOf: "supply-.*" };
  const { temperature, power } = hostParameters(readings, chosen);
  assert.equal([temperature, power], [40, 120]);
});

parameters("hostParameters() leaves out what has no value", () => {
  const stuck: Reading = {
    component: "temperature",
    device: "t",
    signal: "temperature",
    source: "/test",
    status: "stuck",
    reason: "It never moves",
  };
  assert.equal(hostParameters([stuck, reading("power", "p", "power", "much")], {}), {});
  assert.equal(hostParameters([], {}), {});
});

const traffic = (rx: bigint, tx: bigint, speed = 1_000): Reading[] => [
  reading("nic", "eth0", "rx-bytes", rx),
  reading("nic", "eth0", "tx-bytes", tx),
  reading("nic", "eth0", "speed", speed),
];

function loads(...rounds: readonly (readonly [number, readonly Reading[]])[]) {
  let load: NetworkLoad | undefined;
  return rounds.map(([atMs, readings]) => {
    load = networkLoad(readings, atMs, load);
    return load.percent;
  });
}

const LOADS: readonly (readonly [string, ReturnType<typeof loads>, ReturnType<typeof loads>])[] = [
  [
    "is the busiest direction's share of the link",
    // 62.5 MB in 5 s are 100 Mbit/s of 1000.
    loads([0, traffic(0n, 0n)], [5_000, traffic(62_500_000n, 6_250_000n)]),
    [undefined, 10],
  ],
  [
    "is not known after counters that went backwards",
    loads([0, traffic(900n, 900n)], [5_000, traffic(0n, 0n)]),
    [undefined, undefined],
  ],
  [
    "is not known of an adapter that does not tell its speed",
    loads([0, traffic(0n, 0n).slice(0, 2)], [5_000, traffic(9n, 9n).slice(0, 2)]),
    [undefined, undefined],
  ],
  [
    "holds over a time too short for a rate",
    loads([0, traffic(0n, 0n)], [5_000, traffic(62_500_000n, 0n)], [5_100, traffic(9n ** 9n, 0n)]),
    [undefined, 10, 10],
  ],
  [
    "is at most all of it",
    loads([0, traffic(0n, 0n)], [5_000, traffic(9n ** 12n, 0n)]),
    [undefined, 100],
  ],
];

for (const [what, found, expected] of LOADS) {
  parameters(`networkLoad() ${what}`, () => assert.equal(found, expected));
}

parameters(
  "watchParameters() times the address that is configured, one answer at a time",
  async () => {
    const clock = manualClock();
    const answers = [9, 5, 7, undefined, 6];
    const asked: unknown[] = [];
    const config = parametersConfig.parse({ latencyTo: "192.0.2.1:443" });
    const watched = watchParameters(config, {
      clock,
      watch: { newest: () => [] },
      freshMs: 1_000,
      async measure(to) {
        asked.push(to);
        return answers[asked.length - 1];
      },
    });
    const told: unknown[] = [];
    for (const _answer of answers) {
      await clock.advance(0);
      told.push(watched.read());
      await clock.advance(5_000);
    }
    const reached = (latency: number) => ({ "network-reachable": 1, "network-latency": latency });
    assert.equal(told, [
      reached(9),
      reached(5),
      reached(5),
      { "network-reachable": 0 },
      reached(6),
    ]);
    assert.equal(asked[0], { host: "192.0.2.1", port: 443 });
    const before = asked.length;
    watched.stop();
    await clock.advance(60_000);
    assert.is(asked.length, before);
  },
);

parameters("what is read is within the protocol's bounds", () => {
  assert.ok(parameterValues.safeParse({ temperature: 40.5, "fed-1": -1e9 }).success);
  for (const wrong of [{ Temperature: 1 }, { "": 1 }, { load: Number.NaN }, { load: "1" }]) {
    assert.not(parameterValues.safeParse(wrong).success, JSON.stringify(wrong));
  }
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`p${at}`, 1]));
  assert.not(parameterValues.safeParse(many).success);
});

parameters.run();
