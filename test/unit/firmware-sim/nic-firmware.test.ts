import { suite } from "uvu";
import * as assert from "uvu/assert";
import { deviceFiles, startDevices, stepDevices } from "../../../firmware-sim/faults.ts";
import type { NicFault } from "../../../firmware-sim/nic.ts";
import { nicFirmware, readRegisters } from "../../../firmware-sim/nic-firmware.ts";
import type { Baseline } from "../../../predictor/accepted.ts";
import type { Effect, Prediction } from "../../../predictor/evidence.ts";
import { risks } from "../../../predictor/predictor.ts";
import { type Files, memoryFiles } from "../../../runtime/files.ts";
import { manualClock } from "../predictor/manual-clock.ts";

const firmware = suite("nic-firmware");

/** A server whose files are asked for as they are now. */
function server() {
  let devices = startDevices("alpha", "boot-1");
  const now = (): Files => {
    const files = Object.entries(deviceFiles(devices));
    return memoryFiles(Object.fromEntries(files.map(([path, text]) => [`/${path}`, text])));
  };
  const files: Files = { list: (path) => now().list(path), read: (path) => now().read(path) };
  return {
    files,
    tick: () => {
      devices = stepDevices(devices, { type: "tick" });
    },
    fault: (fault: NicFault) => {
      devices = stepDevices(devices, { type: "fault", command: { type: "nic", fault } });
    },
  };
}

/** Runs the firmware for `seconds` after a fault. */
async function run(fault: NicFault, seconds: number, accepted: readonly Baseline[] = []) {
  const { files, tick, fault: breakNow } = server();
  const clock = manualClock();
  const effects: Effect[] = [];
  const running = nicFirmware(files, clock, (effect) => effects.push(effect));
  running.acknowledge(accepted);
  const pass = async (count: number): Promise<void> => {
    for (let second = 0; second < count; second++) {
      tick();
      await clock.advance(1_000);
    }
  };
  await pass(5);
  breakNow(fault);
  await pass(seconds);
  const predictions = effects.flatMap((effect): Prediction[] =>
    effect.type === "prediction" ? [effect.prediction] : [],
  );
  return { running, effects, predictions, pass };
}

firmware("nicFirmware() predicts a link that corrupts frames or loses its carrier", async () => {
  const cases: readonly [fault: NicFault, seconds: number, signals: string[]][] = [
    ["none", 120, []],
    ["crc-errors", 30, []],
    ["crc-errors", 90, ["rx-crc-errors"]],
    ["flapping", 2, []],
    ["flapping", 10, ["carrier-losses"]],
    ["unplugged", 30, []],
    ["symbol-errors", 300, []],
    ["fec-corrected", 300, []],
    ["fec-errors", 90, ["fec-uncorrectable"]],
  ];
  for (const [fault, seconds, signals] of cases) {
    const { predictions, running } = await run(fault, seconds);
    const told = predictions.flatMap(({ evidence }) => evidence.map(({ signal }) => signal));
    assert.equal(told, signals, `${fault} for ${seconds} s`);
    running.stop();
  }
});

firmware("nicFirmware() leaves alone what was acknowledged, until there is more", async () => {
  const crc = { component: "nic", device: "eth0", signal: "rx-crc-errors" } as const;
  const signalsUpTo = async (value: number): Promise<string[]> => {
    const { predictions, running } = await run("crc-errors", 90, [
      { ...crc, baselineId: "b1", value },
    ]);
    running.stop();
    return predictions.flatMap(({ evidence }) => evidence.map(({ signal }) => signal));
  };
  assert.equal(await signalsUpTo(1), []);
  assert.equal(await signalsUpTo(1e-7), ["rx-crc-errors"]);
});

firmware("nicFirmware() is silent once stopped", async () => {
  const { running, effects, pass } = await run("none", 1);
  running.stop();
  const before = effects.length;
  await pass(5);
  assert.is(effects.length, before);
  assert.equal(risks(running.state()), [
    { component: "nic", device: "eth0", risk: "healthy", probability: 0 },
  ]);
});

firmware("readRegisters() names every register it cannot read", async () => {
  const readings = await readRegisters(memoryFiles({}), "eth0");
  assert.equal(
    readings.map(({ status }) => status),
    Array(7).fill("missing"),
  );
  const path = "/sys/class/net/eth0/statistics/rx_packets";
  const [absurd] = await readRegisters(memoryFiles({ [path]: "" }), "eth0");
  assert.is(absurd!.status, "unreadable");
});

firmware.run();
