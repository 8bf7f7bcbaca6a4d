import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type EvacuationRecord,
  evacuationRecord,
  type PredictionRecord,
  predictionRecord,
} from "../../../management/state.ts";
import { openManagementStore } from "../../../management/store.ts";
import { makeFolder } from "../runtime/folder.ts";

const openManagement = suite("openManagementStore");

function predictionOf(predictionId: string, device = "sda"): PredictionRecord {
  return predictionRecord.parse({
    prediction: {
      type: "prediction",
      predictionId,
      serverId: "alpha",
      source: "agent",
      component: "disk",
      device,
      probability: 0.9,
      horizonMs: 1_000,
      evidence: [],
    },
    from: "agent:alpha",
    wallTime: "2026-01-01T00:00:00.000Z",
  });
}

function evacuationOf(number: number, phase: EvacuationRecord["phase"]): EvacuationRecord {
  return evacuationRecord.parse({
    evacuationId: `evacuation-${number}`,
    hostId: "alpha",
    serverId: "alpha",
    cause: "operator",
    phase,
    planOnly: false,
    pauseMsMax: 1_000,
    moves: [],
    reason: "a test",
  });
}

function faultOf(status: string) {
  const fault = { type: "sensor-fault", serverId: "alpha", sensor: "sda", status, reason: "r" };
  return { fault: fault as never, from: "agent:alpha", wallTime: "now" };
}

openManagement("begins in shadow mode, armed, knowing nothing", () => {
  const store = openManagementStore(":memory:");
  assert.equal(store.load(), {
    settings: { mode: "shadow", disarmed: false, hosts: {} },
    predictions: [],
    evacuations: [],
    sensorFaults: [],
    alarms: [],
    risks: [],
    watched: [],
    baselines: [],
    components: [],
    rules: [],
    places: [],
    drills: [],
  });
  store.close();
});

openManagement("gives back what another life saved, the newest of each", () => {
  const path = join(makeFolder(), "management", "management.db");
  const first = openManagementStore(path);
  const settings = { mode: "act", disarmed: true, hosts: { alpha: "alpha" as never } } as const;
  first.saveSettings({ ...settings, disarmed: false });
  first.saveSettings(settings);
  first.savePrediction(predictionOf("p-1"));
  first.savePrediction(predictionOf("p-2", "sdb"));
  first.savePrediction(predictionOf("p-3"));
  first.saveEvacuation(evacuationOf(1, "queued"));
  first.saveEvacuation(evacuationOf(1, "moving"));
  first.saveSensorFault(faultOf("stuck"));
  first.saveTaken("agent:alpha", "0".repeat(16), 7);
  first.appendEvent({ wallTime: "now", atMs: 1, message: "m", from: "a", to: "b" });
  first.close();
  const second = openManagementStore(path);
  const { predictions, evacuations, sensorFaults, settings: found } = second.load();
  assert.equal(found, settings);
  assert.equal(predictions, [predictionOf("p-3"), predictionOf("p-2", "sdb")]);
  assert.equal(evacuations, [evacuationOf(1, "moving")]);
  assert.equal(sensorFaults, [faultOf("stuck")]);
  assert.is(second.takenOf("agent:alpha", "0".repeat(16)), 7);
  assert.is(second.eventsAfter(0, 10)[0]?.message, "m");
  second.close();
});

openManagement("forgets a sensor fault once the sensor reads again", () => {
  const store = openManagementStore(":memory:");
  store.saveSensorFault(faultOf("stuck"));
  store.saveSensorFault(faultOf("ok"));
  assert.equal(store.load().sensorFaults, []);
  store.close();
});

openManagement("never takes a spool's sequence back, and keeps each sender's own", () => {
  const store = openManagementStore(":memory:");
  const [old, fresh] = ["0".repeat(16), "1".repeat(16)];
  store.saveTaken("agent:alpha", old, 5);
  store.saveTaken("agent:alpha", old, 3);
  assert.is(store.takenOf("agent:alpha", old), 5);
  assert.is(store.takenOf("nic:alpha", old), 0);
  assert.is(store.takenOf("agent:alpha", fresh), 0);
  store.close();
});

openManagement("drops the oldest events, whose ids are never given again", () => {
  const store = openManagementStore(":memory:", 100);
  for (let atMs = 1; atMs <= 250; atMs++) {
    store.appendEvent({ wallTime: "now", atMs, message: "m", from: "a", to: "b" });
  }
  const all = store.eventsAfter(0, 1_000);
  assert.equal([all.length, all[0]?.id, all.at(-1)?.id], [100, 151, 250]);
  assert.equal(
    store.eventsAfter(248, 1).map(({ id }) => id),
    [249],
  );
  store.close();
});

openManagement("drops the oldest finished evacuations, and never one under way", () => {
  const store = openManagementStore(":memory:");
  store.transaction(() => {
    store.saveEvacuation(evacuationOf(0, "moving"));
    for (let number = 1; number <= 1_005; number++) {
      store.saveEvacuation(evacuationOf(number, "done"));
    }
  });
  const ids = store.load().evacuations.map((one) => one.evacuationId as string);
  assert.equal([ids[0], ids[1], ids.length], ["evacuation-0", "evacuation-6", 1_001]);
  store.close();
});

openManagement.run();
