// From a fault of the board or the adapter to a prediction: the simulated files, the agent's own
// readers and the predictor. The seconds are those of the simulated server.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readOnce } from "../../../agent/sensors/rounds.ts";
import { FILE_SOURCES } from "../../../agent/sensors/sources.ts";
import type { BoardFault } from "../../../firmware-sim/board.ts";
import {
  type Devices,
  deviceFiles,
  startDevices,
  stepDevices,
} from "../../../firmware-sim/faults.ts";
import { DEFAULT_CONFIG } from "../../../predictor/config.ts";
import { type State, start, step } from "../../../predictor/predictor.ts";
import { memorySmallFiles } from "../../../runtime/small-files.ts";

const board = suite("board");

function files(devices: Devices) {
  const texts = Object.entries(deviceFiles(devices)).map(([path, text]) => [`/${path}`, text]);
  return memorySmallFiles(Object.fromEntries(texts));
}

/** Each change for the worse of a healthy server that breaks at second 0, with its second. */
function play(fault: BoardFault, seconds: number, periodSeconds: number): string[] {
  let devices = startDevices("alpha", "boot-1");
  let state: State = start(0);
  const changes: string[] = [];
  for (let second = -120; second <= seconds; second += 1) {
    if (second === 0) {
      devices = stepDevices(devices, { type: "fault", command: { type: "board", fault } });
    }
    devices = stepDevices(devices, { type: "tick" });
    if (second % periodSeconds !== 0) continue;
    const readings = readOnce(FILE_SOURCES, files(devices), { virtual: false, detail: false });
    const event = { type: "readings", atMs: (second + 120) * 1_000, readings } as const;
    const [next, effects] = step(state, event, DEFAULT_CONFIG);
    state = next;
    for (const effect of effects) {
      if (effect.type !== "risk" || !["suspect", "failing"].includes(effect.to)) continue;
      changes.push(`${effect.component} ${effect.device} ${effect.to} after ${second} s`);
    }
  }
  return changes;
}

const CASES: readonly (readonly [BoardFault, seconds: number, period: number, string[]])[] = [
  ["none", 600, 1, []],
  ["overheating", 900, 5, ["temperature coretemp/temp1 failing after 825 s"]],
  ["fan-failed", 30, 1, ["fan nct6798/fan1 failing after 2 s"]],
  ["fan-slow", 90, 1, ["fan nct6798/fan1 failing after 60 s"]],
  ["voltage-low", 30, 1, ["power nct6798/in0 suspect after 2 s"]],
  [
    "memory-corrected",
    3_600,
    30,
    ["memory mc0 suspect after 2280 s", "memory mc0/dimm0 suspect after 2280 s"],
  ],
  [
    "memory-uncorrected",
    30,
    1,
    ["memory mc0 failing after 0 s", "memory mc0/dimm0 failing after 0 s"],
  ],
];

board("each fault of a simulated board is found by the agent's own path, in its time", () => {
  for (const [fault, seconds, period, expected] of CASES) {
    assert.equal(play(fault, seconds, period), expected, fault);
  }
});

board.run();
