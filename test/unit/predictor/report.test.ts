import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DEFAULT_CONFIG } from "../../../predictor/config.ts";
import type { Effect } from "../../../predictor/evidence.ts";
import { start, step } from "../../../predictor/predictor.ts";
import { reportOf, telemetryOf } from "../../../predictor/report.ts";
import { serverId } from "../../../protocol/ids.ts";
import { reliable } from "../../../protocol/message.ts";
import { telemetry } from "../../../protocol/prediction.ts";
import { diskReadings, WELL } from "./readings.ts";

const report = suite("report");
const ALPHA = serverId.parse("alpha");
const REPORTER = { serverId: ALPHA, source: "agent" } as const;

/** The effects of a disk's first readings, and the state after them. */
function first(readings: ReturnType<typeof diskReadings>) {
  return step(start(0), { type: "readings", atMs: 0, readings }, DEFAULT_CONFIG);
}

report("reportOf() says of a prediction all that the protocol asks for", () => {
  const [, effects] = first(diskReadings({ ...WELL, "smart-5": 1, "smart-197": 8 }));
  const reports = effects.flatMap((effect) => reportOf(effect, REPORTER) ?? []);
  for (const one of reports) assert.equal(reliable.parse(one), one);
  assert.equal(
    reports.map(({ type }) => type),
    ["risk-change", "prediction"],
  );
  assert.equal(reports[1], {
    type: "prediction",
    predictionId: "local-disk-sda-1",
    serverId: "alpha",
    source: "agent",
    component: "disk",
    device: "sda",
    probability: 0.545,
    horizonMs: 60 * 24 * 3_600_000,
    basis: "measured",
    evidence: [
      {
        signal: "smart-5",
        value: 1,
        threshold: 0,
        unit: "count",
        text: "Reallocated sectors (SMART 5): 1",
        rule: "two-of-five",
      },
      {
        signal: "smart-197",
        value: 8,
        threshold: 0,
        unit: "count",
        text: "Pending sectors (SMART 197): 8",
        rule: "two-of-five",
      },
    ],
  });
});

report("reportOf() keeps to the protocol's bounds, whatever a sensor says", () => {
  const effect: Effect = {
    type: "sensor",
    component: "disk",
    device: "sda",
    signal: "health",
    status: "unreadable",
    reason: "x".repeat(5_000),
    atMs: 0,
  };
  const body = reportOf(effect, REPORTER);
  assert.ok(reliable.safeParse(body).success);
  assert.is(body?.type === "sensor-fault" && body.sensor, "disk/sda/health");
  const fact = { signal: "smart-5", value: 1, threshold: 0, text: "y".repeat(5_000) } as const;
  const prediction = {
    id: "a-1",
    component: "disk",
    device: "sda",
    sequence: 1,
    atMs: 0,
    probability: 0.5,
    horizonMs: 1,
    basis: "assumed",
    evidence: Array.from({ length: 40 }, () => fact),
  } as const;
  assert.ok(reliable.safeParse(reportOf({ type: "prediction", prediction }, REPORTER)).success);
});

report("telemetryOf() tells the newest state, whatever was reported before", () => {
  const [state, effects] = first(diskReadings({ ...WELL, "smart-5": { missing: "Not there" } }));
  const types = effects.map((effect) => [effect.type, reportOf(effect, REPORTER)?.type]);
  assert.equal(types, [
    ["sensor", "sensor-fault"],
    ["risk", "risk-change"],
  ]);
  const newest = telemetryOf(state, ALPHA, 9);
  const expected = { type: "telemetry", serverId: "alpha", risk: 0, residentBytes: 9 };
  assert.equal(newest, { ...expected, sensors: 6, sensorFaults: 1 });
  assert.ok(telemetry.safeParse(telemetryOf(start(0), ALPHA, 0)).success);
});

report("telemetryOf() tells the highest risk of any device", () => {
  const bad = diskReadings({ ...WELL, health: "failed" });
  const worse = diskReadings({ ...WELL, "smart-5": 1, "smart-198": 1 }, "other", "sdb");
  const [state] = first([...bad, ...worse]);
  assert.is(telemetryOf(state, ALPHA, 0).risk, 10 / 11);
});

report.run();
