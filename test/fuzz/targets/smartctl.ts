// The parser of smartctl's documents, and what becomes of them: readings, and a verdict.

import assert from "node:assert/strict";
import { DEVICE_PATTERN, parseScan } from "../../../agent/sensors/disks.ts";
import { smartReadings } from "../../../agent/sensors/smart-readings.ts";
import { parseSmart } from "../../../agent/sensors/smartctl.ts";
import { deviceFiles, startDevices, stepDevices } from "../../../firmware-sim/faults.ts";
import { DEFAULT_CONFIG } from "../../../predictor/config.ts";
import { start, step } from "../../../predictor/predictor.ts";
import { SystemError } from "../../../protocol/error.ts";

export const name = "smartctl";

export function seeds(): Uint8Array[] {
  const healthy = startDevices("alpha", "boot");
  const command = { type: "disk", fault: "failed" } as const;
  const failed = stepDevices(healthy, { type: "fault", command });
  const texts = [healthy, failed].flatMap((devices) =>
    Object.entries(deviceFiles(devices))
      .filter(([path]) => path.startsWith("smart/"))
      .map(([, text]) => JSON.stringify(JSON.parse(text))),
  );
  const small = '{"smartctl":{"exit_status":4},"smart_status":{"passed":true}}';
  return [...texts, small].map((text) => new TextEncoder().encode(text));
}

export function run(bytes: Uint8Array): void {
  const text = new TextDecoder().decode(bytes);
  attempt(() => parseScan(text, DEVICE_PATTERN));
  attempt(() => {
    const document = parseSmart(text);
    if (!document.readable) assert.notEqual(document.health, "passed");
    JSON.stringify(document);
    const drive = { component: "disk", device: "sda", source: "fuzz" } as const;
    const readings = smartReadings(drive, document);
    const event = { type: "readings", atMs: 0, readings } as const;
    const [state] = step(start(0), event, DEFAULT_CONFIG);
    const risk = state.components["disk/sda"]?.risk.risk;
    if (!document.readable) assert.equal(risk, "unknown");
  });
}

/** A refusal is a SystemError; anything else is a bug. */
function attempt(task: () => void): void {
  try {
    task();
  } catch (thrown) {
    if (!(thrown instanceof SystemError)) throw thrown;
  }
}
